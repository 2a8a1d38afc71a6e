import { describe, expect, it } from 'vitest';
import { sigmoidBackward, sigmoidForward } from '../../src/kernels/sigmoid.ts';
import { TINY } from '../../src/reference/twin.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, fromBits, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();
const inf = Number.POSITIVE_INFINITY;

const forward = (x: Float32Array) => {
  const contents = { x, y: unwritten(x.length) };
  return runKernel(device.gpu, sigmoidForward, { n: x.length }, contents);
};

describe.each([1, 63, 64, 65, 1009, 256 * 256])('sigmoid, n = %i (also the seed)', (n) => {
  it.each([1, 30])('forward, of numbers of size %i', async (size) => {
    const x = normals(new Random(n), n).map((v) => size * v);
    await expectTwin(device.gpu, sigmoidForward, { n }, { x, y: unwritten(n) });
  });

  it('backward', async () => {
    const random = new Random(n);
    const y = normals(random, n).map((v) => 1 / (1 + Math.exp(-3 * v)));
    await expectTwin(device.gpu, sigmoidBackward, { n }, { y, dY: normals(random, n), dX: unwritten(n) });
  });
});

describe('sigmoid_forward at the ends of the number line', () => {
  it('keeps its bound where exp(-|x|) is small, denormal, or 0', async () => {
    const half = [0, 1e-30, 2 ** -126, 1, 16.7, 87, 87.3, 87.34, 88, 89, 103, 104, 200, 3e38, inf];
    const x = Float32Array.from([...half, ...half.map((v) => -v)]);
    await expectTwin(device.gpu, sigmoidForward, { n: x.length }, { x, y: unwritten(x.length) });
  });

  it('is 1/2 at both zeros, 1 and 0 at the ends, and never leaves [0, 1]', async () => {
    const { y } = await forward(Float32Array.of(0, -0, 88, 200, inf, -200, -inf));
    expect([...y].slice(0, 5)).toEqual([0.5, 0.5, 1, 1, 1]);
    for (const end of y.subarray(5)) {
      expect(end).toBeGreaterThanOrEqual(0);
      expect(end).toBeLessThan(TINY);
    }
    const all = await forward(Float32Array.from({ length: 2001 }, (_, i) => (i - 1000) / 8));
    for (const v of all.y) expect(v >= 0 && v <= 1, `${v}`).toBe(true);
  });

  it('passes a NaN, whatever its sign, wherever it stands', async () => {
    const n = 67;
    const x = normals(new Random(5), n);
    new Uint32Array(x.buffer).set([0x7fc00000], 0);
    new Uint32Array(x.buffer).set([0xffc00000, 0x7fc00000], n - 2);
    const { y } = await forward(x);
    expect([y[0], y[n - 2], y[n - 1]]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect([...y].filter(Number.isNaN)).toHaveLength(3);
    await expectTwin(device.gpu, sigmoidForward, { n }, { x, y: unwritten(n) });
  });

  it('leaves alone what lies past n', async () => {
    const contents = { x: normals(new Random(8), 128), y: unwritten(128) };
    const { y } = await runKernel(device.gpu, sigmoidForward, { n: 65 }, contents);
    expect([...y.subarray(65)]).toEqual(new Array(63).fill(-12345));
  });
});

describe('sigmoid_backward', () => {
  const backward = (y: Float32Array, dY: Float32Array) =>
    runKernel(device.gpu, sigmoidBackward, { n: y.length }, { y, dY, dX: unwritten(y.length) });

  it('is a quarter of dY at 1/2, and 0 where the sigmoid is flat, by hand', async () => {
    const y = Float32Array.of(0.5, 0.5, 0, 1, 0.25, 0.75);
    const dY = Float32Array.of(4, -1, 1e30, -1e30, 16, 16);
    const { dX } = await backward(y, dY);
    // + 0, since a zero may have either sign.
    expect([...dX].map((v) => v + 0)).toEqual([1, -0.25, 0, 0, 3, 3]);
  });

  it('passes infinities and NaNs of dY on, and keeps its bound next to 0 and 1', async () => {
    const dY = Float32Array.of(inf, -inf, Number.NaN, 1, 1, 2 ** -126, 2 ** 100);
    const y = fromBits(0x3f000000, 0x3f000000, 0x3f000000, 0x3f7fffff, 0x00800000, 0x3f000000, 0x00800000);
    const { dX } = await backward(y, dY);
    expect([...dX.subarray(0, 3)]).toEqual([inf, -inf, Number.NaN]);
    expect(dX[3]).toBeGreaterThan(0);
    await expectTwin(device.gpu, sigmoidBackward, { n: 7 }, { y, dY, dX: unwritten(7) });
  });
});
