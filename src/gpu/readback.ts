import type { Gpu } from './gpu.ts';

/** A copy of some buffers under way to the host. */
export interface PendingReadback {
  /** The buffers' contents, in the order asked for. To be called once. */
  read(kind?: string): Promise<ArrayBuffer[]>;
  /** Gives the staging memory back without waiting. */
  cancel(): void;
}

/**
 * Staging buffers that are used again and again, so that reading results back allocates nothing in the long run.
 * All of a pool's readbacks have the same layout: `sizes` bytes of each source.
 */
export class ReadbackPool {
  readonly #gpu: Gpu;
  readonly #label: string;
  readonly #sizes: readonly number[];
  readonly #total: number;
  readonly #free: GPUBuffer[] = [];
  readonly #all: GPUBuffer[] = [];

  constructor(gpu: Gpu, label: string, sizes: readonly number[]) {
    this.#gpu = gpu;
    this.#label = label;
    this.#sizes = sizes;
    this.#total = sizes.reduce((a, b) => a + b, 0);
  }

  #take(): GPUBuffer {
    const free = this.#free.pop();
    if (free) return free;
    const { COPY_DST, MAP_READ } = GPUBufferUsage;
    const made = this.#gpu.buffer(`${this.#label} readback`, this.#total, COPY_DST | MAP_READ);
    this.#all.push(made);
    return made;
  }

  /** Records copies of the sources into one staging buffer. Submit the encoder, then read. */
  copy(encoder: GPUCommandEncoder, sources: readonly GPUBuffer[]): PendingReadback {
    const staging = this.#take();
    let offset = 0;
    sources.forEach((source, i) => {
      encoder.copyBufferToBuffer(source, 0, staging, offset, this.#sizes[i]!);
      offset += this.#sizes[i]!;
    });
    return {
      read: async (kind) => {
        const all = await this.#gpu.readStaging(staging, this.#total, kind);
        this.#free.push(staging);
        let start = 0;
        return this.#sizes.map((size) => {
          start += size;
          return all.slice(start - size, start);
        });
      },
      cancel: () => {
        // It may be mapped, or waiting to be: it is not used again.
        this.#gpu.release(staging);
      },
    };
  }

  destroy(): void {
    for (const buffer of this.#all) this.#gpu.release(buffer);
  }
}
