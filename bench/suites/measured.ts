import type { CheckReport } from '../../src/gpu/check.ts';
import { CheckFailedError } from '../paper.ts';
import type { Peaks } from '../peaks.ts';
import { type PlanTime, timeOf } from './timing.ts';

/** What a kernel did in its time, against what the device can do. */
export interface Rate {
  /** GFLOP/s in the median of {@link timeOf}: all of a dispatch, with what it costs to begin one. */
  readonly gflops: number;
  /** GB/s: of the bytes that it must read and write, each tensor's element once. */
  readonly gbs: number;
  /** The same as shares of the device's peaks. Above 1 where caches beat the copy that the peak is of. */
  readonly ofPeak: { readonly flops: number; readonly bytes: number };
  /** The time that the peaks allow as a share of the time taken: of whichever of the two it needs more. */
  readonly ofRoofline: number;
}

/** A kernel's rate from its work and its time. */
export function rateOf(flops: number, bytes: number, time: PlanTime, peaks: Peaks): Rate {
  const { median } = timeOf(time);
  const gflops = flops / median / 1e9;
  const gbs = bytes / median / 1e9;
  const ofPeak = { flops: gflops / peaks.gflops, bytes: gbs / peaks.gbs };
  return { gflops, gbs, ofPeak, ofRoofline: Math.max(ofPeak.flops, ofPeak.bytes) };
}

/** Seconds that one measurement may take; what would take longer is left out, and the record says so. */
export const MOST_SECONDS = 20;

/**
 * Why something is left out that would take long, judged by the rate of the same kernel at a smaller shape; undefined
 * where it would not.
 */
export function tooLong(work: number, perSecond: number, repeats: number): string | undefined {
  const seconds = work / perSecond;
  // A warm-up, a look at how long it takes, and the repeats.
  return seconds * (repeats + 2) > MOST_SECONDS
    ? `by its rate at the smaller shape a run would take ${seconds.toPrecision(2)} s`
    : undefined;
}

/** Is told what failed its check, where the rest is to be measured all the same. */
export type Failed = (message: string) => void;

/**
 * Does something that a check may fail, and without which others can be measured: then it is left out, with the reason,
 * and whoever asked is told. Where nobody asked, it is thrown.
 *
 * @throws CheckFailedError without `failed`; whatever else `work` throws
 */
export async function unlessWrong<T>(
  failed: Failed | undefined,
  work: () => Promise<T>,
): Promise<T | { readonly leftOut: string }> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CheckFailedError) || failed === undefined) throw error;
    failed(error.message);
    return { leftOut: `it fails its check: ${error.message}` };
  }
}

/** Fails when a kernel did not write what its twin says: nothing is timed then. */
export function expectChecked(report: CheckReport, what: string): { worst: number } {
  if (!report.passed) throw new CheckFailedError(`${what}: ${report.failures.join('; ')}`);
  return { worst: Math.max(...report.tensors.map((tensor) => tensor.worst)) };
}
