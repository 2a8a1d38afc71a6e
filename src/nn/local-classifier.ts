import type { Random } from '../data/random.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import * as record from '../kernels/record.ts';
import type { Tensor } from '../tensor.ts';
import { type Conventions, PYTORCH } from './conventions.ts';
import { OutputLayer } from './output-layer.ts';
import type { Parameter } from './parameter.ts';

/** A linear classifier on a hidden layer's activations, with a loss of its own. */
export class LocalClassifier {
  readonly #layer: OutputLayer;

  constructor(
    gpu: Gpu,
    label: string,
    features: number,
    classes: number,
    random: Random,
    conventions: Conventions = PYTORCH,
  ) {
    this.#layer = new OutputLayer(gpu, label, features, classes, random, conventions);
  }

  get parameters(): readonly Parameter[] {
    return this.#layer.parameters;
  }

  /** Records the classifier's cross-entropy and its gradients; returns dH (B, features), its gradient by h. */
  teach(plan: Plan, h: Tensor, labels: Tensor): Tensor {
    const { label } = this.#layer;
    const logits = this.#layer.forward(plan, h);
    const softmax = record.softmaxXentForward(plan, label, logits, labels);
    const dLogits = record.softmaxXentBackward(plan, `${label}.dLogits`, logits, labels, softmax);
    this.#layer.backward(plan, h, dLogits);
    return this.#layer.pullBack(plan, dLogits);
  }
}
