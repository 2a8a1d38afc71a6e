import { delayLine } from './delay.ts';
import { matmulNN, matmulNT } from './matmul.ts';
import { mix } from './mix.ts';
import {
  type NetworkSizes,
  NetworkStep,
  type StepConstants,
  type Store,
  type Tensors,
  type TwinBatch,
} from './network.ts';
import {
  LINEAR,
  learn,
  learnInput,
  type PredictorSizes,
  predict,
  synthesise,
  teachHead,
  updatePredictor,
} from './step-models.ts';

/** A whole training step: from the tensors before it to those after it, with all that it made on the way. */
export type StepTwin = (
  before: Tensors,
  sizes: NetworkSizes,
  constants: StepConstants,
  batch: TwinBatch,
  store?: Store,
) => Tensors;

/** Forward through every layer, and the loss. */
function forward(step: NetworkStep): void {
  for (let i = 1; i < step.sizes.layers; i++) step.hiddenForward(i);
  step.outputForward();
}

/** A rule that runs forward, then backward, and updates all layers at the end; `backward` gives the dH_i. */
const lockedStep =
  (dH: (step: NetworkStep, i: number) => Float64Array): StepTwin =>
  (...args) => {
    const step = new NetworkStep(...args);
    const { layers } = step.sizes;
    forward(step);
    step.outputBackward();
    for (let i = layers - 1; i >= 1; i--) step.hiddenBackward(i, dH(step, i));
    for (let i = 1; i <= layers; i++) step.updateLayer(i);
    return step.tensors;
  };

/** Backpropagation: forward through every layer, backward through every layer, then the updates. */
export const bpStep = lockedStep((step, i) => step.pullBack(i + 1));

/** Feedback alignment: errors go down through fixed matrices, dH_{i-1} = dZ_i B_i^T. */
export const faStep = lockedStep((step, i) => {
  const { layers, hidden, classes } = step.sizes;
  const top = i + 1 === layers;
  const dZ = step.get(top ? 'loss.dLogits' : `layer${i + 1}.dZ`);
  const shape = { M: step.B, K: top ? classes : hidden, N: hidden };
  return step.put(`layer${i + 1}.dX`, matmulNT(dZ, step.get(`feedback${i + 1}`), shape));
});

/** Direct feedback alignment: dH_i = dLogits B_i. */
export const dfaStep = lockedStep((step, i) => {
  const { hidden, classes } = step.sizes;
  const shape = { M: step.B, K: classes, N: hidden };
  return step.put(`layer${i}.dH`, matmulNN(step.get('loss.dLogits'), step.get(`feedback${i}`), shape));
});

/** Only the output layer learns. */
export const noBpStep: StepTwin = (...args) => {
  const step = new NetworkStep(...args);
  forward(step);
  step.outputBackward();
  step.updateLayer(step.sizes.layers);
  return step.tensors;
};

/**
 * Backpropagation whose gradients come 2 (L - i) steps late to layer i, and are zero until then. What is under way is
 * kept in `layer1.dW.late.ring`, by the clock `delay.clock`.
 */
export const delayedStep: StepTwin = (...args) => {
  const step = new NetworkStep(...args);
  const { layers } = step.sizes;
  forward(step);
  step.outputBackward();
  for (let i = layers - 1; i >= 1; i--) step.hiddenBackward(i, step.pullBack(i + 1));
  const clock = step.tensors.get('delay.clock')?.[0] ?? 0;
  for (let i = 1; i <= layers; i++) {
    const delay = 2 * (layers - i);
    step.updateLayer(i, (label) => {
      const dP = step.get(label);
      if (delay === 0) return dP;
      const n = dP.length;
      const ring = step.tensors.get(`${label}.late.ring`) ?? new Float64Array((delay + 1) * n);
      const after = delayLine(dP, clock, ring, { n, delay });
      step.put(`${label}.late.ring`, after.ring);
      return step.put(`${label}.late`, after.y);
    });
  }
  step.tensors.set('delay.clock', Float64Array.of(clock + 1));
  return step.tensors;
};

