import type { Tensor } from '../tensor.ts';
import type { Gpu } from './gpu.ts';

/** A copy of a pool's tensors under way to the host. */
export interface PendingReadback {
  /** The tensors' contents, in the pool's order. To be called once. */
  read(): Promise<ArrayBuffer[]>;
  /** Gives the staging memory back without waiting. */
  cancel(): void;
}

/**
 * Reads the same tensors back again and again, through staging buffers that are used again, so that it allocates
 * nothing in the long run.
 */
export class ReadbackPool {
  readonly #gpu: Gpu;
  readonly #label: string;
  readonly #sources: readonly GPUBuffer[];
  readonly #total: number;
  readonly #free: GPUBuffer[] = [];
  readonly #all: GPUBuffer[] = [];

  constructor(gpu: Gpu, label: string, tensors: readonly Tensor[]) {
    this.#gpu = gpu;
    this.#label = label;
    this.#sources = tensors.map((tensor) => tensor.buffer);
    this.#total = this.#sources.reduce((sum, { size }) => sum + size, 0);
  }

  #take(): GPUBuffer {
    const free = this.#free.pop();
    if (free) return free;
    const { COPY_DST, MAP_READ } = GPUBufferUsage;
    const made = this.#gpu.buffer(`${this.#label} readback`, this.#total, COPY_DST | MAP_READ);
    this.#all.push(made);
    return made;
  }

  /** Records copies of the tensors into one staging buffer. Submit the encoder, then read. */
  copy(encoder: GPUCommandEncoder): PendingReadback {
    const staging = this.#take();
    let offset = 0;
    for (const source of this.#sources) {
      encoder.copyBufferToBuffer(source, 0, staging, offset, source.size);
      offset += source.size;
    }
    return {
      read: async () => {
        const all = await this.#gpu.readStaging(staging, this.#total);
        this.#free.push(staging);
        let start = 0;
        return this.#sources.map(({ size }) => {
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
