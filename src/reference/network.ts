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
import { type UpdateConstants, update } from './step-update.ts';
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
export interface StepConstants extends UpdateConstants {
  /** Batch norm: what is added to a variance, and how far running statistics move. */
  readonly eps: number;
  readonly momentum: number;
}

/** Anything linear, batch norm, ReLU: a hidden layer of the network or of a model beside it. */
export interface HiddenBlock {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  /** Whether a row of weights for each sample's label is added to x W. */
  readonly conditioned?: boolean;
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

/** The gradients of what learns, by parameter. */
const GRADIENTS: Readonly<Record<string, string>> = {
  W: 'dW',
  gamma: 'dGamma',
  beta: 'dBeta',
  bias: 'dBias',
  U: 'dU',
  V: 'dV',
  c: 'dC',
};

/**
 * A training step under way, in float64: the parts that the learning rules put together. Layers are numbered from 1.
 * All gradients are summed over the batch.
 */
export class NetworkStep {
  /** What the step began with and, under the same labels, what it has made so far. */
  readonly tensors: Tensors;
  readonly sizes: NetworkSizes;
  readonly constants: StepConstants;
  readonly labels: ArrayLike<number>;
  readonly B: number;
  readonly #store: Store;
  /** What each block was fed. */
  readonly #fed = new Map<string, Float64Array>();

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
    this.constants = constants;
    this.labels = batch.labels;
    this.#store = store;
    this.B = batch.labels.length;
    this.put('batch.x', batch.x);
  }

  get(label: string): Float64Array {
    const found = this.tensors.get(label);
    if (found === undefined) throw new Error(`the step has no ${label}`);
    return found;
  }

  /** Stores what a kernel has computed; returns the numbers that the step goes on with. */
  put(label: string, result: Bounded): Float64Array {
    const stored = this.#store(label, result);
    this.tensors.set(label, stored);
    return stored;
  }

