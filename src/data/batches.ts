import { InputError } from '../errors.ts';
import { Random } from './random.ts';

/**
 * The order in which training rows are drawn, as batches of row indices.
 *
 * Each epoch is a fresh seeded shuffle of all rows, and batches are cut from one continuous stream of epochs:
 * what is left of an epoch begins the next batch. Nothing is dropped, so after any number of steps no row has
 * been seen more than once more often than another; the price is that a batch across a boundary may hold a
 * row twice. The stream depends on the count and the seed only; the batch size says where it is cut.
 */
export class BatchOrder {
  readonly batchSize: number;
  readonly #random: Random;
  readonly #order: Uint32Array;
  #position: number;

  /**
   * @param count how many training rows there are
   * @param batchSize how many rows a batch has, at most `count`
   * @param seed an integer from 0 to 2^32 - 1; the stream is a fork of it, so that the initialisation may use
   *   the same
   * @throws InputError if the count or the batch size is not a positive integer, if the batch is larger than
   *   the data, or if the seed is out of range
   */
  constructor(count: number, batchSize: number, seed: number) {
    if (!Number.isInteger(count) || count < 1 || count > 0xffffffff) {
      throw new InputError(`batches: expected a positive number of training samples, found ${String(count)}`);
    }
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new InputError(`batch size: expected a positive integer, found ${String(batchSize)}`);
    }
    if (batchSize > count) {
      throw new InputError(
        `batch size (--batch): expected at most the ${count} training samples of the data, found ${batchSize}`,
      );
    }
    this.batchSize = batchSize;
    this.#random = new Random(seed).fork('batches');
    this.#order = Uint32Array.from({ length: count }, (_, i) => i);
    this.#position = count; // the first call begins the first epoch
  }

  /**
   * Writes the next batch: `batchSize` row indices, each in [0, count).
   *
   * @param out where to write; one table may hold many batches
   * @param offset the index in `out` of the batch's first row
   * @throws RangeError if the batch does not fit into `out` at that offset
   */
  next(out: Uint32Array, offset: number): void {
    // Checked before anything is drawn, so that a refused call leaves the stream where it was.
    if (!Number.isInteger(offset) || offset < 0 || offset + this.batchSize > out.length) {
      throw new RangeError(
        `BatchOrder.next: expected room for ${this.batchSize} indices at offset ${offset}, ` +
          `found a table of ${out.length}`,
      );
    }
    const order = this.#order;
    for (let written = 0; written < this.batchSize; ) {
      if (this.#position === order.length) {
        this.#random.shuffle(order); // of the last epoch's order, which is as random as of the identity
        this.#position = 0;
      }
      const taken = Math.min(this.batchSize - written, order.length - this.#position);
      out.set(order.subarray(this.#position, this.#position + taken), offset + written);
      this.#position += taken;
      written += taken;
    }
  }
}
