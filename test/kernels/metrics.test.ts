import { describe, expect, it } from 'vitest';
import { correctCount, finiteFlag, lossMean, stepAdvance } from '../../src/kernels/metrics.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, fromBits, labels, normals, Random, runKernel } from '../support/kernel.ts';

const device = useDevice();
const BATCHES = [1, 2, 63, 64, 65, 128, 256, 1009];

describe.each(BATCHES)('B = %i (also the seed)', (B) => {
  const random = new Random(B);

  it.each([0, 1, 4])('loss_mean into row %i of 5', async (row) => {
    const loss = normals(random, B).map(Math.abs);
    const contents = { loss, step: Uint32Array.of(row), losses: Float32Array.of(10, 11, 12, 13, 14) };
    await expectTwin(device.gpu, lossMean, { B }, contents);
    const { losses } = await runKernel(device.gpu, lossMean, { B }, contents);
    const others = [10, 11, 12, 13, 14].toSpliced(row, 1);
    expect([...losses].toSpliced(row, 1)).toEqual(others);
  });

  it.each([1, 2, 10, 13])('correct_count of %i classes', async (C) => {
    const contents = {
      logits: normals(random, B * C),
      labels: labels(random, B, C),
      step: Uint32Array.of(2),
      correct: Uint32Array.of(7, 8, 9, 10),
    };
    await expectTwin(device.gpu, correctCount, { B, C }, contents);
  });
});

describe('loss_mean', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY])('passes a loss of %d on', async (bad) => {
    const loss = new Float32Array(130).fill(1);
    loss[129] = bad;
    const contents = { loss, step: Uint32Array.of(0), losses: new Float32Array(1) };
    const { losses } = await runKernel(device.gpu, lossMean, { B: 130 }, contents);
    expect(losses[0]).toBe(bad);
  });
});

describe('correct_count', () => {
  const count = async (rows: number[][], y: number[]) => {
    const [B, C] = [rows.length, rows[0]!.length];
    const logits = Float32Array.from(rows.flat());
    const contents = { logits, labels: Uint32Array.from(y), step: Uint32Array.of(0) };
    const all = { ...contents, correct: Uint32Array.of(99) };
    await expectTwin(device.gpu, correctCount, { B, C }, all);
    return (await runKernel(device.gpu, correctCount, { B, C }, all)).correct[0];
  };

  it('of equal logits the first counts', async () => {
    const ties = [
      [1, 1, 1],
      [0, 2, 2],
      [3, 0, 3],
      [-1, -1, -2],
    ];
    expect(await count(ties, [0, 1, 0, 0])).toBe(4);
    expect(await count(ties, [1, 2, 2, 1])).toBe(0);
    expect(await count(ties, [2, 1, 2, 0])).toBe(2);
  });

  it('counts every sample of a batch that no power of two divides', async () => {
    const rows = Array.from({ length: 131 }, (_, b) => [0, 1, 2].map((c) => (c === b % 3 ? 1 : 0)));
    const right = rows.map((_, b) => b % 3);
    expect(await count(rows, right)).toBe(131);
    expect(
      await count(
        rows,
        right.map((c) => (c + 1) % 3),
      ),
    ).toBe(0);
  });
});

describe('finite_flag', () => {
  const NOT_FINITE = {
    NaN: 0x7fc00000,
    '-NaN': 0xffc00000,
    'the smallest NaN': 0x7f800001,
    'the last NaN': 0xffffffff,
    '+infinity': 0x7f800000,
    '-infinity': 0xff800000,
  };
  const FINITE = [
    0x00000000, // 0
    0x80000000, // -0
    0x00000001, // smallest denormal
    0x807fffff, // largest negative denormal
    0x00800000, // smallest normal
    0x7f7fffff, // largest
    0xff7fffff, // most negative
  ];

  const flagAfter = async (x: Float32Array, before: number) => {
    const contents = { x, flag: Uint32Array.of(before) };
    await expectTwin(device.gpu, finiteFlag, { n: x.length }, contents);
    return (await runKernel(device.gpu, finiteFlag, { n: x.length }, contents)).flag[0];
  };

  describe.each([1, 2, 63, 64, 65, 1009])('n = %i', (n) => {
    const usual = new Uint32Array(normals(new Random(n), n).buffer);

    it.each(Object.entries(NOT_FINITE))('%s at the first, a middle and the last place', async (_, bits) => {
      for (const at of new Set([0, n >> 1, n - 1])) {
        const x = Uint32Array.from(usual);
        x[at] = bits;
        expect(await flagAfter(new Float32Array(x.buffer), 0), `at ${at}`).toBe(1);
      }
    });

    it('denormals, zeros and the largest numbers leave the flag as it is, up or down', async () => {
      for (const bits of FINITE) {
        const x = fromBits(...Array.from({ length: n }, () => bits));
        expect(await flagAfter(x, 0), bits.toString(16)).toBe(0);
      }
      const x = new Float32Array(usual.buffer);
      expect(await flagAfter(x, 0)).toBe(0);
      expect(await flagAfter(x, 1)).toBe(1);
    });
  });

  it('looks at the first n only', async () => {
    const contents = { x: Float32Array.of(1, 2, Number.NaN), flag: Uint32Array.of(0) };
    expect((await runKernel(device.gpu, finiteFlag, { n: 2 }, contents)).flag[0]).toBe(0);
  });
});

describe('step_advance', () => {
  it.each([
    [0, 0, 1],
    [0, 41, 42],
    [1, 0, 0],
    [1, 41, 41],
  ])('flag %i, step %i: then step %i', async (flag, step, next) => {
    const contents = { flag: Uint32Array.of(flag), step: Uint32Array.of(step) };
    await expectTwin(device.gpu, stepAdvance, {}, contents);
    expect((await runKernel(device.gpu, stepAdvance, {}, contents)).step[0]).toBe(next);
  });
});
