import { InputError } from '../errors.ts';
import type { AdapterInfo } from './adapters.ts';
import { compileKernel, type Kernel, type KernelSpec } from './kernel.ts';
import type { Constants } from './shader.ts';
import { patiently } from './wait.ts';

/** The device went away in mid-run (driver reset, unplugged, destroyed). */
export class DeviceLostError extends Error {
  override name = 'DeviceLostError';
}

/** The device could not give the memory asked for. */
export class OutOfMemoryError extends Error {
  override name = 'OutOfMemoryError';
}

/** What commands are recorded with. */
export type CommandEncoder = GPUCommandEncoder;

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/**
 * One open device: its buffers, its compiled kernels and its errors.
 *
 * WebGPU reports most faults later and elsewhere; here they are kept, and the next {@link Gpu.check} (every wait ends
 * with one) throws the first. Buffers are counted, so that a test can show that none is forgotten.
 */
export class Gpu {
  readonly device: GPUDevice;
  readonly info: AdapterInfo;
  /** Buffers alive now, and their bytes. */
  readonly alive = { buffers: 0, bytes: 0 };
  readonly #kernels = new Map<KernelSpec, Map<string, Kernel>>();
  readonly #buffers = new Set<GPUBuffer>();
  /** How the waits under way are told that the device is lost. */
  readonly #waiting = new Set<(lost: Error) => void>();
  // Dawn for Node keeps the adapter's instance alive only as long as somebody holds it.
  readonly #keep: unknown;
  #failure: Error | undefined;
  #destroyed = false;

  constructor(device: GPUDevice, info: AdapterInfo, keep?: unknown) {
    this.device = device;
    this.info = info;
    this.#keep = keep;
    device.onuncapturederror = ({ error }) => {
      const OutOfMemory = (globalThis as { GPUOutOfMemoryError?: typeof GPUOutOfMemoryError })
        .GPUOutOfMemoryError;
      const failure =
        OutOfMemory && error instanceof OutOfMemory
          ? new OutOfMemoryError(`the device ran out of memory: ${error.message}`)
          : new Error(`WebGPU: ${error.message}`);
      this.#failure ??= failure;
    };
    void device.lost.then(({ message, reason }) => {
      const failure = new DeviceLostError(`the device was lost: ${message || reason}`);
      this.#failure ??= failure;
      for (const tell of this.#waiting) tell(failure);
    });
  }

  /** True on a driver that runs kernels on the CPU: such a device takes the kernels' CPU forms. */
  get isCpu(): boolean {
    return this.info.kind === 'cpu';
  }

  /** Lanes of a subgroup, where the device has subgroups and they are all of one size. */
  get subgroupSize(): number | undefined {
    const { subgroupMinSize, subgroupMaxSize } = this.device.adapterInfo;
    const known = this.device.features.has('subgroups') && subgroupMinSize === subgroupMaxSize;
    return known ? subgroupMinSize : undefined;
  }

  /** What the device allows. */
  get limits(): GPUSupportedLimits {
    return this.device.limits;
  }

  /** Encodes commands and submits them at once. Nothing is awaited. */
  submit<T>(label: string, encode: (encoder: GPUCommandEncoder) => T): T {
    const encoder = this.device.createCommandEncoder({ label });
    const result = encode(encoder);
    this.device.queue.submit([encoder.finish()]);
    return result;
  }

  /** Throws the first error that the device reported and nobody has seen yet. */
  check(): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    // A lost device stays lost; anything else is told once.
    if (!(failure instanceof DeviceLostError)) this.#failure = undefined;
    throw failure;
  }

  /** The kernel of a spec on this device, compiled once for each set of constants. */
  kernel(spec: KernelSpec, constants: Constants = {}): Kernel {
    const byConstants = this.#kernels.get(spec) ?? new Map<string, Kernel>();
    this.#kernels.set(spec, byConstants);
    const key = JSON.stringify(constants);
    const kernel = byConstants.get(key) ?? compileKernel(this.device, spec, constants);
    byConstants.set(key, kernel);
    return kernel;
  }

