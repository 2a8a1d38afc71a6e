import { describe, expect, it } from 'vitest';
import type { AloneProfile, ProfileRow } from '../../src/report/profile/record.ts';
import { spreadOf } from '../../src/report/profile/rows.ts';
import {
  aloneSentences,
  aloneTable,
  gapSentence,
  methodSentences,
  methodTables,
  originSentence,
  roofSentence,
  stepTable,
} from '../../src/report/profile/tables.ts';
import { methodProfile, ORIGIN, profiledSteps, ROOF, STEP } from './profile-data.ts';

const cells = (table: string): string[][] =>
  table
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .map((line) =>
      line
        .split('│')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

const exact = profiledSteps(5, (i) => 1000 * STEP[i]![2]);

describe('the tables of a method', () => {
  it('are by kernel, the longest first, and by layer, in the order of a step', () => {
    const text = methodTables(methodProfile(exact), ROOF);
    const lines = text.split('\n');
    expect(lines[0]).toBe('backprop, layered, a step by kernel (medians of 5 profiled steps)');
    expect(lines.find((line) => line.includes('by layer'))).toBe('backprop, layered, a step by layer');
    expect(cells(text)).toEqual([
      ['kernel', 'calls', 'total', 'mean', 'share', 'GFLOP/s', 'GB/s', 'of roof', 'near'],
      ['matmul', '2', '400 us', '200 us', '84.2 %', '625', '3.00', '65.0 %', 'compute'],
      ['relu', '2', '60.0 us', '30.0 us', '12.6 %', '0.333', '2.67', '26.7 %', 'memory'],
      ['gather', '1', '10.0 us', '10.0 us', '2.1 %', '-', '8.00', '80.0 %', 'memory'],
      ['advance', '1', '5.00 us', '5.00 us', '1.1 %', '<0.001', '0.00240', '0.0 %', 'latency'],
      ['layer', 'calls', 'total', 'mean', 'share', 'GFLOP/s', 'GB/s', 'of roof', 'near'],
      ['batch', '1', '10.0 us', '10.0 us', '2.1 %', '-', '8.00', '80.0 %', 'memory'],
      ['layer1', '2', '120 us', '60.0 us', '25.3 %', '417', '5.67', '56.7 %', 'memory'],
      ['layer2', '2', '340 us', '170 us', '71.6 %', '588', '2.00', '61.2 %', 'compute'],
      ['step', '1', '5.00 us', '5.00 us', '1.1 %', '<0.001', '0.00240', '0.0 %', 'latency'],
      // And by dispatch, where they are few.
      ['dispatch', 'calls', 'total', 'mean', 'share', 'GFLOP/s', 'GB/s', 'of roof', 'near'],
      ['batch.gather', '1', '10.0 us', '10.0 us', '2.1 %', '-', '8.00', '80.0 %', 'memory'],
      ['layer1.z.matmul', '1', '100 us', '100 us', '21.1 %', '500', '6.00', '60.0 %', 'memory'],
      ['layer1.h.relu', '1', '20.0 us', '20.0 us', '4.2 %', '0.500', '4.00', '40.0 %', 'memory'],
      ['layer2.z.matmul', '1', '300 us', '300 us', '63.2 %', '667', '2.00', '66.7 %', 'compute'],
      ['layer2.h.relu', '1', '40.0 us', '40.0 us', '8.4 %', '0.250', '2.00', '20.0 %', 'memory'],
      ['step.advance', '1', '5.00 us', '5.00 us', '1.1 %', '<0.001', '0.00240', '0.0 %', 'latency'],
    ]);
  });

  it('say how many calls have a time, and nothing of a kernel without one', () => {
    const steps = profiledSteps(5, (i) => (i === 0 || i === 3 ? -1 : 1000 * STEP[i]![2]));
    const rows = cells(methodTables(methodProfile(steps), ROOF));
    expect(rows.find(([name]) => name === 'matmul')!.slice(0, 3)).toEqual(['matmul', '1 of 2', '100 us']);
    expect(rows.find(([name]) => name === 'gather')).toEqual([
      ...['gather', '0 of 1', '-', '-', '0.0 %', '-', '-', '-', '-'],
    ]);
  });

  it('leave single dispatches out where they are many', () => {
    const method = methodProfile(exact);
    const dispatches = Array.from({ length: 17 }, () => method.dispatches[0]!);
    expect(methodTables({ ...method, dispatches }, ROOF)).not.toContain('by dispatch');
  });

  it('name wall-clock slopes where there are no timestamps', () => {
    const [title] = methodTables(methodProfile(exact, { timestamps: null }), ROOF).split('\n');
    expect(title).toBe(
      'backprop, layered, a step by kernel (each dispatch repeated alone, wall-clock slopes)',
    );
  });
});

it('the table of a step has GPU time and wall time side by side, profiled and not', () => {
  const wave = methodProfile(exact, { method: 'cdni', schedule: 'wave', spanSeconds: null });
  expect(cells(stepTable([methodProfile(exact), wave]))).toEqual([
    ['a step', 'backprop, layered', 'cDNI, wave'],
    ['dispatches', '6', '6'],
    ['GPU time, summed over kernels', '475 us', '475 us'],
    ['first to last timestamp', '480 us', '-'],
    ['wall time, profiled', '600 us', '600 us'],
    ['wall time, unprofiled', '500 us', '500 us'],
    ['of it the host encodes for', '2.00 us', '2.00 us'],
    ['every dispatch at its roof', '284 us', '284 us'],
    ['steps/s, unprofiled', '2,000 (1,900 to 2,100)', '2,000 (1,900 to 2,100)'],
  ]);
});

describe('GPU time against wall time, in a sentence', () => {
  const at = (stepsPerSecond: number, steps = exact) => {
    const rates = { median: stepsPerSecond, p10: 1, p90: 2, repeats: 5 };
    return gapSentence(
      methodProfile(steps, { unprofiled: { steps: 1, stepsPerSecond: rates, hostSeconds: 0 } }),
    );
  };

  it('says how much of a step no kernel accounts for', () => {
    expect(at(1000)).toBe(
      'backprop, layered: the kernels take 475 us of the 1.00 ms of an unprofiled step; the other 525 us (52.50 %) go to ' +
        'the host, to gaps between kernels, or to whoever else uses the device.',
    );
  });

  it('says when they are as good as equal, and when kernels take longer alone', () => {
    expect(at(1 / 480e-6)).toMatch(/take 475 us, as good as all of an unprofiled step \(480 us\)\.$/);
    expect(at(4000)).toMatch(
      /take 475 us when timed one by one, more than the 250 us of an unprofiled step, /,
    );
  });

  it('says when some have no time', () => {
    expect(
      at(
        1000,
        profiledSteps(5, (i) => (i === 0 ? -1 : 1000 * STEP[i]![2])),
      ),
    ).toMatch(/the kernels that have a time take 465 us of/);
  });
});

it('sentences below the tables tell of timestamps, or of times too short for the wall clock', () => {
  expect(methodSentences(methodProfile(exact))).toEqual([]);
  const steps = profiledSteps(5, (i, s) => (i === 1 && s < 3 ? -9 : 1000 * STEP[i]![2]));
  expect(methodSentences(methodProfile(steps))).toEqual([
    '3 of 30 pairs of timestamps were out of order or missing and left out.',
  ]);
  const slopes = methodProfile(exact, { timestamps: null });
  const dispatches = slopes.dispatches.map((d, i) => (i === 5 ? { ...d, seconds: null } : d));
  expect(methodSentences(slopes)).toEqual([]);
  expect(methodSentences({ ...slopes, dispatches })).toEqual([
    '1 of 6 dispatches are too short for the wall clock, and in no sum.',
  ]);
});

it('figures come with what they are of', () => {
  expect(originSentence(ORIGIN)).toBe('syngrad 0.1.0, commit unknown, Dawn (webgpu 0.6.2), Node v20.20.2');
  expect(roofSentence(ROOF)).toMatch(
    /^Roof: 1,000 \(950 to 1,010\) GFLOP\/s .* and 10\.0 \(9\.00 to 11\.0\) GB\/s .*, 2\.00 us for a dispatch that .* at least 10 % .* than 20 empty dispatches/,
  );
  // A share above 1 has another reason near each roof.
  expect(roofSentence(ROOF)).toMatch(
    /100 % near memory is read from caches .*; near compute it says that the roof is too low, .* busier, or its clock slower/,
  );
  expect(roofSentence({ ...ROOF, dispatchSeconds: null })).not.toMatch(/does nothing|empty/);
});

describe('one kernel alone', () => {
  const row = { gflops: 625, gbs: 2.75, ofRoofline: 0.625, bound: 'compute' } as ProfileRow;
  const run: AloneProfile = {
    kernel: 'matmul_nn',
    path: 'shaders/matmul_nn.wgsl',
    rung: '3 of 10, registers',
    params: { M: 256, K: 784, N: 256 },
    constants: { TILE_M: 64, TILE_N: 32 },
    grid: [8, 4],
    labels: [],
    check: { params: { M: 256, K: 784, N: 256 }, tensors: 1, worst: 0.0625 },
    stamped: spreadOf([100e-6]),
    slope: { median: 98e-6, p10: 93e-6, p90: 120e-6, repeats: 5 },
    slopes: { pairs: 5, notPositive: 0 },
    timestamps: { pairs: 20, outOfOrder: 0, judged: true, resolution: 1, quantised: false },
    row,
  };

  it('is told with its shape, its constants, its place, its check and both times', () => {
    expect(cells(aloneTable(run))).toEqual([
      ['kernel', 'matmul_nn'],
      ['WGSL', 'shaders/matmul_nn.wgsl'],
      ['rung of the ladder', '3 of 10, registers'],
      ['shape', 'M 256, K 784, N 256'],
      ['constants (variant)', 'TILE_M 64, TILE_N 32'],
      ['workgroups', '8 x 4'],
      ['checked', '1 tensor against the float64 twin; worst 6.25 % of the bound'],
      ['time, timestamps', '100 us (100 us to 100 us)'],
      ['time, wall-clock slope', '98.0 us (93.0 us to 120 us)'],
      ['GFLOP/s', '625'],
      ['GB/s', '2.75'],
      ['of roof, near', '62.5 %, compute'],
    ]);
    expect(aloneSentences(run)).toEqual([]);
  });

  it('that works for several layers is told by what it does for each, and not by its many params', () => {
    const part = (of: string, role: string, shape: string) => ({ of, role, shape, flops: 1, bytes: 1 });
    const parts = [
      part('layer1', 'FORWARD', '256x784x256'),
      part('layer2', 'FORWARD', '256x256x256'),
      part('layer3', 'FORWARD', '256x256x256'),
      part('loss', 'LOSS', '256x10'),
    ];
    expect(cells(aloneTable({ ...run, parts })).slice(3, 5)).toEqual([
      ['shape', 'FORWARD layer1 256x784x256, layer2 to layer3 256x256x256; LOSS loss'],
      ['', '256x10'],
    ]);
  });

  it('is told with the size of its check where that is smaller, and its place in a step', () => {
    const small = { ...run.check, params: { M: 128, K: 392, N: 128 } };
    const rows = cells(aloneTable({ ...run, check: small, labels: ['layer1.z.matmul'] }));
    expect(rows).toContainEqual(['in a step', 'layer1.z.matmul']);
    expect(rows.flat().join(' ')).toContain('float64 twin at M 128, K 392, N 128;');
  });

  it('says so without timestamps, and with quantised ones', () => {
    const none = { ...run, stamped: null, timestamps: null };
    expect(cells(aloneTable(none))).toContainEqual(['time, timestamps', '-']);
    expect(aloneSentences(none)).toEqual([
      'No timestamps: the time is the slope of the wall clock over repeats.',
    ]);
    const lost = { ...none, slope: null, slopes: { pairs: 5, notPositive: 3 } };
    expect(cells(aloneTable(lost))).toContainEqual([
      ...['time, wall-clock slope', 'below the noise of the clock'],
    ]);
    expect(aloneSentences(lost)[1]).toBe(
      '3 of 5 slopes were not positive, which is below the noise of the wall clock, and left out.',
    );
    const timestamps = { pairs: 20, outOfOrder: 2, judged: true, resolution: 65_536, quantised: true };
    expect(aloneSentences({ ...run, stamped: null, timestamps })).toEqual([
      expect.stringMatching(/^2 of 20 pairs/),
      expect.stringMatching(/^Quantised: .* 65,536 ns; 1 of 1 dispatches/),
    ]);
  });
});
