import { InputError } from '../errors.ts';
import type { Gpu } from './gpu.ts';
import type { WorkPart } from './kernel.ts';
import type { Dispatch } from './plan.ts';
import type { Constants } from './shader.ts';

/** What is known of a dispatch beside its time. */
export interface DispatchInfo {
  readonly label: string;
  readonly kernel: string;
  /** Workgroups in x and y. */
  readonly grid: readonly [number, number];
  /** The constants that its shader was compiled with. */
  readonly constants: Constants;
  readonly flops: number;
  readonly bytes: number;
  /** Of a kernel that works for several layers: what it does for each. */
  readonly parts?: readonly WorkPart[];
}

/** The time one dispatch took on the device. */
export interface DispatchTime extends DispatchInfo {
  /** The device's two timestamps as they came, in nanoseconds of a clock of its own. */
  readonly ticks: readonly [begin: bigint, end: bigint];
  /** Nanoseconds; undefined where the two timestamps are out of order, or one is missing (zero). */
  readonly nanoseconds: number | undefined;
}

/** Timestamps under way: call `read` after the encoder has been submitted. */
export interface Profile {
  read(): Promise<DispatchTime[]>;
}

/** Timestamps that one query set may hold. */
const QUERIES = 4096;

/** Dispatches that can be profiled in one submit. */
export const MOST_PROFILED = QUERIES / 2;

/** Whether the device can tell when a dispatch began and ended. */
export const hasTimestamps = (gpu: Gpu): boolean => gpu.device.features.has('timestamp-query');

/** What a profile tells of a dispatch that is not in its time. */
export const infoOf = ({ label, kernel, params, grid }: Dispatch): DispatchInfo => ({
  label,
  kernel: kernel.spec.file,
  grid,
  constants: kernel.constants,
  flops: kernel.spec.flops(params),
  bytes: kernel.spec.bytes(params),
  ...(kernel.spec.parts && { parts: kernel.spec.parts(params) }),
});

/** Nanoseconds between two timestamps, if they can be believed. */
export function elapsed([begin, end]: readonly [bigint, bigint]): number | undefined {
  return begin === 0n || end === 0n || end < begin ? undefined : Number(end - begin);
}

/** See {@link Plan.encodeProfiled}. */
export function encodeProfiled(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  encoder: GPUCommandEncoder,
): Profile {
  return encodeProfiledSteps(gpu, [dispatches], encoder)[0]!;
}

/**
 * Records steps with a pass and two timestamps for each dispatch: a profile for each step.
 *
 * @throws InputError when the device has no `timestamp-query`, or a step more than {@link MOST_PROFILED} dispatches.
 */
export function encodeProfiledSteps(
  gpu: Gpu,
  steps: readonly (readonly Dispatch[])[],
  encoder: GPUCommandEncoder,
): Profile[] {
  if (!hasTimestamps(gpu)) {
    throw new InputError(
      `${gpu.info.name} has no timestamp-query, so its kernels cannot be timed one by one`,
    );
  }
  const most = Math.max(0, ...steps.map((step) => step.length));
  if (most > MOST_PROFILED)
    throw new InputError(`a profiled plan has at most ${MOST_PROFILED} dispatches, got ${most}`);
  const querySets = steps.map((dispatches) => encodeStamped(gpu, dispatches, encoder));
  // Resolved behind the last step, so that nothing comes between two of them.
  return steps.map((dispatches, i) => resolve(gpu, dispatches, querySets[i]!, encoder));
}

/** What {@link passSeconds} times: something that records itself into one pass. */
interface Repeated {
  readonly label: string;
  encode(encoder: GPUCommandEncoder, steps: number, timestampWrites: GPUComputePassTimestampWrites): void;
}

/**
 * Runs a plan some times in one pass, and returns the seconds between the pass's two timestamps: of the dispatches and of
 * what lies between them, without the host, which records all of them before the first one runs. Undefined where the
 * timestamps are out of order, or one is missing.
 */
export async function passSeconds(gpu: Gpu, plan: Repeated, runs: number): Promise<number | undefined> {
  const querySet = gpu.device.createQuerySet({ type: 'timestamp', count: 2 });
  const resolved = gpu.buffer('timestamps', 16, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC);
  try {
    gpu.submit(plan.label, (encoder) => {
      plan.encode(encoder, runs, { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 });
      encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
    });
    await gpu.idle();
    const [begin, end] = new BigUint64Array(await gpu.read(resolved));
    const nanoseconds = elapsed([begin!, end!]);
    return nanoseconds === undefined ? undefined : nanoseconds / 1e9;
  } finally {
    gpu.release(resolved);
    querySet.destroy();
  }
}

function encodeStamped(gpu: Gpu, dispatches: readonly Dispatch[], encoder: GPUCommandEncoder): GPUQuerySet {
  const querySet = gpu.device.createQuerySet({ type: 'timestamp', count: 2 * dispatches.length });
  dispatches.forEach(({ label, kernel, bindGroup, grid }, i) => {
    const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
    const pass = encoder.beginComputePass({ label, timestampWrites });
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(grid[0], grid[1]);
    pass.end();
  });
  return querySet;
}

function resolve(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  querySet: GPUQuerySet,
  encoder: GPUCommandEncoder,
): Profile {
  const count = 2 * dispatches.length;
  const size = 8 * count;
  const resolved = gpu.buffer('timestamps', size, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC);
  const staging = gpu.buffer('timestamps readback', size, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
  encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
  return {
    async read() {
      try {
        // Whoever waits by spinning slows the kernels down that are being timed.
        await gpu.idle();
        const all = new BigUint64Array(await gpu.readStaging(staging, size));
        return dispatches.map((dispatch, i) => {
          const ticks = [all[2 * i]!, all[2 * i + 1]!] as const;
          return { ...infoOf(dispatch), ticks, nanoseconds: elapsed(ticks) };
        });
      } finally {
        gpu.release(resolved);
        gpu.release(staging);
        querySet.destroy();
      }
    },
  };
}
