import type { Random } from '../data/random.ts';
import { InputError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import * as record from '../kernels/record.ts';
import { sigmoidBackward, sigmoidForward } from '../kernels/record-models.ts';
import type { Tensor } from '../tensor.ts';
import { type Conventions, PYTORCH } from './conventions.ts';
import { HiddenLayer, type HiddenState } from './hidden-layer.ts';
import { type Parameter, parameter } from './parameter.ts';

/** A gradient that a model has predicted, with what it was predicted from. */
export interface Prediction {
  /** The message: the activations h (B, F) whose gradient is predicted. */
  readonly message: Tensor;
  /** What the model is conditioned on, for instance the labels (B). */
  readonly context: Tensor;
  /** The prediction (B, F): the gradient of the batch's summed loss by h. */
  readonly gradient: Tensor;
}

/**
 * The protocol between two modules A and B (Jaderberg et al. 2016): A sends its activations h_A and is at
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
  readonly #hiddenScaled: Parameter['scaled'];

  /**
   * With the convention `sgLoss: 'mean'` the model predicts the gradient of the batch's mean loss, which is 1 / batchSize
   * of each sample's own, and learns by the mean over batch and features. Its parameters stay in units of the samples' own
   * gradients all the same: the last layer's are batchSize times those of that model, so that its steps are, too, and
   * the gradients are what is left by the change of variables (docs/16-conventions.md).
   *
   * @throws InputError for a sigmoid with that convention, which no change of variables makes the same
   */
  constructor(
    gpu: Gpu,
    label: string,
    shape: SyntheticGradientShape,
    random: Random,
    { conventions = PYTORCH, batchSize = 1 }: { conventions?: Conventions; batchSize?: number } = {},
  ) {
    const { features, classes, hidden, width, labels, output } = shape;
    const mean = conventions.sgLoss === 'mean';
    if (mean && output === 'sigmoid') {
      throw new InputError(
        '--conventions: expected sgLoss=sum with predictors of sigmoid output, found mean',
      );
    }
    this.#gpu = gpu;
    this.label = label;
    this.shape = shape;
    this.hidden = Array.from({ length: hidden }, (_, i) => {
      const name = `${label}.hidden${i + 1}`;
      const conditioned = labels && i === 0 ? classes : undefined;
      const sizes = [i === 0 ? features : width, width] as const;
      return new HiddenLayer(gpu, name, ...sizes, random.fork(name), { classes: conditioned, conventions });
    });
    const inputs = hidden > 0 ? width : features;
    const elements = batchSize * features;
    const scaled = mean ? { gradient: 1 / elements, step: batchSize } : undefined;
    this.#hiddenScaled = mean ? { gradient: 1 / (batchSize * elements), step: 1 } : undefined;
    const last = (name: string, size: readonly number[], data: Float32Array): Parameter => ({
      ...parameter(gpu, `${label}.${name}`, size, data),
      scaled,
    });
    this.weights = last('V', [inputs, features], new Float32Array(inputs * features));
    if (labels && hidden === 0) {
      const zeros = new Float32Array(classes * features);
      this.labelRows = last('U', [classes, features], zeros);
    }
    const start = new Float32Array(features).fill(output === 'sigmoid' ? -0.5 : 0);
    this.bias = last('c', [features], start);
  }

  get parameters(): readonly Parameter[] {
    const rows = this.labelRows ? [this.labelRows] : [];
    const scaled = this.#hiddenScaled;
    const below = this.hidden.flatMap((layer) => layer.parameters);
    return [...below.map((each) => (scaled ? { ...each, scaled } : each)), this.weights, ...rows, this.bias];
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
