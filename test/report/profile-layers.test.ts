import { describe, expect, it } from 'vitest';
import { layerRows, sharesOf } from '../../src/report/profile/layers.ts';
import { gpuSecondsOf, rooflineSeconds, timedDispatches } from '../../src/report/profile/rows.ts';
import { methodTables } from '../../src/report/profile/tables.ts';
import { inspectTimestamps } from '../../src/report/profile/timestamps.ts';
import { methodProfile, profiledSteps, ROOF, waveSteps } from './profile-data.ts';

const steps = waveSteps(5);
const dispatches = timedDispatches(steps, inspectTimestamps(steps.flat()));
const micro = (seconds: number) => Number((1e6 * seconds).toFixed(4));

describe('whom a dispatch works for', () => {
  it('is said by its parts, a layer with all its roles at once', () => {
    expect(sharesOf(dispatches[1]!)).toEqual([
      { name: 'layer1', roles: 'GRAD', share: 0.75, flops: 30_000_000, bytes: 400_000 },
      { name: 'layer2', roles: 'GRAD, PULL', share: 0.25, flops: 10_000_000, bytes: 100_000 },
    ]);
  });

  it('is said by its label up to the first dot where it has no parts', () => {
    const [, matmul] = profiledSteps(1)[0]!;
    expect(sharesOf(matmul!)).toEqual([
      { name: 'layer1', roles: '', share: 1, flops: matmul!.flops, bytes: matmul!.bytes },
    ]);
  });
});

describe('rows by layer of dispatches that several layers share', () => {
  const rows = layerRows(dispatches, ROOF);

  it('have the time by operations, and each dispatch as a call of all its layers', () => {
    expect(rows.map(({ name, calls, seconds }) => [name, calls, micro(seconds)])).toEqual([
      ['layer1', 2, 200 + 150],
      ['layer2', 3, 40 + 50 + 50],
      ['sg1', 1, 160],
    ]);
    expect(rows.map(({ flops, bytes }) => [flops, bytes])).toEqual([
      [80_000_000, 700_000],
      [40_000_000, 400_000],
      [40_000_000, 500_000],
    ]);
  });

  it('sum up to the step', () => {
    expect(rows.reduce((sum, { seconds }) => sum + seconds, 0)).toBeCloseTo(gpuSecondsOf(dispatches), 12);
    expect(rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
  });

  it('are as near a roof as the dispatches are', () => {
    // The first is allowed 100 us either way, the second 50 us for its bytes.
    expect(rooflineSeconds(dispatches[0]!, ROOF)).toBeCloseTo(100e-6, 12);
    expect(rows[0]!.ofRoofline).toBeCloseTo((0.5 * 100 + 0.75 * 50) / 350, 9);
    expect(rows[2]!.ofRoofline).toBeCloseTo(100 / 400, 9);
    expect(rows.map(({ bound }) => bound)).toEqual(['compute', 'compute', 'compute']);
  });

  it('say that they are estimates, but not of a layer that has its dispatches to itself', () => {
    expect(rows.map(({ estimated }) => estimated)).toEqual([true, true, true]);
    const [alone] = layerRows([dispatches[2]!], ROOF);
    expect(alone).toMatchObject({ name: 'layer2', calls: 1, estimated: false, flops: 20_000_000 });
    expect(micro(alone!.seconds)).toBe(50);
  });

  it('leave out dispatches that have no time', () => {
    const [layer1] = layerRows([{ ...dispatches[0]!, seconds: null }, dispatches[1]!], ROOF);
    expect(layer1).toMatchObject({ calls: 2, timed: 1, flops: 30_000_000 });
    expect(micro(layer1!.seconds)).toBe(150);
  });
});

describe('the table by layer', () => {
  it('marks estimates, and says by what they are made', () => {
    const text = methodTables(methodProfile(steps), ROOF);
    expect(text).toContain(
      'a step by layer (~ is an estimate: the time of a dispatch that several have is divided by the operations of each)',
    );
    const cells = (name: string) =>
      text
        .split('\n')
        .find((line) => line.startsWith(`\u2502 ${name} `))!
        .split('\u2502')
        .map((cell) => cell.trim())
        .slice(2, 6);
    expect(cells('layer1')).toEqual(['2', '~350 us', '~175 us', '~53.8 %']);
    // By kernel and by dispatch nothing is.
    expect(cells('fused_layers')).toEqual(['3', '650 us', '217 us', '100.0 %']);
  });

  it('says nothing of estimates where there are none', () => {
    expect(methodTables(methodProfile(), ROOF)).not.toContain('~');
  });
});
