import type { Random } from '../data/random.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import * as record from '../kernels/record.ts';
import type { Tensor } from '../tensor.ts';
import { type Conventions, PYTORCH } from './conventions.ts';
import { initialBias, initialWeights } from './init.ts';
import { type Parameter, parameter } from './parameter.ts';

/** The output layer: logits = x W + bias. */
export class OutputLayer {
  readonly label: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly weights: Parameter;
  readonly bias: Parameter;

  /** W and the bias begin as the convention says: by default W is He normal, the bias 0. */
  constructor(
    gpu: Gpu,
    label: string,
    inputs: number,
    outputs: number,
    random: Random,
    { init }: Pick<Conventions, 'init'> = PYTORCH,
  ) {
    this.label = label;
    this.inputs = inputs;
    this.outputs = outputs;
    this.weights = parameter(
      gpu,
      `${label}.W`,
      [inputs, outputs],
      initialWeights(init, random, inputs, outputs),
    );
    this.bias = parameter(gpu, `${label}.bias`, [outputs], initialBias(init, random, inputs, outputs));
  }

  get parameters(): readonly Parameter[] {
    return [this.weights, this.bias];
  }

  /** Everything the layer holds between steps. */
  get tensors(): readonly Tensor[] {
    return this.parameters.flatMap((p) => [p.value, p.gradient]);
  }

  /** Records the forward pass; returns the logits (B, outputs). */
  forward(plan: Plan, x: Tensor): Tensor {
    const z = record.matmulNN(plan, `${this.label}.z`, x, this.weights.value);
    return record.biasAdd(plan, `${this.label}.logits`, z, this.bias.value);
  }

  /** Records the gradients of W and the bias, from the layer's input and the gradient by its logits. */
  backward(plan: Plan, x: Tensor, dLogits: Tensor): void {
    record.columnSum(plan, dLogits, this.bias.gradient);
    record.matmulTN(plan, x, dLogits, this.weights.gradient);
  }

  /** Records dX = dLogits W^T (B, inputs): the gradient by the layer's input, with the weights as they are by then. */
  pullBack(plan: Plan, dLogits: Tensor): Tensor {
    return record.matmulNT(plan, `${this.label}.dX`, dLogits, this.weights.value);
  }
}
