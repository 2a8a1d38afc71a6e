import type { Random } from '../data/random.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import * as record from '../kernels/record.ts';
import { createTensor, type Tensor, tensorFrom } from '../tensor.ts';
import { heNormal } from './init.ts';
import { type Parameter, parameter } from './parameter.ts';

/** Added to a variance before its root is taken. */
export const BATCHNORM_EPS = 1e-5;

/** How far the running statistics move towards those of each batch. */
export const BATCHNORM_MOMENTUM = 0.1;

/** What a hidden layer's forward pass leaves for its backward pass. All but the statistics are (B, outputs). */
export interface HiddenState {
  /** The layer's input, (B, inputs). */
  readonly x: Tensor;
  /** x W. */
  readonly z: Tensor;
  readonly stats: record.StatsTensors;
  /** The activations, relu(batchnorm(z)). */
  readonly h: Tensor;
}

/**
 * A hidden layer: h = relu(batchnorm(x W)). It has no bias, since batch norm takes the mean off again; its beta is
 * the bias.
 */
export class HiddenLayer {
  readonly label: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly weights: Parameter;
  readonly gamma: Parameter;
  readonly beta: Parameter;
  readonly runningMean: Tensor;
  readonly runningVar: Tensor;
  /** U (classes, outputs), a row for each label, added to x W; only of a layer that is conditioned on the label. */
  readonly labelRows: Parameter | undefined;
  readonly #noBias: Tensor | undefined;

  /**
   * W is He normal, gamma 1, beta 0; the running mean begins at 0, the running variance at 1. With `classes` the layer
   * is conditioned on the label, by rows that begin at 0.
   */
  constructor(gpu: Gpu, label: string, inputs: number, outputs: number, random: Random, classes?: number) {
    this.label = label;
    this.inputs = inputs;
    this.outputs = outputs;
    const ones = new Float32Array(outputs).fill(1);
    this.weights = parameter(gpu, `${label}.W`, [inputs, outputs], heNormal(random, inputs, outputs));
    this.gamma = parameter(gpu, `${label}.gamma`, [outputs], ones);
    this.beta = parameter(gpu, `${label}.beta`, [outputs], new Float32Array(outputs));
    this.runningMean = createTensor(gpu, `${label}.runningMean`, [outputs]);
    this.runningVar = tensorFrom(gpu, `${label}.runningVar`, [outputs], ones);
    if (classes === undefined) return;
    this.labelRows = parameter(gpu, `${label}.U`, [classes, outputs], new Float32Array(classes * outputs));
    this.#noBias = createTensor(gpu, `${label}.noBias`, [outputs]);
  }

  get parameters(): readonly Parameter[] {
    return [this.weights, this.gamma, this.beta, ...(this.labelRows ? [this.labelRows] : [])];
  }

  /** Everything the layer holds between steps. */
  get tensors(): readonly Tensor[] {
    const held = this.parameters.flatMap((p) => [p.value, p.gradient]);
    return [...held, this.runningMean, this.runningVar, ...(this.#noBias ? [this.#noBias] : [])];
  }

  get #batchnorm(): record.BatchnormTensors {
    const { runningMean, runningVar } = this;
    return { gamma: this.gamma.value, beta: this.beta.value, runningMean, runningVar };
  }

  /** x W, and the row of each sample's label where the layer is conditioned on it. */
  #preActivation(plan: Plan, x: Tensor, labels: Tensor | undefined): Tensor {
    if (!this.labelRows || !this.#noBias)
      return record.matmulNN(plan, `${this.label}.z`, x, this.weights.value);
    if (!labels) throw new Error(`${this.label} is conditioned on the label, and got none`);
    const product = record.matmulNN(plan, `${this.label}.xW`, x, this.weights.value);
    return record.labelRowsAdd(plan, `${this.label}.z`, product, this.labelRows.value, this.#noBias, labels);
  }

  /**
   * Records the forward pass in training: batch norm takes the batch's own statistics. The running statistics move
   * towards them by `momentum`; with 0 they stay.
   */
  forward(plan: Plan, x: Tensor, labels?: Tensor, momentum = BATCHNORM_MOMENTUM): HiddenState {
    const options = { eps: BATCHNORM_EPS, momentum };
    const z = this.#preActivation(plan, x, labels);
    const stats = record.batchnormStats(plan, this.label, z, this.#batchnorm, options);
    const n = record.batchnormForward(plan, `${this.label}.n`, z, stats, this.#batchnorm);
    return { x, z, stats, h: record.reluForward(plan, `${this.label}.h`, n) };
  }

  /** Records the forward pass in evaluation: batch norm takes the running statistics. */
  evaluate(plan: Plan, x: Tensor): Tensor {
    const z = record.matmulNN(plan, `${this.label}.z`, x, this.weights.value);
    const n = record.batchnormEval(plan, `${this.label}.n`, z, this.#batchnorm, BATCHNORM_EPS);
    return record.reluForward(plan, `${this.label}.h`, n);
  }

  /**
   * Records the backward pass from dH, the gradient by the layer's activations: fills the gradients of W, gamma and
   * beta, and returns dZ (B, outputs), the gradient by x W, for {@link pullBack}.
   */
  backward(plan: Plan, state: HiddenState, dH: Tensor, labels?: Tensor): Tensor {
    const dN = record.reluBackward(plan, `${this.label}.dN`, state.h, dH);
    const sums = { dGamma: this.gamma.gradient, dBeta: this.beta.gradient };
    const { z, stats } = state;
    const dZ = record.batchnormBackward(plan, `${this.label}.dZ`, z, stats, this.gamma.value, dN, sums);
    record.matmulTN(plan, state.x, dZ, this.weights.gradient);
    if (this.labelRows && labels) record.labelRowsGrad(plan, dZ, labels, this.labelRows.gradient);
    return dZ;
  }

  /** Records dX = dZ W^T (B, inputs): the gradient by the layer's input, with the weights as they are by then. */
  pullBack(plan: Plan, dZ: Tensor): Tensor {
    return record.matmulNT(plan, `${this.label}.dX`, dZ, this.weights.value);
  }
}
