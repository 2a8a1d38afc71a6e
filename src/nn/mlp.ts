import { Random } from '../data/random.ts';
import { InputError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import type { Tensor } from '../tensor.ts';
import { type Conventions, PYTORCH } from './conventions.ts';
import { HiddenLayer } from './hidden-layer.ts';
import { OutputLayer } from './output-layer.ts';
import type { Parameter } from './parameter.ts';

/** The network's sizes. */
export interface MlpShape {
  /** Features of a sample. */
  readonly inputs: number;
  /** Units of each hidden layer. */
  readonly hidden: number;
  /** Layers with weights: the hidden ones and the output, at least 2. 4 is the paper's. */
  readonly layers: number;
  readonly classes: number;
}

/** A multilayer perceptron: hidden layers of matmul, batch norm and ReLU, and a linear output layer. */
export class Mlp {
  readonly gpu: Gpu;
  readonly shape: MlpShape;
  /** Those that it was made with; of them, those of a network. */
  readonly conventions: Conventions;
  readonly hidden: readonly HiddenLayer[];
  readonly output: OutputLayer;
  /** Who has it, and how many times. */
  readonly #users = new Map<'training' | 'evaluation' | 'prediction', number>();

  /**
   * Each layer's weights are drawn from a stream of its own, named after the layer, so that no layer's weights depend
   * on another's size.
   *
   * @throws InputError for sizes that are none.
   */
  constructor(gpu: Gpu, shape: MlpShape, seed: number, conventions: Conventions = PYTORCH) {
    const { inputs, hidden, layers, classes } = shape;
    for (const [name, least] of [
      ['inputs', 1],
      ['hidden', 1],
      ['layers', 2],
      ['classes', 2],
    ] as const) {
      if (!Number.isInteger(shape[name]) || shape[name] < least) {
        throw new InputError(`Mlp: ${name}: expected a whole number from ${least} on, found ${shape[name]}`);
      }
    }
    const random = new Random(seed);
    this.gpu = gpu;
    this.shape = shape;
    this.conventions = conventions;
    const made = gpu.allOrNothing(() => {
      const below = Array.from({ length: layers - 1 }, (_, i) => {
        const label = `layer${i + 1}`;
        const sizes = [i === 0 ? inputs : hidden, hidden] as const;
        return new HiddenLayer(gpu, label, ...sizes, random.fork(label), { conventions });
      });
      const label = `layer${layers}`;
      return { below, top: new OutputLayer(gpu, label, hidden, classes, random.fork(label), conventions) };
    });
    this.hidden = made.below;
    this.output = made.top;
  }

  get parameters(): readonly Parameter[] {
    return [...this.hidden, this.output].flatMap((layer) => layer.parameters);
  }

  /** Everything the network holds between steps. */
  get tensors(): readonly Tensor[] {
    return [...this.hidden, this.output].flatMap((layer) => layer.tensors);
  }

  /** Records the network at evaluation, with batch norm's running statistics; returns the logits (B, classes). */
  evaluate(plan: Plan, x: Tensor): Tensor {
    const h = this.hidden.reduce((input, layer) => layer.evaluate(plan, input), x);
    return this.output.forward(plan, h);
  }

  /**
   * Takes the network for a training, which nothing else may run beside, or for something that only reads it, which
   * others may that do. Returns what gives it back.
   *
   * @throws InputError when somebody has it who cannot share it
   */
  take(use: 'training' | 'evaluation' | 'prediction'): () => void {
    const users = this.#users;
    if (users.has('training') || (use === 'training' && users.size > 0)) {
      throw new InputError(
        `the network is in a ${[...users.keys()].join(' and a ')}: expected that to be awaited before the next ${use}`,
      );
    }
    users.set(use, (users.get(use) ?? 0) + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      const left = users.get(use)! - 1;
      if (left > 0) users.set(use, left);
      else users.delete(use);
    };
  }

  /** Releases the network's GPU memory. */
  destroy(): void {
    for (const tensor of this.tensors) this.gpu.release(tensor.buffer);
  }
}