  /** Layer i as a block. */
  #layer(i: number): HiddenBlock {
    const { inputs, hidden, layers, classes } = this.sizes;
    return {
      name: `layer${i}`,
      inputs: i === 1 ? inputs : hidden,
      outputs: i === layers ? classes : hidden,
    };
  }

  /** What layer i is fed unless somebody says otherwise. */
  #inputOf(i: number): Float64Array {
    return this.get(i === 1 ? 'batch.x' : `layer${i - 1}.h`);
  }

  /** x W, and the row of each sample's label. */
  #preActivation({ name, inputs, outputs, conditioned }: HiddenBlock, x: Float64Array): Float64Array {
    const B = this.B;
    this.#fed.set(name, x);
    const label = conditioned ? `${name}.xW` : `${name}.z`;
    const product = this.put(label, matmulNN(x, this.get(`${name}.W`), { M: B, K: inputs, N: outputs }));
    if (!conditioned) return product;
    // Batch norm has a beta: there is no bias to add.
    const none = new Float64Array(outputs);
    this.tensors.set(`${name}.noBias`, none);
    const rows = this.get(`${name}.U`);
    return this.put(`${name}.z`, labelRowsAdd(product, rows, none, this.labels, { B, F: outputs }));
  }

  /** h = relu(gamma (z - mean) rstd + beta) with z = x W and the batch's statistics. */
  blockForward(block: HiddenBlock, x: Float64Array): Float64Array {
    const { name, outputs } = block;
    const { eps, momentum } = this.constants;
    const shape = { B: this.B, F: outputs };
    const z = this.#preActivation(block, x);
    const running = [this.get(`${name}.runningMean`), this.get(`${name}.runningVar`)] as const;
    const stats = batchnormStats(z, ...running, { ...shape, eps, momentum });
    const mean = this.put(`${name}.mean`, stats.mean);
    const rstd = this.put(`${name}.rstd`, stats.rstd);
    this.put(`${name}.runningMean`, stats.runningMean);
    this.put(`${name}.runningVar`, stats.runningVar);
    const affine = { gamma: this.get(`${name}.gamma`), beta: this.get(`${name}.beta`) };
    const n = this.put(`${name}.n`, batchnormForward(z, { mean, rstd }, affine, shape));
    return this.put(`${name}.h`, reluForward(n));
  }

  /** From dH: dN through the ReLU, dGamma, dBeta, dZ through batch norm, dW, dU. */
  blockBackward(block: HiddenBlock, dH: Float64Array): void {
    const { name, outputs } = block;
    const shape = { B: this.B, F: outputs };
    const z = this.get(`${name}.z`);
    const stats = { mean: this.get(`${name}.mean`), rstd: this.get(`${name}.rstd`) };
    const dN = this.put(`${name}.dN`, reluBackward(this.get(`${name}.h`), dH));
    const sums = batchnormBackwardSums(z, stats, dN, shape);
    const stored = {
      dGamma: this.put(`${name}.dGamma`, sums.dGamma),
      dBeta: this.put(`${name}.dBeta`, sums.dBeta),
    };
    const gamma = this.get(`${name}.gamma`);
    const dZ = this.put(`${name}.dZ`, batchnormBackwardInput(z, stats, gamma, dN, stored, shape));
    this.#weightGradient(block, dZ);
    if (!block.conditioned) return;
    this.put(`${name}.dU`, labelRowsGrad(dZ, this.labels, { ...shape, C: this.sizes.classes }));
  }

  /** dW = x^T dZ. */
  #weightGradient({ name, inputs, outputs }: HiddenBlock, dZ: Float64Array): void {
    const x = this.#fed.get(name)!;
    this.put(`${name}.dW`, matmulTN(x, dZ, { M: inputs, K: this.B, N: outputs }));
  }

  /** dX = dZ W^T, with the weights as they are by now. */
  blockPullBack({ name, inputs, outputs }: HiddenBlock, dZ = this.get(`${name}.dZ`)): Float64Array {
    const shape = { M: this.B, K: outputs, N: inputs };
    return this.put(`${name}.dX`, matmulNT(dZ, this.get(`${name}.W`), shape));
  }

  /** x W + bias (`name.logits`). */
  linearForward(block: HiddenBlock, x: Float64Array): Float64Array {
    const { name, outputs } = block;
    const z = this.#preActivation(block, x);
    return this.put(`${name}.logits`, biasAdd(z, this.get(`${name}.bias`), { B: this.B, F: outputs }));
  }

  /** dBias and dW. */
  linearBackward(block: HiddenBlock, dLogits: Float64Array): void {
    const { name, outputs } = block;
    this.put(`${name}.dBias`, columnSum(dLogits, { B: this.B, F: outputs }));
    this.#weightGradient(block, dLogits);
  }

  /** {@link blockForward} of hidden layer i. */
  hiddenForward(i: number, x = this.#inputOf(i)): void {
    this.blockForward(this.#layer(i), x);
  }

  /** {@link hiddenForward} with the running statistics. */
  hiddenEvaluate(i: number): void {
    const layer = this.#layer(i);
    const { name, outputs } = layer;
    const shape = { B: this.B, F: outputs, eps: this.constants.eps };
    const z = this.#preActivation(layer, this.#inputOf(i));
    const running = { mean: this.get(`${name}.runningMean`), variance: this.get(`${name}.runningVar`) };
    const affine = { gamma: this.get(`${name}.gamma`), beta: this.get(`${name}.beta`) };
    this.put(`${name}.h`, reluForward(this.put(`${name}.n`, batchnormEval(z, running, affine, shape))));
  }

  /** {@link blockBackward} of hidden layer i. */
  hiddenBackward(i: number, dH: Float64Array): void {
    this.blockBackward(this.#layer(i), dH);
  }

  /** dH_{i-1} = dZ_i W_i^T. */
  pullBack(i: number): Float64Array {
    const top = i === this.sizes.layers;
    return this.blockPullBack(this.#layer(i), this.get(top ? 'loss.dLogits' : `layer${i}.dZ`));
  }

  /** logits = h W + bias, each sample's cross-entropy, and their mean (`loss.mean`). */
  outputForward(x = this.#inputOf(this.sizes.layers)): void {
    const logits = this.linearForward(this.#layer(this.sizes.layers), x);
    const loss = this.crossEntropy('loss', logits);
    this.put('loss.mean', lossMean(loss, 0, [0]));
  }

  /** dLogits = softmax - onehot, dBias and dW. */
  outputBackward(): void {
    const { layers } = this.sizes;
    const dLogits = this.crossEntropyGradient('loss', this.get(`layer${layers}.logits`));
    this.linearBackward(this.#layer(layers), dLogits);
  }

  /** Cross-entropy of each sample, and what its softmax is made with. */
  crossEntropy(name: string, logits: Float64Array): Float64Array {
    const shape = { B: this.B, C: this.sizes.classes };
    const { largest, sum, loss } = softmaxXentForward(logits, this.labels, shape);
    this.put(`${name}.largest`, largest);
    this.put(`${name}.sum`, sum);
    return this.put(`${name}.loss`, loss);
  }

  /** softmax - onehot. */
  crossEntropyGradient(name: string, logits: Float64Array): Float64Array {
    const shape = { B: this.B, C: this.sizes.classes };
    return this.put(`${name}.dLogits`, softmaxXentBackward(logits, this.labels, shape));
  }

  /** Updates layer i, or does not, as the constants say; with another gradient where `late` says which. */
  updateLayer(i: number, late: (gradient: string) => Float64Array = (gradient) => this.get(gradient)): void {
    this.update(`layer${i}`, [`layer${i}`], i === this.sizes.layers ? ['W', 'bias'] : undefined, late);
  }

  /** Updates the parameters of some blocks, all in the steps in which `what` is updated. */
  update(
    what: string,
    blocks: readonly string[],
    parameters: readonly string[] = ['W', 'gamma', 'beta'],
    gradientOf: (gradient: string) => Float64Array = (gradient) => this.get(gradient),
  ): void {
    for (const block of blocks) {
      for (const parameter of parameters) {
        const gradient = gradientOf(`${block}.${GRADIENTS[parameter]}`);
        const after = update(what, `${block}.${parameter}`, gradient, this.tensors, this.constants);
        for (const [label, result] of Object.entries(after)) this.put(label, result);
      }
    }
  }
}