/**
 * Synthetic gradients, in the order of Jaderberg et al. 2016: layer i forward, SG_i, layer i's gradients from SG_i;
 * then SG_{i-1} learns from SG_i pulled back through layer i, and layer i is updated. The top predictor's target is
 * the true gradient, pulled back through the output layer before its update.
 */
export const syntheticStep =
  (shape: PredictorSizes): StepTwin =>
  (...args) => {
    const step = new NetworkStep(...args);
    const { layers } = step.sizes;
    for (let i = 1; i <= layers; i++) {
      if (i < layers) {
        step.hiddenForward(i);
        step.hiddenBackward(i, predict(step, i, shape));
      } else {
        step.outputForward();
        step.outputBackward();
      }
      if (i > 1) {
        learn(step, i - 1, shape, step.pullBack(i));
        updatePredictor(step, i - 1, shape);
      }
      step.updateLayer(i);
    }
    return step.tensors;
  };

/** {@link syntheticStep} with linear predictors that are conditioned on the label. */
export const cdniStep = syntheticStep(LINEAR);

/**
 * BP(lambda): from the top down, SG_i learns from what layer i + 1 passes down, layer i from
 * lambda * that + (1 - lambda) * SG_i, and the mixture is what it passes on. lambda as the device sees it.
 */
export const mixedStep =
  (shape: PredictorSizes, lambda: number): StepTwin =>
  (...args) => {
    const step = new NetworkStep(...args);
    const { layers } = step.sizes;
    forward(step);
    step.outputBackward();
    for (let i = layers - 1; i >= 1; i--) {
      const passed = step.pullBack(i + 1);
      const sg = predict(step, i, shape);
      learn(step, i, shape, passed);
      step.hiddenBackward(i, step.put(`layer${i}.mixture`, mix(passed, sg, lambda)));
    }
    for (let i = 1; i < layers; i++) updatePredictor(step, i, shape);
    for (let i = 1; i <= layers; i++) step.updateLayer(i);
    return step.tensors;
  };

/**
 * Complete unlock: layer i is fed what input model i - 1 makes of x, and answered by SG_i. The input model learns from
 * what layer i really gives, SG_{i-1} from SG_i pulled back through layer i.
 */
export const unlockedStep =
  (shape: PredictorSizes): StepTwin =>
  (...args) => {
    const step = new NetworkStep(...args);
    const { layers } = step.sizes;
    for (let i = 1; i < layers; i++) synthesise(step, i);
    for (let i = 1; i <= layers; i++) {
      const x = i === 1 ? undefined : step.get(`input${i - 1}.logits`);
      if (i < layers) {
        step.hiddenForward(i, x);
        step.hiddenBackward(i, predict(step, i, shape));
        learnInput(step, i);
        step.update(`input${i}`, [`input${i}`], ['W', 'bias']);
      } else {
        step.outputForward(x);
        step.outputBackward();
      }
      if (i > 1) {
        learn(step, i - 1, shape, step.pullBack(i));
        updatePredictor(step, i - 1, shape);
      }
      step.updateLayer(i);
    }
    return step.tensors;
  };

/** Decoupled greedy learning: hidden layer i learns from the loss of a linear classifier on it, and so does that. */
export const dglStep: StepTwin = (...args) => {
  const step = new NetworkStep(...args);
  const { layers } = step.sizes;
  for (let i = 1; i < layers; i++) {
    step.hiddenForward(i);
    step.hiddenBackward(i, teachHead(step, i));
    step.update(`head${i}`, [`head${i}`], ['W', 'bias']);
    step.updateLayer(i);
  }
  step.outputForward();
  step.outputBackward();
  step.updateLayer(layers);
  return step.tensors;
};

/** The network at evaluation, with the running statistics: `loss.mean` and the logits, over all samples at once. */
export const evaluateTwin: StepTwin = (...args) => {
  const step = new NetworkStep(...args);
  for (let i = 1; i < step.sizes.layers; i++) step.hiddenEvaluate(i);
  step.outputForward();
  return step.tensors;
};
