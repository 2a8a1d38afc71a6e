import { describe, expect, it } from 'vitest';
import { Random } from '../../src/data/random.ts';
import { elapsed } from '../../src/gpu/profile.ts';
import {
  inspectTimestamps,
  isLongEnough,
  type Stamped,
  timestampSentences,
} from '../../src/report/profile/timestamps.ts';

/** Dispatches one after the other, as a clock shows them that turns nanoseconds into ticks. */
function stamped(durations: readonly number[], clock: (ns: number) => number = (ns) => ns): Stamped[] {
  let now = 123_456_789;
  return durations.map((duration) => {
    const begin = now;
    now += duration + 37;
    const ticks = [BigInt(clock(begin)), BigInt(clock(begin + duration))] as const;
    return { ticks, nanoseconds: elapsed(ticks) };
  });
}

const random = new Random(11);
/** Times of kernels, in nanoseconds: from one microsecond to two hundred. */
const TIMES = Array.from({ length: 100 }, () => 1000 + random.below(200_000));

const multiplesOf = (period: number) => (ns: number) => period * Math.floor(ns / period);

describe('elapsed', () => {
  it('is the time between two timestamps', () => {
    expect(elapsed([2n ** 60n, 2n ** 60n + 17n])).toBe(17);
    expect(elapsed([5n, 5n])).toBe(0);
  });

  it('is not known where they are out of order, or one is missing', () => {
    expect(elapsed([6n, 5n])).toBeUndefined();
    expect(elapsed([0n, 5n])).toBeUndefined();
    expect(elapsed([5n, 0n])).toBeUndefined();
  });
});

describe('the resolution of a clock', () => {
  it.each([1, 10, 32])('of %i ns is found, and is fine', (period) => {
    const report = inspectTimestamps(stamped(TIMES, multiplesOf(period)));
    expect(report).toEqual({ pairs: 100, outOfOrder: 0, judged: true, resolution: period, quantised: false });
  });

  it.each([1024, 65_536, 100_000])('of %i ns is found, and is quantised', (period) => {
    const report = inspectTimestamps(stamped(TIMES, multiplesOf(period)));
    expect(report).toEqual({ pairs: 100, outOfOrder: 0, judged: true, resolution: period, quantised: true });
  });

  it('of no whole number of nanoseconds shows as few times far apart', () => {
    // 100 us, off by a three-hundredth, and rounded to nanoseconds.
    const period = 100_333.4;
    const clock = (ns: number) => Math.round(period * Math.floor(ns / period));
    const report = inspectTimestamps(stamped(TIMES, clock));
    expect(report.quantised).toBe(true);
    expect(Math.abs(report.resolution! - period)).toBeLessThan(3);
  });

  it('is not judged by a kernel that takes as long each time', () => {
    const alike = [...new Array(40).fill(4096), ...new Array(40).fill(4128)];
    expect(inspectTimestamps(stamped(alike)).quantised).toBe(false);
    // Nor by two of them, whose times are far apart.
    const two = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 4096 : 9216));
    expect(inspectTimestamps(stamped(two)).quantised).toBe(false);
  });

  it('is not judged by a few dispatches', () => {
    const report = inspectTimestamps(stamped([65_536, 65_536, 131_072], multiplesOf(65_536)));
    expect(report).toEqual({ pairs: 3, outOfOrder: 0, judged: false, resolution: null, quantised: false });
  });

  it('is unknown, and coarse, where all timestamps are one', () => {
    const report = inspectTimestamps(stamped(TIMES, () => 42));
    expect(report).toEqual({ pairs: 100, outOfOrder: 0, judged: true, resolution: null, quantised: true });
    expect(isLongEnough(1e9, report)).toBe(false);
  });
});

it('timestamps out of order are counted, and the rest is judged without them', () => {
  const all = stamped(TIMES, multiplesOf(32));
  for (const i of [3, 50, 99]) {
    const [begin, end] = all[i]!.ticks;
    // Off the clock's grid, too.
    const ticks = [end + 5n, begin] as const;
    all[i] = { ticks, nanoseconds: elapsed(ticks) };
  }
  expect(inspectTimestamps(all)).toEqual({
    pairs: 100,
    outOfOrder: 3,
    judged: true,
    resolution: 32,
    quantised: false,
  });
});

describe('a time is long enough', () => {
  it('on a fine clock, unless it is none at all', () => {
    const fine = inspectTimestamps(stamped(TIMES));
    expect([1, 1000].map((ns) => isLongEnough(ns, fine))).toEqual([true, true]);
    expect(isLongEnough(0, fine)).toBe(false);
  });

  it('on a coarse clock, from ten of its steps on', () => {
    const coarse = inspectTimestamps(stamped(TIMES, multiplesOf(65_536)));
    expect([0, 65_536, 655_359, 655_360].map((ns) => isLongEnough(ns, coarse))).toEqual([
      false,
      false,
      false,
      true,
    ]);
  });
});

describe('what is said of timestamps', () => {
  const fine = { pairs: 500, outOfOrder: 0, judged: true, resolution: 1, quantised: false };

  it('is nothing where all is well', () => {
    expect(timestampSentences(fine, 0, 50)).toEqual([]);
  });

  it('is how many were out of order', () => {
    expect(timestampSentences({ ...fine, outOfOrder: 3 }, 0, 50)).toEqual([
      '3 of 500 pairs of timestamps were out of order or missing and left out.',
    ]);
    expect(timestampSentences({ ...fine, outOfOrder: 1 }, 1, 50)).toEqual([
      '1 of 500 pairs of timestamps was out of order or missing and left out.',
      '1 of 50 dispatches have no time, and are in no sum.',
    ]);
  });

  it('is that they are too few to tell a coarse clock from a fine one', () => {
    const few = { ...fine, pairs: 6, outOfOrder: 1, judged: false, resolution: null };
    expect(timestampSentences(few, 0, 3)).toEqual([
      '1 of 6 pairs of timestamps was out of order or missing and left out.',
      'Too few pairs of timestamps to judge the clock (5, of 8 that it takes): should it be a coarse one, these times are ' +
        'off by up to its step, and nothing shows it.',
    ]);
  });

  it('is what they are multiples of', () => {
    const [sentence] = timestampSentences({ ...fine, resolution: 65_536, quantised: true }, 46, 50);
    expect(sentence).toBe(
      "Quantised: this device's timestamps are multiples of 65,536 ns; 46 of 50 dispatches are shorter than 10 such " +
        'steps, have no time of their own and are in no sum (--no-timestamps times them by the wall clock).',
    );
    expect(timestampSentences({ ...fine, resolution: null, quantised: true }, 50, 50)[0]).toMatch(
      /the same timestamp again and again; 50 of 50/,
    );
  });
});
