import { adam } from './adam.ts';
import {
  batchnormBackwardInput,
  batchnormBackwardSums,
  batchnormEval,
  batchnormForward,
  batchnormStats,
} from './batchnorm.ts';
import { biasAdd, columnSum } from './bias.ts';
import { labelRowsAdd, labelRowsGrad } from './label-rows.ts';
import { matmulNN, matmulNT, matmulTN } from './matmul.ts';
import { lossMean } from './metrics.ts';
import { reluBackward, reluForward } from './relu.ts';
import { softmaxXentBackward, softmaxXentForward } from './softmax-xent.ts';
import { squaredErrorGrad } from './squared-error.ts';
import type { Bounded } from './twin.ts';

/** Tensors by the labels that they have on the device: `layer1.W`, `layer1.dW`, `sg1.sg`, `loss.dLogits`. */
export type Tensors = Map<string, Float64Array>;

/** The network's sizes; `layers` counts those with weights, so that the output layer is number `layers`. */
export interface NetworkSizes {
  readonly inputs: number;
  readonly hidden: number;
  readonly layers: number;
  readonly classes: number;
}

/** The samples of a step. */
export interface TwinBatch {
  /** (B, inputs), as they enter the network, with the rounding of their scaling. */
  readonly x: Bounded;
  /** (B). */
  readonly labels: readonly number[];
}

/** The numbers in a step's formulas. To be a device's twin they must be rounded as the device sees them. */
export interface StepConstants {
  /** Batch norm: what is added to a variance, and how far running statistics move. */
  readonly eps: number;
  readonly momentum: number;
  /** Adam: 1 / batch size, the decay of the moments, and this step's step size and epsilon. */
  readonly scale: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly stepSize: number;
  readonly epsHat: number;
}

/**
 * Called with the result of every kernel of a step; returns the numbers that the step goes on with.
 *
 * This is where the arithmetic tolerance of whole steps comes from. With {@link asComputed} the step is the exact
 * one. With a store that moves each element by its bound, up or down at random, every kernel is as wrong as float32
 * allows, and what comes out at the end shows how errors travel through a step: through products, batch norm, and
 * Adam, which makes a gradient of nearly nothing a step of full size. The largest deviation over a few such draws is
 * the scale that a device must stay within. It is taken as a norm over each tensor: a ReLU whose input is nearly
 * zero may open in one run and stay shut in another, which changes single elements entirely and a tensor slightly.
 */
export type Store = (label: string, result: Bounded) => Float64Array;

/** The store of an exact step. */
export const asComputed: Store = (_, { value }) => value;

const HIDDEN = { W: 'dW', gamma: 'dGamma', beta: 'dBeta' };
const OUTPUT = { W: 'dW', bias: 'dBias' };
const PREDICTOR = { V: 'dV', U: 'dU', c: 'dC' };

/**
 * A training step under way, in float64: the parts that the learning rules put together. Layers are numbered from 1.
 * All gradients are summed over the batch.
 */
export class NetworkStep {
  /** What the step began with and, under the same labels, what it has made so far. */
  readonly tensors: Tensors;
  readonly sizes: NetworkSizes;
  readonly #constants: StepConstants;
  readonly #labels: ArrayLike<number>;
  readonly #store: Store;
  readonly #B: number;

  /** @param before parameters, running statistics and moments (which may be left out: zero); it is not changed. */
  constructor(
    before: Tensors,
    sizes: NetworkSizes,
    constants: StepConstants,
    batch: TwinBatch,
    store: Store = asComputed,
  ) {
    this.tensors = new Map(before);
    this.sizes = sizes;
    this.#constants = constants;
    this.#labels = batch.labels;
    this.#store = store;
    this.#B = batch.labels.length;
    this.#put('batch.x', batch.x);
  }

  get(label: string): Float64Array {
    const found = this.tensors.get(label);
    if (found === undefined) throw new Error(`the step has no ${label}`);
    return found;
  }

