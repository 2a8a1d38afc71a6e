import { describe, expect, it } from 'vitest';
import { linear } from '../../src/kernels/grids.ts';
import { reluBackward, reluForward } from '../../src/kernels/relu.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, fromBits, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();

describe.each([1, 63, 64, 65, 1009, 256 * 256])('relu, n = %i (also the seed)', (n) => {
  const random = new Random(n);

  it('forward', async () => {
    await expectTwin(device.gpu, reluForward, { n }, { x: normals(random, n), y: unwritten(n) });
  });

  it('backward', async () => {
    const y = normals(random, n).map((v) => Math.max(v, 0));
    await expectTwin(device.gpu, reluBackward, { n }, { y, dY: normals(random, n), dX: unwritten(n) });
  });
});

describe('relu at the ends of the number line', () => {
  const MAX = 0x7f7fffff;
  // 0, -0, +inf, -inf, FLT_MAX, -FLT_MAX, smallest normal and its negative
  const x = fromBits(0, 0x80000000, 0x7f800000, 0xff800000, MAX, 0x80000000 + MAX, 0x00800000, 0x80800000);

  it('forward: zeros and negatives become 0, infinity and the rest pass', async () => {
    const n = x.length;
    const { y } = await runKernel(device.gpu, reluForward, { n }, { x, y: unwritten(n) });
    // Object.is, which toEqual uses, tells -0 from 0: either is a zero here.
    expect([...y].map((v) => v + 0)).toEqual([0, 0, Number.POSITIVE_INFINITY, 0, x[4], 0, x[6], 0]);
    await expectTwin(device.gpu, reluForward, { n }, { x, y: unwritten(n) });
  });

  it('forward: a NaN passes, whatever its sign, wherever it stands', async () => {
    const n = 67;
    const nan = fromBits(0x7fc00000, 0xffc00000, 0x7fc00000);
    const data = normals(new Random(3), n);
    data.set([1], 1);
    new Uint32Array(data.buffer).set(new Uint32Array(nan.buffer, 0, 1), 0);
    new Uint32Array(data.buffer).set(new Uint32Array(nan.buffer, 4, 2), n - 2);
    const { y } = await runKernel(device.gpu, reluForward, { n }, { x: data, y: unwritten(n) });
    expect([y[0], y[n - 2], y[n - 1]]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(y[1]).toBe(1);
    await expectTwin(device.gpu, reluForward, { n }, { x: data, y: unwritten(n) });
  });

  it('backward: the gradient at an output of exactly 0 is 0, even an infinite or NaN one', async () => {
    const y = fromBits(0, 0x80000000, 0, 0, 0x00800000, 0x7f800000);
    const dY = Float32Array.of(5, -5, Number.POSITIVE_INFINITY, Number.NaN, 7, -7);
    const n = y.length;
    const { dX } = await runKernel(device.gpu, reluBackward, { n }, { y, dY, dX: unwritten(n) });
    expect([...dX]).toEqual([0, 0, 0, 0, 7, -7]);
    await expectTwin(device.gpu, reluBackward, { n }, { y, dY, dX: unwritten(n) });
  });
});

describe('a linear grid that is too long for one dimension', () => {
  const n = 65_535 * 64 + 131;

  it('spills into y and covers every element', async () => {
    expect(linear(n, { WG: 64 })).toEqual([65_535, 2]);
    // Multiplication by an odd constant: every x is another number, half of them negative.
    const x = Float32Array.from({ length: n }, (_, i) => Math.imul(i, 0x9e3779b1) / 2 ** 31);
    await expectTwin(device.gpu, reluForward, { n }, { x, y: unwritten(n) });
  });

  it('leaves alone what lies past n', async () => {
    const x = normals(new Random(8), 128);
    const { y } = await runKernel(device.gpu, reluForward, { n: 65 }, { x, y: unwritten(128) });
    expect([...y.subarray(65)]).toEqual(new Array(63).fill(-12345));
  });
});
