import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import { gatherBytes, gatherFloats, gatherLabels } from '../kernels/gather.ts';
import { type Tensor, tensorFrom } from '../tensor.ts';
import type { Samples } from './dataset.ts';

/** A batch as the network sees it. */
export interface Batch {
  /** (B, features), scaled. */
  readonly x: Tensor;
  /** (B), u32. */
  readonly labels: Tensor;
}

/** Which samples form the batch of which step: a row of `rows` for each step, found by the counter on the GPU. */
export interface BatchSource {
  /** (steps, B), u32: sample numbers. */
  readonly rows: Tensor;
  /** (1), u32. */
  readonly step: Tensor;
}

/** Bytes as little-endian words, each row padded to whole words. */
function packRows(bytes: Uint8Array, rows: number, width: number): Uint32Array {
  const words = Math.ceil(width / 4);
  const packed = new Uint8Array(4 * words * rows);
  if (4 * words === width) packed.set(bytes);
  else for (let r = 0; r < rows; r++) packed.set(bytes.subarray(r * width, (r + 1) * width), 4 * words * r);
  return new Uint32Array(packed.buffer);
}

/** Samples in GPU memory, as they are in the host's: bytes stay bytes. */
export class ResidentSamples {
  readonly count: number;
  readonly features: number;
  readonly #gpu: Gpu;
  readonly #scale: number;
  readonly #bytes: boolean;
  readonly #values: Tensor;
  readonly #labels: Tensor;

  /** @throws InputError when the device has no buffer of that size. */
  constructor(gpu: Gpu, label: string, { count, features, values, scale, labels }: Samples) {
    this.count = count;
    this.features = features;
    this.#gpu = gpu;
    this.#scale = scale;
    this.#bytes = values instanceof Uint8Array;
    const words = Math.ceil(features / 4);
    this.#values =
      values instanceof Uint8Array
        ? tensorFrom(gpu, `${label}.bytes`, [count, words], packRows(values, count, features))
        : tensorFrom(gpu, `${label}.values`, [count, features], values);
    this.#labels = tensorFrom(gpu, `${label}.labels`, [Math.ceil(count / 4)], packRows(labels, 1, count));
  }

  /** The samples as packed bytes, (count, ceil(features / 4)) words; undefined of data that are floats. */
  get bytes(): Tensor | undefined {
    return this.#bytes ? this.#values : undefined;
  }

  /** The labels, four to a word. */
  get labels(): Tensor {
    return this.#labels;
  }

  /** What a value is multiplied by. */
  get scale(): number {
    return this.#scale;
  }

  /** Records the gathering of a step's batch of B rows. */
  gather(plan: Plan, B: number, { rows, step }: BatchSource): Batch {
    const I = this.features;
    const x = plan.tensor('batch.x', [B, I]);
    const y = plan.tensor('batch.labels', [B], 'u32');
    const scale = this.#scale;
    if (this.#bytes) {
      const params = { B, I, words: Math.ceil(I / 4), scale };
      const tensors = { bytes: this.#values, rows, step, x };
      plan.dispatch(gatherBytes, { label: 'batch.gather_bytes', params, tensors });
    } else {
      const tensors = { values: this.#values, rows, step, x };
      plan.dispatch(gatherFloats, { label: 'batch.gather_floats', params: { B, I, scale }, tensors });
    }
    const tensors = { labels: this.#labels, rows, step, y };
    plan.dispatch(gatherLabels, { label: 'batch.gather_labels', params: { B }, tensors });
    return { x, labels: y };
  }

  destroy(): void {
    this.#gpu.release(this.#values.buffer);
    this.#gpu.release(this.#labels.buffer);
  }
}
