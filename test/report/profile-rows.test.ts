import { describe, expect, it } from 'vitest';
import type { DispatchTime } from '../../src/gpu/profile.ts';
import { layerRows } from '../../src/report/profile/layers.ts';
import type { TimedDispatch } from '../../src/report/profile/record.ts';
import {
  boundOf,
  gpuSecondsOf,
  kernelRows,
  rooflineSeconds,
  spanSeconds,
  spreadOf,
  timedDispatches,
} from '../../src/report/profile/rows.ts';
import { inspectTimestamps } from '../../src/report/profile/timestamps.ts';
import { profiledSteps, ROOF, STEP } from './profile-data.ts';

const timed = (steps: readonly (readonly DispatchTime[])[], perTurn = 1) =>
  timedDispatches(steps, inspectTimestamps(steps.flat()), perTurn);

const micro = (seconds: number) => Number((1e6 * seconds).toFixed(4));

describe('the spread of values', () => {
  it('is their median, and the 10 % and 90 % quantiles', () => {
    expect(spreadOf([5, 1, 3])).toEqual({ median: 3, p10: 1.4, p90: 4.6, repeats: 3 });
    expect(spreadOf([7])).toEqual({ median: 7, p10: 7, p90: 7, repeats: 1 });
    expect(() => spreadOf([])).toThrow('no values');
  });
});

describe('the times of dispatches', () => {
  it('are medians over the steps: one step that was held up does not count', () => {
    const steps = profiledSteps(5, (i, s) => 1000 * STEP[i]![2] * (s === 2 ? 50 : 1));
    const found = timed(steps);
    expect(found.map(({ label }) => label)).toEqual(STEP.map(([label]) => label));
    expect(found.map(({ seconds }) => micro(seconds!.median))).toEqual(STEP.map(([, , us]) => us));
    expect(found.every(({ calls, seconds }) => calls === 1 && seconds!.repeats === 5)).toBe(true);
    expect(found[1]!.seconds!.p90).toBeGreaterThan(10 * found[1]!.seconds!.median);
  });

  it('leave out timestamps that are out of order', () => {
    const steps = profiledSteps(5, (i, s) => (i === 1 && s > 2 ? -400 : 1000 * STEP[i]![2]));
    const [, matmul] = timed(steps);
    expect(matmul!.seconds).toEqual({ ...spreadOf([100e-6, 100e-6, 100e-6]), repeats: 3 });
    // With none left there is no time, and no zero either.
    const none = timed(profiledSteps(5, (i) => (i === 1 ? -400 : 1000 * STEP[i]![2])));
    expect(none[1]!.seconds).toBeNull();
    expect(none[0]!.seconds).not.toBeNull();
  });

  it('are none where the clock is too coarse for them', () => {
    const coarse = profiledSteps(5).map((step) =>
      step.map((time) => {
        const ticks = time.ticks.map((tick) => 20_000n * (tick / 20_000n)) as unknown as [bigint, bigint];
        return { ...time, ticks, nanoseconds: Number(ticks[1] - ticks[0]) };
      }),
    );
    const report = inspectTimestamps(coarse.flat());
    expect(report).toMatchObject({ resolution: 20_000, quantised: true });
    const found = timedDispatches(coarse, report);
    expect(found.map(({ seconds }) => seconds !== null)).toEqual([false, false, false, true, false, false]);
  });

  it('tell dispatches of one label apart by their order', () => {
    const steps = profiledSteps(3).map((step) => [...step, { ...step[5]!, nanoseconds: 9000 }]);
    const found = timed(steps);
    expect(found).toHaveLength(STEP.length + 1);
    expect(found.slice(5).map(({ seconds }) => micro(seconds!.median))).toEqual([5.001, 9]);
  });

  it('are those of a part of a turn, where a turn does several steps', () => {
    const found = timed(profiledSteps(4), 2);
    expect(found.every(({ calls }) => calls === 0.5)).toBe(true);
    expect(micro(gpuSecondsOf(found))).toBeCloseTo((475 + 6 * 0.0015) / 2, 3);
  });
});

