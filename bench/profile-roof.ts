import { stampedAlone, wallSlope } from '../src/gpu/alone.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { type Dispatch, Plan } from '../src/gpu/plan.ts';
import { hasTimestamps } from '../src/gpu/profile.ts';
import { empty } from '../src/kernels/overhead.ts';
import { PROFILE_SCHEMA_VERSION, type ProfileOrigin } from '../src/report/profile/record.ts';
import { spreadOf } from '../src/report/profile/rows.ts';
import { fromSlopes } from '../src/report/profile/slopes.ts';
import { inspectTimestamps, isLongEnough } from '../src/report/profile/timestamps.ts';
import { CheckFailedError } from './paper.ts';
import { measurePeaks } from './peaks.ts';
import { provenance } from './provenance.ts';
import type { HostLoad } from './suites/record.ts';

/** Seconds that repeats with timestamps should fill, and how many they are: at least as many as tell what the clock is worth. */
const STAMPED = { seconds: 0.5, least: 10, most: 500 };

/** Times a dispatch by timestamps and by a wall-clock slope. */
export async function timeAlone(gpu: Gpu, dispatch: Dispatch, timestamps: boolean) {
  const { seconds: slope, slopes } = fromSlopes((await wallSlope(gpu, dispatch)).samples);
  if (!timestamps) return { slope, slopes, stamped: null, timestamps: null };
  const wanted = Math.ceil(STAMPED.seconds / Math.max(slope?.median ?? 0, 1e-6));
  const repeats = Math.min(STAMPED.most, Math.max(STAMPED.least, wanted));
  const found = await stampedAlone(gpu, dispatch, repeats);
  const report = inspectTimestamps(found);
  const good = found.flatMap(({ nanoseconds }) => (nanoseconds === undefined ? [] : [nanoseconds / 1e9]));
  const spread = good.length > 0 ? spreadOf(good) : null;
  const stamped = spread && isLongEnough(1e9 * spread.median, report) ? spread : null;
  return { slope, slopes, stamped, timestamps: report };
}

/** Seconds of a dispatch that does nothing, timed in the way that the others are going to be. */
async function emptySeconds(gpu: Gpu, timestamps: boolean): Promise<number | null> {
  const plan = new Plan(gpu, 'empty');
  try {
    plan.dispatch(empty, { label: 'empty', params: {}, tensors: { x: plan.tensor('x', [1]) } });
    await plan.ready();
    const { stamped, slope } = await timeAlone(gpu, plan.dispatches[0]!, timestamps);
    return (timestamps ? stamped : slope)?.median ?? null;
  } finally {
    plan.destroy();
  }
}

/**
 * Measures the device's roof, and says where and by what everything else is going to be measured. `host` is the machine as it
 * was before anything was run on it.
 */
export async function originOf(gpu: Gpu, timestamps: boolean, host: HostLoad): Promise<ProfileOrigin> {
  const date = new Date().toISOString();
  const made = provenance();
  const timing = timestamps && hasTimestamps(gpu) ? 'timestamps' : 'slopes';
  const { gflops, gbs, spread } = await measurePeaks(gpu);
  return {
    schemaVersion: PROFILE_SCHEMA_VERSION,
    date,
    device: gpu.info,
    ...made,
    host,
    roof: { gflops, gbs, spread, dispatchSeconds: await emptySeconds(gpu, timing === 'timestamps') },
    timing,
  };
}

/** A check that must have passed before anything is timed. */
export function expectPassed(gpu: Gpu, failures: readonly string[]): void {
  if (failures.length === 0) return;
  throw new CheckFailedError(
    `kernels fail their check on ${gpu.info.name}, so that nothing was timed:\n${failures.join('\n')}`,
  );
}
