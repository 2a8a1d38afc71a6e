import { expect, it } from 'vitest';
import { spread } from '../../bench/suites/suite.ts';
import { deviceSpread } from '../../bench/suites/timing.ts';
import { elapsed } from '../../src/gpu/profile.ts';

/** Runs of a plan's dispatches, one behind the other, as a clock of so many nanoseconds a tick shows them. */
function runsOf(count: number, dispatches: readonly number[], period = 1) {
  let now = 7_654_321;
  const at = (ns: number) => BigInt(period * Math.floor(ns / period));
  return Array.from({ length: count }, () =>
    dispatches.map((took) => {
      const ticks = [at(now), at(now + took)] as const;
      now += took + 1301;
      return { ticks, nanoseconds: elapsed(ticks) };
    }),
  );
}

const lost = { ticks: [9n, 8n] as const, nanoseconds: undefined };

it("a plan's time by timestamps is the sum over its dispatches, of each run", () => {
  expect(deviceSpread(runsOf(9, [4000, 1000]))).toEqual(spread(new Array(9).fill(5000 / 1e9)));
});

it('runs with timestamps that are out of order are left out; where half of all are, there is no time', () => {
  const runs = runsOf(9, [4000, 1000]);
  const without = (n: number) => runs.map((run, i) => (i < n ? [run[0]!, lost] : run));
  expect(deviceSpread(without(4))).toEqual(spread(new Array(5).fill(5000 / 1e9)));
  expect(deviceSpread(without(5))).toBeNull();
});

it('a coarse clock has no time for what is shorter than ten of its steps, were its stamps never so plausible', () => {
  const coarse = (took: readonly number[]) => deviceSpread(runsOf(20, took, 65_536));
  // Some of these are 65,536 ns, and others 131,072.
  expect(coarse([100_000])).toBeNull();
  expect(coarse([2_000_000, 100_000])).toBeNull();
  expect(coarse([2_000_000])!.median).toBeCloseTo(2e-3, 4);
});
