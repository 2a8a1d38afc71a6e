import type { Random } from '../data/random.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import * as record from '../kernels/record.ts';
import { sigmoidBackward, sigmoidForward } from '../kernels/record-models.ts';
import type { Tensor } from '../tensor.ts';
import { HiddenLayer, type HiddenState } from './hidden-layer.ts';
import { type Parameter, parameter } from './parameter.ts';

/** A gradient that a model has predicted, with what it was predicted from. */
export interface Prediction {
  /** The message: the activations h (B, F) whose gradient is predicted. */
  readonly message: Tensor;
  /** What the model is conditioned on, for instance the labels (B). */
  readonly context: Tensor;
  /** The prediction (B, F): the gradient of each sample's own loss by h. */
  readonly gradient: Tensor;
}

/**
 * The protocol between two modules A and B (Jaderberg et al. 2016, section 2): A sends its activations h_A and is at
 * once answered with a synthetic gradient by B's model of what B will send back; when the true one, or a better
 * estimate, is there, the model learns from it.
 */
export interface GradientModel {
  readonly parameters: readonly Parameter[];
  /** Records the answer to a message, in a context. */
  predict(plan: Plan, message: Tensor, context: Tensor): Prediction;
  /** Records the gradients of the model's parameters that take a prediction towards `target` (B, F). */
  learn(plan: Plan, prediction: Prediction, target: Tensor): void;
  /** Releases what the model holds beside its parameters, which are released for it. */
  destroy?(): void;
}

/** What a synthetic-gradient model is made of. */
export interface SyntheticGradientShape {
  /** Units of the layer whose gradient is predicted. */
  readonly features: number;
  readonly classes: number;
  /** Hidden layers (linear, batch norm, ReLU); 0 is a linear model. */
  readonly hidden: number;
  /** Units of each hidden layer. */
  readonly width: number;
  /** Whether it is conditioned on the label: a row of weights for each label, in its first layer. */
  readonly labels: boolean;
  /** What the last linear layer goes through; with `sigmoid` its label rows and bias are added behind it. */
  readonly output: 'linear' | 'sigmoid';
}

/** What `predict` keeps for `learn`. */
interface Answer extends Prediction {
  readonly states: readonly HiddenState[];
  /** The last hidden layer's activations, or the message. */
  readonly top: Tensor;
  readonly sigmoid: Tensor | undefined;
}

/**
 * A synthetic-gradient model: hidden layers, if any, and a linear last layer that begins at zero, so that the first
 * synthetic gradient is zero and leaves the layer below as it is (Jaderberg et al. 2016, supplement).
 *
 * Without hidden layers and with labels: SG(h, y) = h V + U[y] + c. With a sigmoid: SG(h, y) = sigmoid(h V) + U[y] + c,
 * the form of a log loss's gradient (Czarnecki et al. 2017), where c begins at -1/2. Its loss is ||SG - target||^2 for
 * each sample, averaged over the batch.
 */
export class SyntheticGradient implements GradientModel {
  readonly label: string;
  readonly shape: SyntheticGradientShape;
  readonly hidden: readonly HiddenLayer[];
  /** V (width or features, features). */
  readonly weights: Parameter;
  /** U (classes, features), a row for each label; of a linear model that is conditioned on it. */
  readonly labelRows: Parameter | undefined;
  /** c (features). */
  readonly bias: Parameter;
  readonly #gpu: Gpu;

  constructor(gpu: Gpu, label: string, shape: SyntheticGradientShape, random: Random) {
    const { features, classes, hidden, width, labels, output } = shape;
    this.#gpu = gpu;
    this.label = label;
    this.shape = shape;
    this.hidden = Array.from({ length: hidden }, (_, i) => {
      const name = `${label}.hidden${i + 1}`;
      const conditioned = labels && i === 0 ? classes : undefined;
      return new HiddenLayer(gpu, name, i === 0 ? features : width, width, random.fork(name), conditioned);
    });
    const inputs = hidden > 0 ? width : features;
    this.weights = parameter(gpu, `${label}.V`, [inputs, features], new Float32Array(inputs * features));
    if (labels && hidden === 0) {
      const zeros = new Float32Array(classes * features);
      this.labelRows = parameter(gpu, `${label}.U`, [classes, features], zeros);
    }
    const start = new Float32Array(features).fill(output === 'sigmoid' ? -0.5 : 0);
    this.bias = parameter(gpu, `${label}.c`, [features], start);
  }

  get parameters(): readonly Parameter[] {
    const rows = this.labelRows ? [this.labelRows] : [];
    return [...this.hidden.flatMap((layer) => layer.parameters), this.weights, ...rows, this.bias];
  }

  predict(plan: Plan, message: Tensor, labels: Tensor): Answer {
    const states: HiddenState[] = [];
    let top = message;
    for (const layer of this.hidden) {
      const state = layer.forward(plan, top, labels);
      states.push(state);
      top = state.h;
    }
    const product = record.matmulNN(plan, `${this.label}.hV`, top, this.weights.value);
    const sigmoid =
      this.shape.output === 'sigmoid' ? sigmoidForward(plan, `${this.label}.s`, product) : undefined;
    const name = `${this.label}.sg`;
    const linear = sigmoid ?? product;
    const gradient = this.labelRows
      ? record.labelRowsAdd(plan, name, linear, this.labelRows.value, this.bias.value, labels)
      : record.biasAdd(plan, name, linear, this.bias.value);
    return { message, context: labels, gradient, states, top, sigmoid };
  }

  learn(plan: Plan, prediction: Prediction, target: Tensor): void {
    const { context: labels, gradient, states, top, sigmoid } = prediction as Answer;
    const error = record.squaredError(plan, `${this.label}.dSg`, gradient, target);
    const dProduct = sigmoid ? sigmoidBackward(plan, `${this.label}.dHV`, sigmoid, error) : error;
    record.matmulTN(plan, top, dProduct, this.weights.gradient);
    if (this.labelRows) record.labelRowsGrad(plan, error, labels, this.labelRows.gradient);
    record.columnSum(plan, error, this.bias.gradient);
    if (states.length === 0) return;
    let dH = record.matmulNT(plan, `${this.label}.dTop`, dProduct, this.weights.value);
    for (let i = states.length - 1; i >= 0; i--) {
      const layer = this.hidden[i]!;
      const dZ = layer.backward(plan, states[i]!, dH, labels);
      if (i > 0) dH = layer.pullBack(plan, dZ);
    }
  }

  destroy(): void {
    for (const tensor of this.hidden.flatMap((layer) => layer.tensors)) this.#gpu.release(tensor.buffer);
  }
}
