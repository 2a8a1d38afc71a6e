import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import * as record from '../kernels/record.ts';
import type { Tensor } from '../tensor.ts';
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
  /** Releases the model's GPU memory. */
  destroy(): void;
}

/**
 * A linear synthetic-gradient model, conditioned on the label (cDNI): SG(h, y) = h V + U[y] + c.
 *
 * It begins at zero, so that the first synthetic gradient is zero and leaves the layer below as it is. Its loss is
 * ||SG - target||^2 for each sample, averaged over the batch.
 */
export class LinearSyntheticGradient implements GradientModel {
  readonly label: string;
  readonly #gpu: Gpu;
  /** V (F, F). */
  readonly weights: Parameter;
  /** U (classes, F): a row for each label. */
  readonly labelRows: Parameter;
  /** c (F). */
  readonly bias: Parameter;

  constructor(gpu: Gpu, label: string, features: number, classes: number) {
    const zeros = (n: number) => new Float32Array(n);
    this.#gpu = gpu;
    this.label = label;
    this.weights = parameter(gpu, `${label}.V`, [features, features], zeros(features * features));
    this.labelRows = parameter(gpu, `${label}.U`, [classes, features], zeros(classes * features));
    this.bias = parameter(gpu, `${label}.c`, [features], zeros(features));
  }

  get parameters(): readonly Parameter[] {
    return [this.weights, this.labelRows, this.bias];
  }

  predict(plan: Plan, message: Tensor, labels: Tensor): Prediction {
    const product = record.matmulNN(plan, `${this.label}.hV`, message, this.weights.value);
    const rows = this.labelRows.value;
    const gradient = record.labelRowsAdd(plan, `${this.label}.sg`, product, rows, this.bias.value, labels);
    return { message, context: labels, gradient };
  }

  learn(plan: Plan, { message, context: labels, gradient }: Prediction, target: Tensor): void {
    const error = record.squaredError(plan, `${this.label}.dSg`, gradient, target);
    record.matmulTN(plan, message, error, this.weights.gradient);
    record.labelRowsGrad(plan, error, labels, this.labelRows.gradient);
    record.columnSum(plan, error, this.bias.gradient);
  }

  destroy(): void {
    for (const p of this.parameters) for (const t of [p.value, p.gradient]) this.#gpu.release(t.buffer);
  }
}