  #put(label: string, result: Bounded): Float64Array {
    const stored = this.#store(label, result);
    this.tensors.set(label, stored);
    return stored;
  }

  /** What layer i is fed, (B, width). */
  #inputOf(i: number): { x: Float64Array; width: number } {
    return i === 1
      ? { x: this.get('batch.x'), width: this.sizes.inputs }
      : { x: this.get(`layer${i - 1}.h`), width: this.sizes.hidden };
  }

  /** Width of what layer i gives. */
  #outputs(i: number): number {
    return i === this.sizes.layers ? this.sizes.classes : this.sizes.hidden;
  }

  #product(i: number): Float64Array {
    const { x, width } = this.#inputOf(i);
    const shape = { M: this.#B, K: width, N: this.#outputs(i) };
    return this.#put(`layer${i}.z`, matmulNN(x, this.get(`layer${i}.W`), shape));
  }

  /** h_i = relu(gamma (z - mean) rstd + beta) with z = h_{i-1} W_i and the batch's statistics. */
  hiddenForward(i: number): void {
    const name = `layer${i}`;
    const { eps, momentum } = this.#constants;
    const shape = { B: this.#B, F: this.sizes.hidden };
    const z = this.#product(i);
    const running = [this.get(`${name}.runningMean`), this.get(`${name}.runningVar`)] as const;
    const stats = batchnormStats(z, ...running, { ...shape, eps, momentum });
    const mean = this.#put(`${name}.mean`, stats.mean);
    const rstd = this.#put(`${name}.rstd`, stats.rstd);
    this.#put(`${name}.runningMean`, stats.runningMean);
    this.#put(`${name}.runningVar`, stats.runningVar);
    const affine = { gamma: this.get(`${name}.gamma`), beta: this.get(`${name}.beta`) };
    const n = this.#put(`${name}.n`, batchnormForward(z, { mean, rstd }, affine, shape));
    this.#put(`${name}.h`, reluForward(n));
  }

  /** {@link hiddenForward} with the running statistics. */
  hiddenEvaluate(i: number): void {
    const name = `layer${i}`;
    const shape = { B: this.#B, F: this.sizes.hidden, eps: this.#constants.eps };
    const z = this.#product(i);
    const running = { mean: this.get(`${name}.runningMean`), variance: this.get(`${name}.runningVar`) };
    const affine = { gamma: this.get(`${name}.gamma`), beta: this.get(`${name}.beta`) };
    this.#put(`${name}.h`, reluForward(this.#put(`${name}.n`, batchnormEval(z, running, affine, shape))));
  }

  /** From dH: dN through the ReLU, dGamma, dBeta, dZ through batch norm, dW. */
  hiddenBackward(i: number, dH: Float64Array): void {
    const name = `layer${i}`;
    const shape = { B: this.#B, F: this.sizes.hidden };
    const z = this.get(`${name}.z`);
    const stats = { mean: this.get(`${name}.mean`), rstd: this.get(`${name}.rstd`) };
    const dN = this.#put(`${name}.dN`, reluBackward(this.get(`${name}.h`), dH));
    const sums = batchnormBackwardSums(z, stats, dN, shape);
    const stored = {
      dGamma: this.#put(`${name}.dGamma`, sums.dGamma),
      dBeta: this.#put(`${name}.dBeta`, sums.dBeta),
    };
    const gamma = this.get(`${name}.gamma`);
    this.#weightGradient(
      i,
      this.#put(`${name}.dZ`, batchnormBackwardInput(z, stats, gamma, dN, stored, shape)),
    );
  }

  /** dW = x^T dZ. */
  #weightGradient(i: number, dZ: Float64Array): void {
    const { x, width } = this.#inputOf(i);
    const shape = { M: width, K: this.#B, N: this.#outputs(i) };
    this.#put(`layer${i}.dW`, matmulTN(x, dZ, shape));
  }

  /** dH_{i-1} = dZ_i W_i^T, with the weights as they are by now. */
  pullBack(i: number): Float64Array {
    const top = i === this.sizes.layers;
    const shape = { M: this.#B, K: this.#outputs(i), N: this.sizes.hidden };
    const dZ = this.get(top ? 'loss.dLogits' : `layer${i}.dZ`);
    return this.#put(`layer${i}.dX`, matmulNT(dZ, this.get(`layer${i}.W`), shape));
  }

  /** logits = h W + bias, each sample's cross-entropy, and their mean (`loss.mean`). */
  outputForward(): void {
    const { layers, classes: C } = this.sizes;
    const z = this.#product(layers);
    const bias = this.get(`layer${layers}.bias`);
    const logits = this.#put(`layer${layers}.logits`, biasAdd(z, bias, { B: this.#B, F: C }));
    const { lse, loss } = softmaxXentForward(logits, this.#labels, { B: this.#B, C });
    this.#put('loss.lse', lse);
    this.#put('loss.mean', lossMean(this.#put('loss.loss', loss), 0, [0]));
  }

  /** dLogits = softmax - onehot, dBias and dW. */
  outputBackward(): void {
    const { layers, classes } = this.sizes;
    const logits = this.get(`layer${layers}.logits`);
    const shape = { B: this.#B, C: classes };
    const dLogits = this.#put(
      'loss.dLogits',
      softmaxXentBackward(logits, this.#labels, this.get('loss.lse'), shape),
    );
    this.#put(`layer${layers}.dBias`, columnSum(dLogits, { B: this.#B, F: classes }));
    this.#weightGradient(layers, dLogits);
  }

  /** SG_i(h_i, y) = h_i V_i + U_i[y] + c_i. */
  predict(i: number): Float64Array {
    const name = `sg${i}`;
    const F = this.sizes.hidden;
    const hV = this.#put(
      `${name}.hV`,
      matmulNN(this.get(`layer${i}.h`), this.get(`${name}.V`), { M: this.#B, K: F, N: F }),
    );
    const [U, c] = [this.get(`${name}.U`), this.get(`${name}.c`)];
    return this.#put(`${name}.sg`, labelRowsAdd(hV, U, c, this.#labels, { B: this.#B, F }));
  }

  /** The gradients by V_i, U_i and c_i of ||SG_i - target||^2, with the target held fixed. */
  learn(i: number, target: Float64Array): void {
    const name = `sg${i}`;
    const F = this.sizes.hidden;
    const dSg = this.#put(`${name}.dSg`, squaredErrorGrad(this.get(`${name}.sg`), target));
    this.#put(`${name}.dV`, matmulTN(this.get(`layer${i}.h`), dSg, { M: F, K: this.#B, N: F }));
    const shape = { B: this.#B, F, C: this.sizes.classes };
    this.#put(`${name}.dU`, labelRowsGrad(dSg, this.#labels, shape));
    this.#put(`${name}.dC`, columnSum(dSg, { B: this.#B, F }));
  }

  /** Adam on the parameters of layer i. */
  updateLayer(i: number): void {
    this.#update(`layer${i}`, i === this.sizes.layers ? OUTPUT : HIDDEN);
  }

  /** Adam on the parameters of predictor i. */
  updatePredictor(i: number): void {
    this.#update(`sg${i}`, PREDICTOR);
  }

  #update(name: string, parameters: Readonly<Record<string, string>>): void {
    for (const [parameter, gradient] of Object.entries(parameters)) {
      const label = `${name}.${parameter}`;
      const p = this.get(label);
      const m = this.tensors.get(`${label}.m`) ?? new Float64Array(p.length);
      const v = this.tensors.get(`${label}.v`) ?? new Float64Array(p.length);
      const after = adam(this.get(`${name}.${gradient}`), p, m, v, this.#constants);
      this.#put(label, after.p);
      this.#put(`${label}.m`, after.m);
      this.#put(`${label}.v`, after.v);
    }
  }
}
