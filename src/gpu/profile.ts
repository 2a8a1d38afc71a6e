import { InputError } from '../errors.ts';
import type { Gpu } from './gpu.ts';
import type { Dispatch } from './plan.ts';

/** The time one dispatch took on the device. */
export interface DispatchTime {
  readonly label: string;
  readonly kernel: string;
  /** Nanoseconds; undefined where the device's two timestamps are out of order. */
  readonly nanoseconds: number | undefined;
  readonly flops: number;
  readonly bytes: number;
}

/** Timestamps under way: call `read` after the encoder has been submitted. */
export interface Profile {
  read(): Promise<DispatchTime[]>;
}

/** Timestamps that one query set may hold. */
const QUERIES = 4096;

/** See {@link Plan.encodeProfiled}. */
export function encodeProfiled(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  encoder: GPUCommandEncoder,
): Profile {
  const { device } = gpu;
  if (!device.features.has('timestamp-query')) {
    throw new InputError(
      `${gpu.info.name} has no timestamp-query, so its kernels cannot be timed one by one`,
    );
  }
  const count = 2 * dispatches.length;
  if (count > QUERIES)
    throw new InputError(`a profiled plan has at most ${QUERIES / 2} dispatches, got ${dispatches.length}`);
  const querySet = device.createQuerySet({ type: 'timestamp', count });
  dispatches.forEach(({ label, kernel, bindGroup, grid }, i) => {
    const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
    const pass = encoder.beginComputePass({ label, timestampWrites });
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(grid[0], grid[1]);
    pass.end();
  });
  const size = 8 * count;
  const resolved = gpu.buffer('timestamps', size, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC);
  const staging = gpu.buffer('timestamps readback', size, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
  encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
  return {
    async read() {
      try {
        const ticks = new BigUint64Array(await gpu.readStaging(staging, size));
        return dispatches.map(({ label, kernel, params }, i) => {
          const elapsed = Number(ticks[2 * i + 1]! - ticks[2 * i]!);
          return {
            label,
            kernel: kernel.spec.file,
            nanoseconds: elapsed >= 0 ? elapsed : undefined,
            flops: kernel.spec.flops(params),
            bytes: kernel.spec.bytes(params),
          };
        });
      } finally {
        gpu.release(resolved);
        gpu.release(staging);
        querySet.destroy();
      }
    },
  };
}
