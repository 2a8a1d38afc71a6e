import type { Gpu } from './gpu.ts';
import type { Dispatch } from './plan.ts';
import { type DispatchTime, encodeProfiled, MOST_PROFILED } from './profile.ts';

// One dispatch, repeated alone to be timed.

/** A dispatch's time by the wall clock. */
export interface Slope {
  /** Nanoseconds that one more repeat takes, each found from a pair of times; not always positive, as clocks go. */
  readonly samples: readonly number[];
  /** Each pair is of `repeats` dispatches in one submit, and of twice as many. */
  readonly repeats: number;
}

/** Milliseconds that the shorter of two submits should take, so that the wall clock can tell them apart. */
const LONG_ENOUGH = 4;

/** Repeats of a dispatch in a submit at most. */
const MOST_REPEATS = 1024;

/** The same where it writes integers: a counter that has moved that often still points into its table. */
const MOST_COUNTED = 64;

/** Pairs of times. */
const SAMPLES = 5;

/** Records dispatches into one compute pass, in order. */
export function encodePass(encoder: GPUCommandEncoder, label: string, dispatches: readonly Dispatch[]): void {
  const pass = encoder.beginComputePass({ label });
  for (const { kernel, bindGroup, grid } of dispatches) {
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(grid[0], grid[1]);
  }
  pass.end();
}

const writtenBy = ({ kernel, tensors }: Dispatch) =>
  Object.entries(kernel.spec.buffers)
    .filter(([, access]) => access === 'read_write')
    .map(([name]) => tensors[name]!);

/** Repeats of a dispatch that one submit may hold. */
const mostRepeats = (dispatch: Dispatch): number =>
  writtenBy(dispatch).some(({ dtype }) => dtype === 'u32') ? MOST_COUNTED : MOST_REPEATS;

/**
 * Calls `use` with a function that puts back what the dispatch has written since, so that neither a counter nor a
 * parameter runs away while it is repeated. It is put back at the end, too.
 */
export async function keeping<T>(
  gpu: Gpu,
  dispatch: Dispatch,
  use: (putBack: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const written = writtenBy(dispatch);
  const { COPY_SRC, COPY_DST } = GPUBufferUsage;
  const kept = gpu.allOrNothing(() =>
    written.map(({ buffer }) => gpu.buffer(`${buffer.label} kept`, buffer.size, COPY_SRC | COPY_DST)),
  );
  const copy = async (back: boolean) => {
    gpu.submit('keep', (encoder) => {
      written.forEach(({ buffer }, i) => {
        const [from, to] = back ? [kept[i]!, buffer] : [buffer, kept[i]!];
        encoder.copyBufferToBuffer(from, 0, to, 0, buffer.size);
      });
    });
    await gpu.idle();
  };
  try {
    await gpu.until(dispatch.kernel.ready);
    await copy(false);
    const result = await use(() => copy(true));
    await copy(true);
    return result;
  } finally {
    for (const buffer of kept) gpu.release(buffer);
  }
}

/** Milliseconds from the submit of some repeats of a dispatch until they are done. */
async function timeRepeats(gpu: Gpu, dispatch: Dispatch, repeats: number): Promise<number> {
  const all = new Array<Dispatch>(repeats).fill(dispatch);
  const began = performance.now();
  gpu.submit(dispatch.label, (encoder) => encodePass(encoder, dispatch.label, all));
  await gpu.idle();
  return performance.now() - began;
}

/**
 * Times a dispatch without timestamps: k repeats of it in one submit, then 2k; the difference is the time of k, without
 * the submit and the wait, which both have. What it writes is put back after each.
 */
export function wallSlope(gpu: Gpu, dispatch: Dispatch): Promise<Slope> {
  return keeping(gpu, dispatch, async (putBack) => {
    const time = async (repeats: number): Promise<number> => {
      const took = await timeRepeats(gpu, dispatch, repeats);
      await putBack();
      return took;
    };
    const most = mostRepeats(dispatch) / 2;
    let repeats = 1;
    await time(repeats);
    while (2 * repeats <= most && (await time(repeats)) < LONG_ENOUGH) repeats *= 2;
    const samples: number[] = [];
    for (let i = 0; i < SAMPLES; i++) {
      const once = await time(repeats);
      const twice = await time(2 * repeats);
      samples.push((1e6 * (twice - once)) / repeats);
    }
    return { samples, repeats };
  });
}

/**
 * Repeats a dispatch in a pass of its own each, with timestamps; the first is not among the results, since it may have
 * to wait for memory. What it writes is put back.
 *
 * @throws InputError when the device has no `timestamp-query`.
 */
export function stampedAlone(gpu: Gpu, dispatch: Dispatch, repeats: number): Promise<DispatchTime[]> {
  const count = Math.min(repeats + 1, mostRepeats(dispatch), MOST_PROFILED);
  return keeping(gpu, dispatch, async () => {
    const all = new Array<Dispatch>(count).fill(dispatch);
    const profile = gpu.submit(dispatch.label, (encoder) => encodeProfiled(gpu, all, encoder));
    return (await profile.read()).slice(1);
  });
}
