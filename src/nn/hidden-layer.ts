import type { Random } from '../data/random.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import * as record from '../kernels/record.ts';
import { createTensor, type Tensor, tensorFrom } from '../tensor.ts';
import { type Conventions, PYTORCH } from './conventions.ts';
import { initialBias, initialWeights } from './init.ts';
import { type Parameter, parameter } from './parameter.ts';

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

/** What a hidden layer may be told. */
export interface HiddenLayerOptions {
  /** Conditions the layer on the label, by a row for each class. */
  readonly classes?: number | undefined;
  readonly conventions?: Conventions;
}

/**
 * A hidden layer: h = relu(batchnorm(x W)). It has no bias, since batch norm takes the mean off again; its beta is
 * the bias. Conventions may say otherwise, and that batch norm is frozen: it takes the running statistics in training,
 * too, and they stay as they are.
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
  /** Added to x W before batch norm, where the conventions have one. */
  readonly bias: Parameter | undefined;
  readonly conventions: Conventions;
  readonly #noBias: Tensor | undefined;
  /** Ones and zeros (outputs) that a frozen batch norm is computed with. */
  readonly #frozen: { readonly ones: Tensor; readonly zeros: Tensor } | undefined;

  /**
   * W begins as the conventions say (He normal by default), gamma at 1, beta at 0; the running mean at 0, the running
   * variance at 1. With `classes` the layer is conditioned on the label, by rows that begin at 0.
   */
  constructor(
    gpu: Gpu,
    label: string,
    inputs: number,
    outputs: number,
    random: Random,
    { classes, conventions = PYTORCH }: HiddenLayerOptions = {},
  ) {
    const { init, bnBias, bnMode } = conventions;
    this.conventions = conventions;
    this.label = label;
    this.inputs = inputs;
    this.outputs = outputs;
    const ones = new Float32Array(outputs).fill(1);
    this.weights = parameter(
      gpu,
      `${label}.W`,
      [inputs, outputs],
      initialWeights(init, random, inputs, outputs),
    );
    this.gamma = parameter(gpu, `${label}.gamma`, [outputs], ones);
    this.beta = parameter(gpu, `${label}.beta`, [outputs], new Float32Array(outputs));
    this.runningMean = createTensor(gpu, `${label}.runningMean`, [outputs]);
    this.runningVar = tensorFrom(gpu, `${label}.runningVar`, [outputs], ones);
    if (bnBias)
      this.bias = parameter(gpu, `${label}.bias`, [outputs], initialBias(init, random, inputs, outputs));
    if (bnMode === 'frozen') {
      this.#frozen = {
        ones: tensorFrom(gpu, `${label}.ones`, [1, outputs], ones),
        zeros: createTensor(gpu, `${label}.zeros`, [outputs]),
      };
    }
    if (classes === undefined) return;
    this.labelRows = parameter(gpu, `${label}.U`, [classes, outputs], new Float32Array(classes * outputs));
    this.#noBias = createTensor(gpu, `${label}.noBias`, [outputs]);
  }

  get parameters(): readonly Parameter[] {
    const { weights, gamma, beta, labelRows, bias } = this;
    return [weights, gamma, beta, ...(labelRows ? [labelRows] : []), ...(bias ? [bias] : [])];
  }

  /** Everything the layer holds between steps. */
  get tensors(): readonly Tensor[] {
    const held = this.parameters.flatMap((p) => [p.value, p.gradient]);
    const frozen = this.#frozen ? Object.values(this.#frozen) : [];
    return [...held, this.runningMean, this.runningVar, ...(this.#noBias ? [this.#noBias] : []), ...frozen];
  }

  get #batchnorm(): record.BatchnormTensors {
    const { runningMean, runningVar } = this;
    return { gamma: this.gamma.value, beta: this.beta.value, runningMean, runningVar };
  }

  /** x W, and the row of each sample's label where the layer is conditioned on it, and a bias where it has one. */
  #preActivation(plan: Plan, x: Tensor, labels: Tensor | undefined): Tensor {
    const z = `${this.label}.z`;
    const { labelRows, weights } = this;
    if (!labelRows && !this.bias) return record.matmulNN(plan, z, x, weights.value);
    const product = record.matmulNN(plan, `${this.label}.xW`, x, weights.value);
    const bias = this.bias?.value ?? this.#noBias!;
    if (!labelRows) return record.biasAdd(plan, z, product, bias);
    if (!labels) throw new Error(`${this.label} is conditioned on the label, and got none`);
    return record.labelRowsAdd(plan, z, product, labelRows.value, bias, labels);
  }

  /** Mean and 1 / sqrt(var + eps) that training normalises by. */
  #stats(plan: Plan, z: Tensor, momentum: number): record.StatsTensors {
    const { bnEps: eps, bnVariance: variance } = this.conventions;
    if (!this.#frozen)
      return record.batchnormStats(plan, this.label, z, this.#batchnorm, { eps, momentum, variance });
    // The running variance's 1 / sqrt(var + eps) is what batch norm makes of a 1 with mean 0, gamma 1 and beta 0.
    const { ones, zeros } = this.#frozen;
    const plain = { gamma: ones, beta: zeros, runningMean: zeros, runningVar: this.runningVar };
    const rstd = record.batchnormEval(plan, `${this.label}.rstd`, ones, plain, eps);
    return { mean: this.runningMean, rstd };
  }

  /**
   * Records the forward pass in training: batch norm takes the batch's own statistics. The running statistics move
   * towards them by `momentum`; with 0 they stay. A frozen batch norm takes the running statistics.
   */
  forward(plan: Plan, x: Tensor, labels?: Tensor, momentum = this.conventions.bnMomentum): HiddenState {
    const z = this.#preActivation(plan, x, labels);
    const stats = this.#stats(plan, z, momentum);
    const n = record.batchnormForward(plan, `${this.label}.n`, z, stats, this.#batchnorm);
    return { x, z, stats, h: record.reluForward(plan, `${this.label}.h`, n) };
  }

  /** Records the forward pass in evaluation: batch norm takes the running statistics. */
  evaluate(plan: Plan, x: Tensor): Tensor {
    const z = this.#preActivation(plan, x, undefined);
    const n = record.batchnormEval(plan, `${this.label}.n`, z, this.#batchnorm, this.conventions.bnEps);
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
    const through = this.#frozen && { dGamma: this.#frozen.zeros, dBeta: this.#frozen.zeros };
    const dZ = record.batchnormBackward(
      plan,
      `${this.label}.dZ`,
      z,
      stats,
      this.gamma.value,
      dN,
      sums,
      through,
    );
    if (this.bias) record.columnSum(plan, dZ, this.bias.gradient);
    record.matmulTN(plan, state.x, dZ, this.weights.gradient);
    if (this.labelRows && labels) record.labelRowsGrad(plan, dZ, labels, this.labelRows.gradient);
    return dZ;
  }

  /** Records dX = dZ W^T (B, inputs): the gradient by the layer's input, with the weights as they are by then. */
  pullBack(plan: Plan, dZ: Tensor): Tensor {
    return record.matmulNT(plan, `${this.label}.dX`, dZ, this.weights.value);
  }
}