  /** A buffer that is released by {@link Gpu.release}, or with the device. */
  buffer(label: string, size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const { limits } = this;
    const bind = (usage & GPUBufferUsage.STORAGE) !== 0;
    const limit = bind
      ? Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize)
      : limits.maxBufferSize;
    if (size > limit) {
      const name = bind && limit < limits.maxBufferSize ? 'maxStorageBufferBindingSize' : 'maxBufferSize';
      throw new InputError(
        `${label} needs ${mebibytes(size)}, but the limit ${name} of ${this.info.name} is ${mebibytes(limit)}`,
      );
    }
    const buffer = this.device.createBuffer({ label, size, usage });
    this.#buffers.add(buffer);
    this.alive.buffers++;
    this.alive.bytes += size;
    return buffer;
  }

  /** A storage buffer that can be written from and read back to the host. */
  storage(label: string, size: number): GPUBuffer {
    const { STORAGE, COPY_DST, COPY_SRC } = GPUBufferUsage;
    return this.buffer(label, size, STORAGE | COPY_DST | COPY_SRC);
  }

  /** Runs `make`; if it throws, releases every buffer that it had made until then. */
  allOrNothing<T>(make: () => T): T {
    const before = new Set(this.#buffers);
    try {
      return make();
    } catch (error) {
      for (const buffer of [...this.#buffers]) if (!before.has(buffer)) this.release(buffer);
      throw error;
    }
  }

  /** Destroys a buffer. WebGPU would otherwise keep its memory until the collector happens to pass. */
  release(buffer: GPUBuffer): void {
    if (!this.#buffers.delete(buffer)) return;
    this.alive.buffers--;
    this.alive.bytes -= buffer.size;
    buffer.destroy();
  }

  /** Writes host data to the start of a buffer; ordered with submits as they are called. */
  write(buffer: GPUBuffer, data: ArrayBufferView<ArrayBuffer> | ArrayBufferView): void {
    this.device.queue.writeBuffer(buffer, 0, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }

  /** Waits for a promise of this device: rejects if the device is lost, and throws what went wrong meanwhile. */
  async until<T>(promise: Promise<T>): Promise<T> {
    // When something else is thrown first, nobody looks at this promise any more, and its own failure (a buffer
    // released while it is being mapped) must not end the process.
    promise.catch(() => {});
    this.check();
    let tell: (lost: Error) => void = () => {};
    try {
      // Not a race with the promise of a loss: that would keep something of every wait for as long as the device is there.
      const value = await new Promise<T>((resolve, reject) => {
        tell = reject;
        this.#waiting.add(tell);
        promise.then(resolve, reject);
      });
      this.check();
      return value;
    } catch (error) {
      this.check();
      throw error;
    } finally {
      this.#waiting.delete(tell);
    }
  }

  /** Waits until all work submitted so far is done; on a CPU driver the thread leaves the cores to the kernels. */
  async idle(): Promise<void> {
    await patiently(this.isCpu, this.until(this.device.queue.onSubmittedWorkDone()));
  }

  /** Maps a staging buffer and copies its content out. */
  async readStaging(staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    await patiently(this.isCpu, this.until(staging.mapAsync(GPUMapMode.READ, 0, bytes)));
    const copy = staging.getMappedRange(0, bytes).slice(0);
    staging.unmap();
    return copy;
  }

  /** Reads a whole buffer back. For tests, checks and results; never inside the training loop. */
  async read(buffer: GPUBuffer): Promise<ArrayBuffer> {
    const staging = this.buffer(
      `${buffer.label} readback`,
      buffer.size,
      GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    );
    try {
      this.submit(staging.label, (encoder) => encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size));
      return await this.readStaging(staging, buffer.size);
    } finally {
      this.release(staging);
    }
  }

  /** Releases every buffer and the device. Safe to call twice. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    for (const buffer of [...this.#buffers]) this.release(buffer);
    this.device.destroy();
    void this.#keep;
  }
}
