import { describe, expect, it } from 'vitest';
import { adam } from '../../src/kernels/adam.ts';
import { adamCorrection } from '../../src/reference/adam.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, fromBits, normals, Random, runKernel } from '../support/kernel.ts';

const device = useDevice();

const RATE = 1e-3;
const OPTIONS = { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
const BETAS = { beta1: OPTIONS.beta1, beta2: OPTIONS.beta2, rate: 1 };

/** A table of the given steps (counted from 1), as the step table holds it. */
const tableOf = (...steps: number[]): Float32Array =>
  Float32Array.from(
    steps.flatMap((t) => {
      const { stepSize, epsHat } = adamCorrection(RATE, t, OPTIONS);
      return [stepSize, epsHat];
    }),
  );

const LATER = [1, 10, 1000, 400_000];
const table = tableOf(...LATER);

function state(seed: number, n: number, gradient = 1) {
  const random = new Random(seed);
  return {
    dP: normals(random, n).map((v) => gradient * v),
    p: normals(random, n),
    m: normals(random, n).map((v) => 0.1 * gradient * v),
    v: normals(random, n).map((v) => 0.01 * (gradient * v) ** 2),
  };
}

const at = (row: number, flag = 0) => ({ table, step: Uint32Array.of(row), flag: Uint32Array.of(flag) });

describe.each([1, 63, 64, 65, 1009, 256 * 256])('n = %i (also the seed)', (n) => {
  it('the first step, from moments of 0', async () => {
    const zero = { m: new Float32Array(n), v: new Float32Array(n) };
    const contents = { ...state(n, n), ...zero, ...at(0) };
    await expectTwin(device.gpu, adam, { n, scale: 1 / 256, ...BETAS }, contents);
  });

  it.each([0, 1, 2, 3])('row %i of the table, from moments on their way', async (row) => {
    await expectTwin(device.gpu, adam, { n, scale: 1, ...BETAS }, { ...state(n, n), ...at(row) });
  });
});

describe('gradients of every size, seed 21', () => {
  // Up to where the square of the gradient, times 1 - beta2, still is a float32.
  it.each([1e-30, 1e-12, 1e-8, 1e-4, 1, 1e6, 1e18])('%d', async (size) => {
    const n = 257;
    const contents = { ...state(21, n, size), ...at(2) };
    await expectTwin(device.gpu, adam, { n, scale: 1, ...BETAS }, contents);
  });

  it('0: the moments decay, and moments of 0 leave the parameter as it is', async () => {
    const n = 65;
    const { p, m, v } = state(22, n);
    const dP = new Float32Array(n);
    await expectTwin(device.gpu, adam, { n, scale: 1, ...BETAS }, { dP, p, m, v, ...at(1) });
    const zero = { m: new Float32Array(n), v: new Float32Array(n) };
    const after = await runKernel(device.gpu, adam, { n, scale: 1, ...BETAS }, { dP, p, ...zero, ...at(1) });
    expect(after.p).toEqual(p);
    expect(after.m).toEqual(zero.m);
    expect(after.v).toEqual(zero.v);
  });
});

describe('a first step by hand', () => {
  it('moves each parameter by the learning rate against the sign of its gradient', async () => {
    const n = 4;
    const contents = {
      dP: Float32Array.of(256, -256, 0.5, -1e6),
      p: Float32Array.of(1, 1, 1, 1),
      m: new Float32Array(n),
      v: new Float32Array(n),
      ...at(0),
    };
    const { p } = await runKernel(device.gpu, adam, { n, scale: 1 / 256, ...BETAS }, contents);
    // eps / |g| is at most 5e-6 of the step; the update is subtracted from 1 with one rounding.
    for (const [i, sign] of [1, -1, 1, -1].entries()) {
      expect(Math.abs(p[i]! - (1 - sign * RATE))).toBeLessThan(RATE * 6e-6 + 2 ** -23);
    }
  });

  it("takes the counter's row of the table, not another", async () => {
    const n = 1;
    const rows = Float32Array.of(1, 0, 2, 0, 4, 0);
    for (const row of [0, 1, 2]) {
      const contents = { dP: Float32Array.of(4), p: new Float32Array(1), m: new Float32Array(1) };
      const rest = {
        v: new Float32Array(1),
        table: rows,
        step: Uint32Array.of(row),
        flag: Uint32Array.of(0),
      };
      const { p } = await runKernel(
        device.gpu,
        adam,
        { n, scale: 1, beta1: 0, beta2: 0, rate: 1 },
        { ...contents, ...rest },
      );
      // m = g, v = g^2, so that the update is the step size, up to 16 roundings (9 of them of the root, by WGSL).
      expect(Math.abs(p[0]! + rows[2 * row]!)).toBeLessThan(16 * 2 ** -24 * 4);
    }
  });
});

describe('while the flag is up', () => {
  it.each([1, 2, 0xffffffff])('flag %i: nothing is written, whatever the gradient', async (flag) => {
    const n = 67;
    const contents = { ...state(23, n), ...at(2, flag) };
    contents.dP.set(fromBits(0x7fc00000, 0x7f800000, 0xff800000), 0);
    contents.dP[n - 1] = Number.NaN;
    await expectTwin(device.gpu, adam, { n, scale: 1, ...BETAS }, contents);
    const after = await runKernel(device.gpu, adam, { n, scale: 1, ...BETAS }, contents);
    expect(after).toEqual(contents);
  });
});
