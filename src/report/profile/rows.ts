import type { DispatchInfo, DispatchTime } from '../../gpu/profile.ts';
import type { Bound, ProfileRow, Roof, Spread, TimedDispatch, TimestampReport } from './record.ts';
import { isLongEnough } from './timestamps.ts';

/** Share of the roof from which on a kernel counts as near it. */
export const NEAR = 0.1;

/** Empty dispatches that a kernel far from the roof may take as long as, for its time to be called latency. */
export const SHORT = 20;

/** Median, and the 10 % and 90 % quantiles, straight between neighbours. */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new Error('spreadOf: no values');
  const ascending = [...values].sort((a, b) => a - b);
  const quantile = (share: number) => {
    const at = share * (ascending.length - 1);
    const [below, above] = [ascending[Math.floor(at)]!, ascending[Math.ceil(at)]!];
    return below + (at - Math.floor(at)) * (above - below);
  };
  return { median: quantile(0.5), p10: quantile(0.1), p90: quantile(0.9), repeats: values.length };
}

/** Seconds that a dispatch takes at least, by the roofline: the longer of computing and moving. */
export const rooflineSeconds = (work: Pick<DispatchInfo, 'flops' | 'bytes'>, roof: Roof): number =>
  Math.max(work.flops / roof.gflops, work.bytes / roof.gbs) / 1e9;

/** A step's dispatches, the same label told apart by how often it has been met. */
function keyed(step: readonly DispatchTime[]): (readonly [string, DispatchTime])[] {
  const met = new Map<string, number>();
  return step.map((time) => {
    const count = met.get(time.label) ?? 0;
    met.set(time.label, count + 1);
    return [`${time.label} ${count}`, time] as const;
  });
}

/**
 * The dispatches of a step with their median times over some profiled turns of a plan, each of which does `steps` steps.
 * Times that the device's clock is too coarse for are left out, as are those whose timestamps were out of order.
 */
export function timedDispatches(
  turns: readonly (readonly DispatchTime[])[],
  report: TimestampReport,
  steps = 1,
): TimedDispatch[] {
  const all = new Map<string, DispatchTime[]>();
  for (const turn of turns) {
    for (const [key, time] of keyed(turn)) {
      const found = all.get(key) ?? [];
      found.push(time);
      all.set(key, found);
    }
  }
  return [...all.values()].map((times) => {
    const { ticks: _, nanoseconds: __, ...info } = times[0]!;
    const samples = times.flatMap(({ nanoseconds }) =>
      nanoseconds === undefined ? [] : [nanoseconds / 1e9],
    );
    const spread = samples.length > 0 ? spreadOf(samples) : null;
    const seconds = spread && isLongEnough(1e9 * spread.median, report) ? spread : null;
    return { ...info, calls: times.length / (turns.length * steps), seconds };
  });
}

/** What a dispatch is near to; null without a time. */
export function boundOf({ flops, bytes, seconds }: TimedDispatch, roof: Roof): Bound | null {
  if (seconds === null) return null;
  if (rooflineSeconds({ flops, bytes }, roof) < NEAR * seconds.median) {
    const { dispatchSeconds } = roof;
    return dispatchSeconds === null || seconds.median < SHORT * dispatchSeconds ? 'latency' : 'neither';
  }
  return flops / roof.gflops >= bytes / roof.gbs ? 'compute' : 'memory';
}

/** What a row has of a dispatch: all of it, or a share of its time and some of its work. */
export interface Portion {
  readonly dispatch: TimedDispatch;
  readonly share: number;
  readonly flops: number;
  readonly bytes: number;
}

/** What dispatches are near to for most of their time. */
function mostlyBound(portions: readonly Portion[], roof: Roof): Bound | null {
  const spent = new Map<Bound | null, number>();
  for (const { dispatch, share } of portions) {
    const bound = boundOf(dispatch, roof);
    const seconds = dispatch.calls * share * (dispatch.seconds?.median ?? 0);
    spent.set(bound, (spent.get(bound) ?? 0) + seconds);
  }
  return [...spent].sort(([, a], [, b]) => b - a)[0]?.[0] ?? null;
}

