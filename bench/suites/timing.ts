import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Plan } from '../../src/gpu/plan.ts';
import { hasTimestamps, passSeconds } from '../../src/gpu/profile.ts';
import { inspectTimestamps, isLongEnough, type Stamped } from '../../src/report/profile/timestamps.ts';
import { LEAST_REPEATS, line, repeat, type Spread, spread } from './suite.ts';

/** Seconds that work submitted by `submit` takes until it is done. */
export async function timed(gpu: Gpu, submit: () => void): Promise<number> {
  const began = performance.now();
  submit();
  await gpu.idle();
  return (performance.now() - began) / 1e3;
}

/** How long one run of a plan takes. */
export interface PlanTime {
  /** Seconds by the host's clock. */
  readonly wall: Spread;
  /**
   * Seconds of one of the runs of a submit, by the device's timestamps before the first and behind the last of them; null
   * on a CPU driver, and where those are not to be trusted. Absent in records older than this field.
   */
  readonly pass?: Spread | null;
  /** Seconds by the device's own timestamps, summed over the plan's dispatches; null where there are none to trust. */
  readonly device: Spread | null;
  /** Runs in one submit: a slope was laid through the times of these, or, with one alone, its time was taken. */
  readonly counts: readonly number[];
}

/** What {@link timePlan} may be told. */
export interface TimingOptions {
  readonly repeats?: number;
  /** Seconds that the smallest of the counted submits should take. */
  readonly least?: number | undefined;
  /** Whether to take {@link PlanTime.pass}; where kernels run on the processor, the host's clock is as good. */
  readonly byPass?: boolean;
}

/**
 * The time that rates are of. Of a GPU that of whole passes: a host that needs microseconds to record a dispatch has all of
 * them recorded before the first one runs, so that its own clock adds both.
 */
export const timeOf = ({ wall, pass }: PlanTime): Spread => pass ?? wall;

/** Seconds from which on a single run is so long that submitting it and waiting for it is nothing beside it. */
const ALONE = { cpu: 0.02, gpu: 0.05 };

/** Most runs in one submit. */
const MOST = 8192;

/** Timestamps taken at least, since they need no counting. */
const STAMPS = 9;

/**
 * Times a plan by replaying it many times in one submit. A repeat submits it c, 2c and 4c times; the slope of those
 * three times over their counts leaves out what a submit and a wait cost. Where a machine that is busy with other things
 * makes a slope negative, the longest of the three times is taken whole, which is too much rather than too little.
 */
export async function timePlan(gpu: Gpu, plan: Plan, options: TimingOptions = {}): Promise<PlanTime> {
  const { repeats = LEAST_REPEATS, least = gpu.isCpu ? 0.01 : 0.004, byPass = !gpu.isCpu } = options;
  const run = (count: number) => timed(gpu, () => plan.submit(count));
  // The first run pays for compilation, and for memory that is touched for the first time.
  await plan.ready();
  await run(1);

  let count = 1;
  let took = await run(1);
  while (took < least && count < MOST / 4) {
    count *= 2;
    took = await run(count);
  }
  const isAlone = count === 1 && took >= ALONE[gpu.isCpu ? 'cpu' : 'gpu'];
  const counts = isAlone ? [1] : [count, 2 * count, 4 * count];
  const walls = await repeat({ repeats, warmUp: isAlone ? 0 : 1 }, async () => {
    if (isAlone) return run(1);
    const points: [number, number][] = [];
    for (const n of counts) points.push([n, await run(n)]);
    const { slope } = line(points);
    const [n, whole] = points.at(-1)!;
    return slope > 0 ? slope : whole / n;
  });
  return {
    wall: spread(walls),
    pass: byPass ? await passed(gpu, plan, counts.at(-1)!, repeats) : null,
    device: isAlone ? null : await stamped(gpu, plan, Math.max(STAMPS, repeats)),
    counts,
  };
}

/** Seconds of one run of a plan by timestamps around `count` of them; null where half of those or more are no times. */
async function passed(gpu: Gpu, plan: Plan, count: number, repeats: number): Promise<Spread | null> {
  if (!hasTimestamps(gpu)) return null;
  const times = await repeat({ repeats }, () => passSeconds(gpu, plan, count));
  const good = times.filter((time) => time !== undefined && time > 0) as number[];
  return 2 * good.length > times.length ? spread(good.map((time) => time / count)) : null;
}

/**
 * Seconds of a plan from timestamps around each of its dispatches in some runs of it. Runs count in which no dispatch has
 * timestamps that are out of order or missing, or a time too short for the device's clock; where those are half of all
 * or less, there is nothing to trust.
 */
export function deviceSpread(runs: readonly (readonly Stamped[])[]): Spread | null {
  const report = inspectTimestamps(runs.flat());
  const sums = runs.flatMap((run) => {
    const times = run.map(({ nanoseconds }) => nanoseconds ?? 0);
    const trusted = times.every((time) => isLongEnough(time, report));
    return trusted ? [times.reduce((sum, time) => sum + time, 0) / 1e9] : [];
  });
  return 2 * sums.length > runs.length ? spread(sums) : null;
}

/** Seconds of a plan by the device's own timestamps. */
async function stamped(gpu: Gpu, plan: Plan, repeats: number): Promise<Spread | null> {
  if (!hasTimestamps(gpu)) return null;
  const runs = await repeat({ repeats, warmUp: 2 }, () =>
    gpu.submit(plan.label, (encoder) => plan.encodeProfiled(encoder)).read(),
  );
  return deviceSpread(runs);
}
