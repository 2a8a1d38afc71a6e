import type { TimestampReport } from './record.ts';

/** Nanoseconds from which on a clock's resolution is too coarse for kernels of a few microseconds. */
const COARSE = 1000;

/** Ticks of a coarse clock that a time must have for it to be worth saying: it is off by up to one. */
const ENOUGH_TICKS = 10;

/** Pairs of timestamps below which nothing is said of the clock: a few may have a common divisor by chance. */
const ENOUGH_PAIRS = 8;

/** Nanoseconds by which times are alike: a clock's period is no whole number of them, so that they are rounded. */
const ROUNDING = 2;

/** Two timestamps of a dispatch, and the nanoseconds between them, if they can be believed. */
export interface Stamped {
  readonly ticks: readonly [begin: bigint, end: bigint];
  readonly nanoseconds: number | undefined;
}

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y > 0n) [x, y] = [y, x % y];
  return x;
}

/**
 * The step of a clock whose times are few values far apart, as they are where a period that is no whole number hides
 * their divisor; undefined where they are many or close, or where kernels that always take as long are all there is to it:
 * then what lies between stamps is no multiple of that step.
 */
function fewValues(good: readonly Stamped[]): number | undefined {
  const nanoseconds = good.map((stamped) => stamped.nanoseconds!);
  const ascending = [...nanoseconds].sort((a, b) => a - b);
  const distinct = ascending.filter((value, i) => i === 0 || value - ascending[i - 1]! > ROUNDING);
  if (distinct.length < 2 || distinct.length > nanoseconds.length / ENOUGH_PAIRS) return undefined;
  const gap = Math.min(...distinct.slice(1).map((value, i) => value - distinct[i]!));
  if (gap < COARSE) return undefined;
  const stamps = good.flatMap(({ ticks }) => ticks);
  const between = stamps.slice(1).map((tick, i) => Math.abs(Number(tick - stamps[i]!)));
  const isMultiple = (distance: number) => {
    const steps = Math.round(distance / gap);
    return Math.abs(distance - steps * gap) <= ROUNDING * (steps + 1);
  };
  return between.every(isMultiple) ? gap : undefined;
}

/**
 * Judges timestamps: which are out of order, and what the clock's step is. A coarse step shows as a common divisor of
 * all stamps (Dawn rounds them to 65,536 ns unless told not to, browsers to 100 us), or as few values far apart.
 */
export function inspectTimestamps(stamped: readonly Stamped[]): TimestampReport {
  const good = stamped.filter(({ nanoseconds }) => nanoseconds !== undefined);
  const judged = good.length >= ENOUGH_PAIRS;
  const counts = { pairs: stamped.length, outOfOrder: stamped.length - good.length, judged };
  if (!judged) return { ...counts, resolution: null, quantised: false };
  const origin = good[0]!.ticks[0];
  // Of distances, since nobody says where a clock's zero is.
  const divisor = good.flatMap(({ ticks }) => ticks).reduce((all, tick) => gcd(all, tick - origin), 0n);
  // All stamps are one and the same: the clock has not moved in all that time.
  if (divisor === 0n) return { ...counts, resolution: null, quantised: true };
  const resolution = divisor >= COARSE ? Number(divisor) : (fewValues(good) ?? Number(divisor));
  return { ...counts, resolution, quantised: resolution >= COARSE };
}

/** Whether a time is long enough for the clock that measured it. */
export function isLongEnough(nanoseconds: number, { resolution, quantised }: TimestampReport): boolean {
  if (!quantised) return nanoseconds > 0;
  return resolution !== null && nanoseconds >= ENOUGH_TICKS * resolution;
}

/** What is to be said of timestamps: nothing, where all is well. `untimed` of `dispatches` have no time. */
export function timestampSentences(
  { pairs, outOfOrder, judged, resolution, quantised }: TimestampReport,
  untimed: number,
  dispatches: number,
): string[] {
  const sentences: string[] = [];
  if (outOfOrder > 0) {
    const were = outOfOrder === 1 ? 'was out of order or missing' : 'were out of order or missing';
    sentences.push(`${outOfOrder} of ${pairs} pairs of timestamps ${were} and left out.`);
  }
  if (quantised) {
    const step =
      resolution === null
        ? 'this device gives the same timestamp again and again'
        : `this device's timestamps are multiples of ${resolution.toLocaleString('en-US')} ns`;
    sentences.push(
      `Quantised: ${step}; ${untimed} of ${dispatches} dispatches are shorter than ${ENOUGH_TICKS} such steps, have ` +
        'no time of their own and are in no sum (--no-timestamps times them by the wall clock).',
    );
  } else if (untimed > 0) {
    sentences.push(`${untimed} of ${dispatches} dispatches have no time, and are in no sum.`);
  }
  if (!judged) {
    sentences.push(
      `Too few pairs of timestamps to judge the clock (${pairs - outOfOrder}, of ${ENOUGH_PAIRS} that it takes): should it be ` +
        'a coarse one, these times are off by up to its step, and nothing shows it.',
    );
  }
  return sentences;
}