/**
 * Sums portions of dispatches up into one row; `total` is the GPU time of the whole step. How near a roof a part of a
 * dispatch is nobody has measured: it is taken to be as near as the whole.
 */
export function rowOfPortions(
  name: string,
  portions: readonly Portion[],
  total: number,
  roof: Roof,
): ProfileRow {
  const timed = portions.filter(({ dispatch }) => dispatch.seconds !== null);
  const sum = (of: (portion: Portion) => number, over: readonly Portion[] = timed) =>
    over.reduce((all, portion) => all + portion.dispatch.calls * of(portion), 0);
  const seconds = sum(({ dispatch, share }) => share * dispatch.seconds!.median);
  const work = { flops: sum(({ flops }) => flops), bytes: sum(({ bytes }) => bytes) };
  const rate = (amount: number) => (seconds > 0 ? amount / seconds / 1e9 : null);
  const atRoof = sum(({ dispatch, share }) => share * rooflineSeconds(dispatch, roof));
  return {
    name,
    calls: sum(() => 1, portions),
    timed: sum(() => 1),
    seconds,
    share: total > 0 ? seconds / total : 0,
    estimated: timed.some(({ share }) => share < 1),
    ...work,
    gflops: rate(work.flops),
    gbs: rate(work.bytes),
    ofRoofline: seconds > 0 ? atRoof / seconds : null,
    bound: mostlyBound(timed, roof),
  };
}

/** Sums whole dispatches up into one row. */
export const rowOf = (
  name: string,
  dispatches: readonly TimedDispatch[],
  total: number,
  roof: Roof,
): ProfileRow =>
  rowOfPortions(
    name,
    dispatches.map((dispatch) => ({ dispatch, share: 1, flops: dispatch.flops, bytes: dispatch.bytes })),
    total,
    roof,
  );

/** GPU time of a step: the sum of its dispatches' times. */
export const gpuSecondsOf = (dispatches: readonly TimedDispatch[]): number =>
  dispatches.reduce((sum, { calls, seconds }) => sum + calls * (seconds?.median ?? 0), 0);

/** A row for each kernel, the longest first. */
export function kernelRows(dispatches: readonly TimedDispatch[], roof: Roof): ProfileRow[] {
  const total = gpuSecondsOf(dispatches);
  const kernels = [...new Set(dispatches.map(({ kernel }) => kernel))];
  const rows = kernels.map((name) => {
    const own = dispatches.filter(({ kernel }) => kernel === name);
    return rowOf(name, own, total, roof);
  });
  return rows.sort((a, b) => b.seconds - a.seconds);
}

/** A row for each dispatch, in the order of a step. */
export const dispatchRows = (dispatches: readonly TimedDispatch[], roof: Roof): ProfileRow[] => {
  const total = gpuSecondsOf(dispatches);
  return dispatches.map((dispatch) => rowOf(dispatch.label, [dispatch], total, roof));
};

/** Median over some steps of the seconds from a step's first timestamp to its last. */
export function spanSeconds(steps: readonly (readonly DispatchTime[])[]): number | null {
  const spans = steps.flatMap((step) => {
    const good = step.filter(({ nanoseconds }) => nanoseconds !== undefined);
    if (good.length === 0) return [];
    const first = good.reduce((low, { ticks }) => (ticks[0] < low ? ticks[0] : low), good[0]!.ticks[0]);
    const last = good.reduce((high, { ticks }) => (ticks[1] > high ? ticks[1] : high), good[0]!.ticks[1]);
    return [Number(last - first) / 1e9];
  });
  return spans.length > 0 ? spreadOf(spans).median : null;
}
