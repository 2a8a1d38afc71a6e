import { NetworkStep } from './network.ts';
import { learn, type PredictorSizes, predict } from './step-models.ts';
import type { StepTwin } from './step-rules.ts';

/** By how many steps what a step uses is behind the serial order, as the wave has it. */
export interface Lateness {
  /** Steps from a batch to the step that begins with its target learned: 1 in the serial order. */
  readonly teach: number;
  /** Updates that the weights of a forward pass lack, and those that its gamma and beta lack. */
  readonly weights: number;
  readonly affine: number;
}

/** The wave in three dispatches: only a predictor's target is late, by one step. */
export const WAVE: Lateness = { teach: 2, weights: 0, affine: 0 };

/**
 * The wave in one dispatch: a layer's gradient comes two steps after its forward pass, and meets newer weights on its way
 * down; a batch is normalised one step after it was multiplied.
 */
export const WAVE_OF_ONE: Lateness = { teach: 4, weights: 2, affine: 1 };

const PREDICTOR = { V: 'dV', U: 'dU', c: 'dC' } as const;

/**
 * The serial step of synthetic gradients with linear predictors, but for what the wave has late. Gradients of
 * predictors that wait are kept in `sg1.dV.wait1`, the last one first, earlier weights in `layer1.W.old1`.
 */
export const lateSyntheticStep =
  (shape: PredictorSizes, late: Lateness): StepTwin =>
  (...args) => {
    const step = new NetworkStep(...args);
    const { layers } = step.sizes;
    const { tensors } = step;
    const parametersOf = (i: number) =>
      (i === layers ? ['W', 'bias'] : ['W', 'gamma', 'beta']).map((name) => `layer${i}.${name}`);
    const predictors = Array.from({ length: layers - 1 }, (_, k) => `sg${k + 1}`);
    const taught = (['V', 'U', 'c'] as const).filter((name) => name !== 'U' || shape.labels);

    // What has waited long enough is learned before anything is predicted.
    for (const name of predictors) {
      const waiting = (parameter: (typeof taught)[number], k: number) =>
        `${name}.${PREDICTOR[parameter]}.wait${k}`;
      if (tensors.has(waiting('V', late.teach))) {
        for (const parameter of taught)
          step.update(name, [name], [parameter], () => step.get(waiting(parameter, late.teach)));
      }
    }

    // The forward pass by older weights, the pull-back by the newest.
    const newest = new Map<string, Float64Array>();
    for (let i = 1; i <= layers; i++) {
      for (const label of parametersOf(i)) {
        newest.set(label, step.get(label));
        const age = /gamma|beta/.test(label) ? late.affine : late.weights;
        // Before there are so many versions, the first one.
        for (let k = age; k >= 1; k--) {
          const old = tensors.get(`${label}.old${k}`);
          if (old === undefined) continue;
          tensors.set(label, old);
          break;
        }
      }
    }
    for (let i = 1; i <= layers; i++) {
      if (i < layers) {
        step.hiddenForward(i);
        step.hiddenBackward(i, predict(step, i, shape));
      } else {
        step.outputForward();
        step.outputBackward();
      }
      for (const label of parametersOf(i)) tensors.set(label, newest.get(label)!);
      if (i > 1) learn(step, i - 1, shape, step.pullBack(i));
      step.updateLayer(i);
    }

    for (const [label, before] of newest) {
      for (let k = late.weights; k > 1; k--) {
        const younger = tensors.get(`${label}.old${k - 1}`);
        if (younger) tensors.set(`${label}.old${k}`, younger);
      }
      if (late.weights > 0) tensors.set(`${label}.old1`, before);
    }
    for (const name of predictors) {
      for (const parameter of taught) {
        const gradient = `${name}.${PREDICTOR[parameter]}`;
        for (let k = late.teach; k > 1; k--) {
          const younger = tensors.get(`${gradient}.wait${k - 1}`);
          if (younger) tensors.set(`${gradient}.wait${k}`, younger);
        }
        tensors.set(`${gradient}.wait1`, step.get(gradient));
      }
    }
    return tensors;
  };
