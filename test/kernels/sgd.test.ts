import { describe, expect, it } from 'vitest';
import { momentum, sgd } from '../../src/kernels/sgd.ts';
import { useDevice } from '../support/device.ts';
import { type Content, expectTwin, fromBits, normals, Random, runKernel } from '../support/kernel.ts';

const device = useDevice();

// Two numbers a step, of which these kernels take the first.
const table = Float32Array.of(0.1, 99, 1e-3, 99, 3e-5, 99, 8, 99);
const at = (row: number, flag = 0) => ({ table, step: Uint32Array.of(row), flag: Uint32Array.of(flag) });

function state(seed: number, n: number, gradient = 1) {
  const random = new Random(seed);
  return { dP: normals(random, n).map((v) => gradient * v), p: normals(random, n) };
}

/** What momentum is run on, by the names of its buffers. */
type Contents = Record<keyof typeof momentum.buffers, Content>;

const velocity = (seed: number, n: number, size = 1): Float32Array =>
  normals(new Random(seed).fork('v'), n).map((v) => size * v);

describe.each([1, 63, 64, 65, 1009, 256 * 256])('n = %i (also the seed)', (n) => {
  it.each([0, 3])('sgd, row %i of the table', async (row) => {
    await expectTwin(device.gpu, sgd, { n, scale: 1 / 256 }, { ...state(n, n), ...at(row) });
  });

  it.each([0, 3])('momentum, row %i of the table', async (row) => {
    const contents = { ...state(n, n), v: velocity(n, n), ...at(row) };
    await expectTwin(device.gpu, momentum, { n, scale: 1 / 256, mu: 0.9 }, contents);
  });
});

describe('gradients of every size, seed 31, beside parameters of 1 and of nothing', () => {
  // From where every product is flushed to zero, if the device flushes, to near the end of the number line.
  it.each([1e-40, 1.3e-38, 1e-37, 1e-36, 1e-20, 1, 1e18, 1e36])('%d', async (size) => {
    const n = 257;
    for (const row of [0, 3]) {
      for (const p of [state(31, n).p, new Float32Array(n)]) {
        const { dP } = state(31, n, size);
        await expectTwin(device.gpu, sgd, { n, scale: 0.5 }, { dP, p, ...at(row) });
        const contents = { dP, p, v: velocity(31, n, size), ...at(row) };
        await expectTwin(device.gpu, momentum, { n, scale: 0.5, mu: 0.9 }, contents);
      }
    }
  });
});

describe('by hand, in numbers that float32 holds exactly', () => {
  const dyadic = Float32Array.of(0.5, 4, 0.25, 4, 2, 4);

  it.each([0, 1, 2])("sgd takes row %i's step size", async (row) => {
    const contents = {
      dP: Float32Array.of(8, -16, 0),
      p: Float32Array.of(1, 2, 3),
      table: dyadic,
      step: Uint32Array.of(row),
      flag: Uint32Array.of(0),
    };
    const { p } = await runKernel(device.gpu, sgd, { n: 3, scale: 1 / 8 }, contents);
    const rate = dyadic[2 * row]!;
    expect([...p]).toEqual([1 - rate, 2 + 2 * rate, 3]);
  });

  it('momentum adds up its velocity, step after step', async () => {
    let p: Content = Float32Array.of(0, 1);
    let v: Content = Float32Array.of(0, 0);
    const dP = Float32Array.of(8, 0);
    // v = 1, 3/2, 7/4: a geometric series with ratio 1/2. p moves by the step sizes 1/2, 1/4 and 2 times that.
    const velocities = [1, 1.5, 1.75];
    const positions = [-0.5, -0.875, -4.375];
    for (let row = 0; row < 3; row++) {
      const contents: Contents = {
        dP,
        p,
        v,
        table: dyadic,
        step: Uint32Array.of(row),
        flag: Uint32Array.of(0),
      };
      const after = await runKernel(device.gpu, momentum, { n: 2, scale: 1 / 8, mu: 0.5 }, contents);
      ({ p, v } = after);
      expect([...v]).toEqual([velocities[row], 0]);
      expect([...p]).toEqual([positions[row], 1]);
    }
  });

  it('momentum with mu 0 is sgd, bit for bit', async () => {
    const n = 333;
    const contents = { ...state(32, n), ...at(1) };
    const plain = await runKernel(device.gpu, sgd, { n, scale: 0.125 }, contents);
    const v = velocity(32, n);
    const without = await runKernel(device.gpu, momentum, { n, scale: 0.125, mu: 0 }, { ...contents, v });
    expect(without.p).toEqual(plain.p);
    expect(without.v).toEqual(contents.dP.map((g) => 0.125 * g));
  });
});

describe('while the flag is up', () => {
  it.each([1, 0xffffffff])('flag %i: nothing is written, whatever the gradient', async (flag) => {
    const n = 67;
    const contents = { ...state(33, n), ...at(2, flag) };
    contents.dP.set(fromBits(0x7fc00000, 0x7f800000, 0xff800000), 0);
    contents.dP[n - 1] = Number.NaN;
    await expectTwin(device.gpu, sgd, { n, scale: 1 }, contents);
    expect(await runKernel(device.gpu, sgd, { n, scale: 1 }, contents)).toEqual(contents);
    const moving = { ...contents, v: velocity(33, n) };
    await expectTwin(device.gpu, momentum, { n, scale: 1, mu: 0.9 }, moving);
    expect(await runKernel(device.gpu, momentum, { n, scale: 1, mu: 0.9 }, moving)).toEqual(moving);
  });

  it('and with it down, a NaN goes into the parameter, where it is seen', async () => {
    const dP = Float32Array.of(Number.NaN, 1);
    const contents = { dP, p: new Float32Array(2), ...at(0) };
    const { p } = await runKernel(device.gpu, sgd, { n: 2, scale: 1 }, contents);
    expect([...p]).toEqual([Number.NaN, -Math.fround(0.1)]);
    const moving = { ...contents, v: new Float32Array(2) };
    const after = await runKernel(device.gpu, momentum, { n: 2, scale: 1, mu: 0.9 }, moving);
    expect([...after.p]).toEqual([Number.NaN, -Math.fround(0.1)]);
    expect([...after.v]).toEqual([Number.NaN, 1]);
  });
});
