import { describe, expect, it } from 'vitest';
import { biasAdd, columnSum, columnSumCpu } from '../../src/kernels/bias.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();

// column_sum owns 16 columns and 16 rows at a time, column_sum_cpu 8 columns, bias_add 64 elements.
const SHAPES = [
  [1, 1],
  [1, 17],
  [17, 1],
  [3, 21],
  [21, 3],
  [2, 32],
  [7, 9],
  [13, 5],
  [15, 15],
  [16, 16],
  [17, 17],
  [31, 8],
  [8, 31],
  [97, 10],
  [10, 97],
  [1009, 7],
  [256, 256],
] as const;

describe.each(SHAPES)('B = %i, F = %i, seed = 1000 B + F', (B, F) => {
  const random = new Random(1000 * B + F);
  const x = normals(random, B * F);

  it('bias_add', async () => {
    await expectTwin(device.gpu, biasAdd, { B, F }, { x, bias: normals(random, F), y: unwritten(B * F) });
  });

  it.each([columnSum, columnSumCpu])('$file', async (spec) => {
    await expectTwin(device.gpu, spec, { B, F }, { x, total: unwritten(F) });
  });
});

describe.each([columnSum, columnSumCpu])('$file', (spec) => {
  it('adds integers exactly, column by column', async () => {
    const [B, F] = [35, 19];
    const x = Float32Array.from({ length: B * F }, (_, i) => (i % F) * 100 + Math.floor(i / F));
    const { total } = await runKernel(device.gpu, spec, { B, F }, { x, total: unwritten(F) });
    expect([...total]).toEqual(Array.from({ length: F }, (_, f) => B * 100 * f + (B * (B - 1)) / 2));
  });

  it('a NaN or an infinity stays in its column', async () => {
    const [B, F] = [33, 18];
    const x = new Float32Array(B * F).fill(1);
    x[32 * F + 3] = Number.NaN;
    x[17] = Number.NEGATIVE_INFINITY;
    const { total } = await runKernel(device.gpu, spec, { B, F }, { x, total: unwritten(F) });
    const expected = new Array(F).fill(B);
    expected[3] = Number.NaN;
    expected[17] = Number.NEGATIVE_INFINITY;
    expect([...total]).toEqual(expected);
  });
});