describe('rows', () => {
  const dispatches = timed(profiledSteps(5, (i) => 1000 * STEP[i]![2]));

  it('sum up by kernel, the longest first', () => {
    const rows = kernelRows(dispatches, ROOF);
    expect(rows.map((row) => [row.name, row.calls, row.timed, micro(row.seconds)])).toEqual([
      ['matmul', 2, 2, 400],
      ['relu', 2, 2, 60],
      ['gather', 1, 1, 10],
      ['advance', 1, 1, 5],
    ]);
    const [matmul, relu, gather] = rows;
    expect(matmul!.share).toBeCloseTo(400 / 475, 9);
    // 250 million operations and 1.2 million bytes in 400 us.
    expect(matmul!.gflops).toBeCloseTo(625, 9);
    expect(matmul!.gbs).toBeCloseTo(3, 9);
    // The first is bound by its 60 us of bytes, the second by its 200 us of operations.
    expect(matmul!.ofRoofline).toBeCloseTo(260 / 400, 9);
    expect(matmul!.bound).toBe('compute');
    expect(relu).toMatchObject({ bound: 'memory', flops: 20_000, bytes: 160_000 });
    expect(relu!.ofRoofline).toBeCloseTo(16 / 60, 9);
    expect(gather!.gflops).toBe(0);
    expect(gather!.ofRoofline).toBeCloseTo(0.8, 9);
    expect(rows[3]!.bound).toBe('latency');
    expect(rows.reduce((sum, row) => sum + row.share, 0)).toBeCloseTo(1, 12);
  });

  it('sum up by layer, in the order of the step', () => {
    const rows = layerRows(dispatches, ROOF);
    expect(rows.map((row) => [row.name, row.calls, micro(row.seconds)])).toEqual([
      ['batch', 1, 10],
      ['layer1', 2, 120],
      ['layer2', 2, 340],
      ['step', 1, 5],
    ]);
    // Near to what most of its time is near to.
    expect(rows.map((row) => row.bound)).toEqual(['memory', 'memory', 'compute', 'latency']);
  });

  it('say how many of their calls have a time, and leave the others out of every figure', () => {
    const lacking: TimedDispatch[] = dispatches.map((d, i) => (i === 3 ? { ...d, seconds: null } : d));
    const [matmul] = kernelRows(lacking, ROOF);
    expect(matmul).toMatchObject({ name: 'matmul', calls: 2, timed: 1, flops: 50_000_000 });
    expect(matmul!.gflops).toBeCloseTo(500, 9);
    const [none] = kernelRows([{ ...dispatches[1]!, seconds: null }], ROOF);
    expect(none).toMatchObject({ timed: 0, seconds: 0, share: 0, gflops: null, gbs: null });
    expect(none).toMatchObject({ ofRoofline: null, bound: null });
  });
});

describe('the roofline', () => {
  it('is the longer of computing and moving', () => {
    expect(rooflineSeconds({ flops: 2e12, bytes: 10 }, ROOF)).toBeCloseTo(2, 12);
    expect(rooflineSeconds({ flops: 10, bytes: 3e10 }, ROOF)).toBeCloseTo(3, 12);
  });

  it('is near from a tenth on; else a kernel is short, or near nothing', () => {
    const dispatch = timed(profiledSteps(1))[3]!;
    const of = (seconds: number, part = {}, roof = ROOF) =>
      boundOf({ ...dispatch, ...part, seconds: spreadOf([seconds]) }, roof);
    // 200 us of operations.
    expect([of(1999e-6), of(2001e-6)]).toEqual(['compute', 'neither']);
    // 20 dispatches that do nothing take 40 us.
    const little = { flops: 1000, bytes: 1000 };
    expect([of(39e-6, little), of(41e-6, little)]).toEqual(['latency', 'neither']);
    expect(of(1, little, { ...ROOF, dispatchSeconds: null })).toBe('latency');
    expect(boundOf({ ...dispatch, seconds: null }, ROOF)).toBeNull();
  });
});

it('a span goes from the first timestamp of a step to its last, median over the steps', () => {
  const steps = profiledSteps(3, (i) => 1000 * STEP[i]![2]);
  // Five gaps of 1001 ns.
  expect(micro(spanSeconds(steps)!)).toBe(480.005);
  expect(spanSeconds([])).toBeNull();
});
