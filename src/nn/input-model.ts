import type { Random } from '../data/random.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import * as record from '../kernels/record.ts';
import type { Tensor } from '../tensor.ts';
import { type Conventions, PYTORCH } from './conventions.ts';
import { OutputLayer } from './output-layer.ts';
import type { Parameter } from './parameter.ts';

/** A linear model that synthesises a hidden layer's activations from the network's input: I(x) = x A + a. */
export class InputModel {
  readonly label: string;
  readonly parameters: readonly Parameter[];
  readonly #layer: OutputLayer;

  constructor(
    gpu: Gpu,
    label: string,
    inputs: number,
    features: number,
    random: Random,
    conventions: Conventions = PYTORCH,
  ) {
    this.label = label;
    this.#layer = new OutputLayer(gpu, label, inputs, features, random, conventions);
    // A mean over the features is a sum of which each sample's gradient is divided by their number.
    const scaled = conventions.sgLoss === 'mean' ? { gradient: 1 / features, step: 1 } : undefined;
    this.parameters = this.#layer.parameters.map((parameter) => ({ ...parameter, scaled }));
  }

  /** Records I(x), (B, features). */
  predict(plan: Plan, x: Tensor): Tensor {
    return this.#layer.forward(plan, x);
  }

  /** Records the gradients of ||I(x) - h||^2 for each sample. */
  learn(plan: Plan, x: Tensor, predicted: Tensor, h: Tensor): void {
    this.#layer.backward(plan, x, record.squaredError(plan, `${this.label}.error`, predicted, h));
  }
}
