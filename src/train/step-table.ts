import type { Gpu } from '../gpu/gpu.ts';
import { createTensor, type Tensor, writeTensor } from '../tensor.ts';

/** An update's step size, and what Adam adds to a root. */
export interface UpdateRow {
  readonly stepSize: number;
  readonly epsHat: number;
}

/** What the host decides about one step before it runs. */
export interface StepInputs {
  /** Writes the batch of the i-th step of the upload, as sample numbers, into `rows` from `offset` on. */
  batch(rows: Uint32Array, offset: number, i: number): void;
  /** The row of an event's update in the i-th step of the upload; of one that does not happen, any. */
  update(event: number, i: number): UpdateRow;
}

/**
 * All that changes from step to step, for up to `capacity` steps at a time, indexed by a counter that lives on the
 * GPU: the host uploads it once and submits all the steps without touching anything between them.
 */
export class StepTable {
  readonly capacity: number;
  readonly batchSize: number;
  /** (1), u32: the row of the step under way. */
  readonly step: Tensor;
  /** (1), u32: 1 once a loss or a gradient was not finite; parameters and the counter then stay as they are. */
  readonly flag: Tensor;
  /** (capacity, batchSize), u32. */
  readonly rows: Tensor;
  /** (capacity): written by the steps. */
  readonly losses: Tensor;
  /** (capacity), u32: written by the steps. */
  readonly correct: Tensor;
  /** For each event that updates something: (capacity, 2), step size and epsilon. */
  readonly #updates = new Map<number, Tensor>();
  readonly #gpu: Gpu;

  constructor(gpu: Gpu, capacity: number, batchSize: number) {
    this.#gpu = gpu;
    this.capacity = capacity;
    this.batchSize = batchSize;
    this.step = createTensor(gpu, 'steps.step', [1], 'u32');
    this.flag = createTensor(gpu, 'steps.flag', [1], 'u32');
    this.rows = createTensor(gpu, 'steps.rows', [capacity, batchSize], 'u32');
    this.losses = createTensor(gpu, 'steps.losses', [capacity]);
    this.correct = createTensor(gpu, 'steps.correct', [capacity], 'u32');
  }

  /** Step sizes and epsilons of an event's updates, (capacity, 2). */
  updates(event: number): Tensor {
    const found =
      this.#updates.get(event) ?? createTensor(this.#gpu, `steps.updates${event}`, [this.capacity, 2]);
    this.#updates.set(event, found);
    return found;
  }

  /** The events that update something, in the order in which they were recorded. */
  get events(): readonly number[] {
    return [...this.#updates.keys()];
  }

  /** Uploads the inputs of `count` steps, and sets the counter to the first. Returns the batches, (count, batchSize). */
  fill(count: number, inputs: StepInputs): Uint32Array {
    if (count > this.capacity) throw new Error(`the step table holds ${this.capacity} steps, got ${count}`);
    const rows = new Uint32Array(count * this.batchSize);
    for (let i = 0; i < count; i++) inputs.batch(rows, i * this.batchSize, i);
    writeTensor(this.#gpu, this.rows, rows);
    for (const [event, table] of this.#updates) {
      const updates = new Float32Array(2 * count);
      for (let i = 0; i < count; i++) {
        const { stepSize, epsHat } = inputs.update(event, i);
        updates[2 * i] = stepSize;
        updates[2 * i + 1] = epsHat;
      }
      writeTensor(this.#gpu, table, updates);
    }
    writeTensor(this.#gpu, this.step, Uint32Array.of(0));
    return rows;
  }

  destroy(): void {
    const { step, flag, rows, losses, correct } = this;
    for (const tensor of [step, flag, rows, losses, correct, ...this.#updates.values()]) {
      this.#gpu.release(tensor.buffer);
    }
  }
}
