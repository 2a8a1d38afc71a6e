import type { SlopeReport, Spread } from './record.ts';
import { spreadOf } from './rows.ts';

/**
 * Seconds from slopes of the wall clock, in nanoseconds. Those that are not positive are below the clock's noise, and no times:
 * they are left out and counted. Where they are half of all there is no time, since the others are noise as well.
 */
export function fromSlopes(nanoseconds: readonly number[]): {
  readonly seconds: Spread | null;
  readonly slopes: SlopeReport;
} {
  const good = nanoseconds.filter((slope) => slope > 0).map((slope) => slope / 1e9);
  const seconds = 2 * good.length > nanoseconds.length ? spreadOf(good) : null;
  return { seconds, slopes: { pairs: nanoseconds.length, notPositive: nanoseconds.length - good.length } };
}

/** What is to be said of slopes: nothing, where all are times. */
export function slopeSentences({ pairs, notPositive }: SlopeReport): string[] {
  if (notPositive === 0) return [];
  const were = notPositive === 1 ? 'was' : 'were';
  return [
    `${notPositive} of ${pairs} slopes ${were} not positive, which is below the noise of the wall clock, and left out.`,
  ];
}
