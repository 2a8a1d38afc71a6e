import type { Random } from '../data/random.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type Tensor, tensorFrom } from '../tensor.ts';

/** A fixed random matrix that carries errors down in place of the weights; it never learns. */
export class Feedback {
  readonly matrix: Tensor;
  readonly parameters = [];
  readonly #gpu: Gpu;

  /** Normal numbers of the given standard deviation, (rows, columns). */
  constructor(gpu: Gpu, label: string, rows: number, columns: number, deviation: number, random: Random) {
    this.#gpu = gpu;
    const numbers = Float32Array.from({ length: rows * columns }, () => deviation * random.normal());
    this.matrix = tensorFrom(gpu, label, [rows, columns], numbers);
  }

  destroy(): void {
    this.#gpu.release(this.matrix.buffer);
  }
}
