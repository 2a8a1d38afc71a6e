import type { Gpu } from '../gpu/gpu.ts';
import { createTensor, type Tensor, writeTensor } from '../tensor.ts';

/** What the host decides about one step before it runs. */
export interface StepInputs {
  /** Writes the step's batch, as sample numbers, into `rows` from `offset` on. */
  batch(rows: Uint32Array, offset: number): void;
  /** Adam's learning rate with its bias corrections, for step number `step` counted from 0. */
  adam(step: number): { stepSize: number; epsHat: number };
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
  /** (1), u32: 1 once a loss was not finite; parameters and the counter then stay as they are. */
  readonly flag: Tensor;
  /** (capacity, batchSize), u32. */
  readonly rows: Tensor;
  /** (capacity, 2): Adam's step size and epsilon. */
  readonly adam: Tensor;
  /** (capacity): written by the steps. */
  readonly losses: Tensor;
  /** (capacity), u32: written by the steps. */
  readonly correct: Tensor;
  readonly #gpu: Gpu;

  constructor(gpu: Gpu, capacity: number, batchSize: number) {
    this.#gpu = gpu;
    this.capacity = capacity;
    this.batchSize = batchSize;
    this.step = createTensor(gpu, 'steps.step', [1], 'u32');
    this.flag = createTensor(gpu, 'steps.flag', [1], 'u32');
    this.rows = createTensor(gpu, 'steps.rows', [capacity, batchSize], 'u32');
    this.adam = createTensor(gpu, 'steps.adam', [capacity, 2]);
    this.losses = createTensor(gpu, 'steps.losses', [capacity]);
    this.correct = createTensor(gpu, 'steps.correct', [capacity], 'u32');
  }

  /**
   * Uploads the inputs of `count` steps from step number `first` on, and sets the counter to the first of them.
   * Returns the batches, (count, batchSize).
   */
  fill(first: number, count: number, inputs: StepInputs): Uint32Array {
    if (count > this.capacity) throw new Error(`the step table holds ${this.capacity} steps, got ${count}`);
    const rows = new Uint32Array(count * this.batchSize);
    const adam = new Float32Array(2 * count);
    for (let i = 0; i < count; i++) {
      inputs.batch(rows, i * this.batchSize);
      const { stepSize, epsHat } = inputs.adam(first + i);
      adam[2 * i] = stepSize;
      adam[2 * i + 1] = epsHat;
    }
    writeTensor(this.#gpu, this.rows, rows);
    writeTensor(this.#gpu, this.adam, adam);
    writeTensor(this.#gpu, this.step, Uint32Array.of(0));
    return rows;
  }

  destroy(): void {
    const { step, flag, rows, adam, losses, correct } = this;
    for (const tensor of [step, flag, rows, adam, losses, correct]) this.#gpu.release(tensor.buffer);
  }
}
