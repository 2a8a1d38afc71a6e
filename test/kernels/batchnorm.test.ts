import { describe, expect, it } from 'vitest';
import { compare } from '../../src/gpu/check.ts';
import {
  batchnormEval,
  batchnormForward,
  batchnormStats,
  batchnormStatsCpu,
} from '../../src/kernels/batchnorm.ts';
import * as twin from '../../src/reference/batchnorm.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();
const EPS = 1e-5;
const MOMENTUM = 0.1;

// The GPU form owns 16 columns and 16 rows at a time, the CPU form 8 columns, the elementwise kernels 64 elements.
const SHAPES = [
  [1, 1],
  [1, 17],
  [2, 1],
  [2, 33],
  [15, 17],
  [16, 16],
  [17, 15],
  [7, 9],
  [13, 5],
  [97, 10],
  [10, 97],
  [1009, 3],
  [256, 256],
] as const;

/** Random columns; the inputs that batch norm has most trouble with are made from them. */
const INPUTS: Readonly<Record<string, (z: number, f: number) => number>> = {
  'mean 0, deviation 1': (z) => z,
  'mean 1000, deviation 1': (z) => 1000 + z,
  'mean -30, deviation 0.001': (z) => -30 + z / 1000,
  'every other column constant': (z, f) => (f % 2 === 0 ? 3.7 : z),
};

const running = (random: Random, F: number) => ({
  running_mean: normals(random, F),
  running_var: normals(random, F).map((v) => v * v),
});

describe.each(Object.keys(INPUTS))('%s', (name) => {
  describe.each(SHAPES)('B = %i, F = %i, seed = 1000 B + F', (B, F) => {
    const random = new Random(1000 * B + F);
    const x = normals(random, B * F).map((z, i) => INPUTS[name]!(z, i % F));

    it.each([batchnormStats, batchnormStatsCpu])('$file', async (spec) => {
      const out = { mean: unwritten(F), rstd: unwritten(F), ...running(random, F) };
      await expectTwin(device.gpu, spec, { B, F, eps: EPS, momentum: MOMENTUM }, { x, ...out });
    });

    it('batchnorm_forward', async () => {
      const zeros = new Float64Array(F);
      const stats = twin.batchnormStats(x, zeros, zeros, { B, F, eps: EPS, momentum: MOMENTUM });
      const mean = Float32Array.from(stats.mean.value);
      const rstd = Float32Array.from(stats.rstd.value);
      const affine = { gamma: normals(random, F), beta: normals(random, F) };
      const y = unwritten(B * F);
      await expectTwin(device.gpu, batchnormForward, { B, F }, { x, mean, rstd, ...affine, y });
    });

    it('batchnorm_eval', async () => {
      const contents = { x, ...running(random, F), gamma: normals(random, F), beta: normals(random, F) };
      const y = unwritten(B * F);
      await expectTwin(device.gpu, batchnormEval, { B, F, eps: EPS }, { ...contents, y });
    });
  });
});

describe.each([batchnormStats, batchnormStatsCpu])('$file', (spec) => {
  const stats = async (B: number, F: number, x: Float32Array, momentum = MOMENTUM) => {
    const runs = { running_mean: new Float32Array(F), running_var: new Float32Array(F).fill(1) };
    const contents = { x, mean: unwritten(F), rstd: unwritten(F), ...runs };
    return runKernel(device.gpu, spec, { B, F, eps: EPS, momentum }, contents);
  };

  it('of constant columns: the constant, and 1 / sqrt(eps)', async () => {
    // Sums of 32 equal powers of two are exact in any order; WGSL's division errs by up to 2.5 ulp, its 1 / sqrt()
    // by 14 roundings.
    const x = Float32Array.from({ length: 32 * 5 }, (_, i) => 2 ** (i % 5));
    const { mean, rstd, running_var } = await stats(32, 5, x);
    mean.forEach((v, f) => {
      expect(Math.abs(v / 2 ** f - 1)).toBeLessThan(2 ** -21);
    });
    for (const r of rstd) expect(Math.abs(r * Math.sqrt(EPS) - 1)).toBeLessThan(2 ** -20);
    for (const v of running_var) expect(Math.abs(v - 0.9)).toBeLessThan(2 ** -22);
  });

  it('of one sample: the sample, variance 0 for both uses', async () => {
    const x = Float32Array.of(5, -3, 7.5);
    const { mean, rstd, running_mean, running_var } = await stats(1, 3, x, 1);
    x.forEach((v, f) => {
      expect(Math.abs(mean[f]! / v - 1)).toBeLessThan(2 ** -21);
      expect(Math.abs(running_mean[f]! / v - 1)).toBeLessThan(2 ** -21);
    });
    for (const r of rstd) expect(Math.abs(r * Math.sqrt(EPS) - 1)).toBeLessThan(2 ** -20);
    // The distance from a mean that is off by 2.5 ulp, squared.
    for (const v of running_var) expect(v).toBeLessThan((2 ** -21 * 7.5) ** 2);
  });

  it('normalise by the biased variance and run on the unbiased one', async () => {
    // Column 1, -1, 1, -1: biased variance 1, unbiased 4/3.
    const { rstd, running_var } = await stats(4, 1, Float32Array.of(1, -1, 1, -1), 1);
    expect(Math.abs(rstd[0]! - 1 / Math.sqrt(1 + EPS))).toBeLessThan(2 ** -20);
    expect(Math.abs(running_var[0]! - 4 / 3)).toBeLessThan(2 ** -20);
  });
});

describe('the bound of the statistics, mean 1000, deviation 1, seed 9', () => {
  it('is too tight for E[x^2] - E[x]^2, which cancels', () => {
    const B = 256;
    const { fround } = Math;
    const x = normals(new Random(9), B).map((z) => 1000 + z);
    let sum = 0;
    let squares = 0;
    for (const v of x) {
      sum = fround(sum + v);
      squares = fround(squares + fround(v * v));
    }
    const mean = fround(sum / B);
    const variance = fround(fround(squares / B) - fround(mean * mean));
    const zero = new Float64Array(1);
    const want = twin.batchnormStats(x, zero, zero, { B, F: 1, eps: EPS, momentum: MOMENTUM });
    expect(compare(Float64Array.of(1 / Math.sqrt(variance + EPS)), want.rstd).out).toBe(1);
    expect(compare(Float64Array.of(mean), want.mean).out).toBe(0);
  });
});
