import { describe, expect, it } from 'vitest';
import { mix } from '../../src/kernels/mix.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, fromBits, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();

const bits = (data: Float32Array | Uint32Array): number[] => [
  ...new Uint32Array(data.buffer, data.byteOffset, data.length),
];

describe.each([1, 63, 64, 65, 1009, 256 * 256])('mix, n = %i (also the seed)', (n) => {
  it.each([0, 1e-6, 0.25, 0.7, 1 - 2 ** -24, 1])('lambda = %d', async (lambda) => {
    const random = new Random(n);
    const contents = { a: normals(random, n), b: normals(random, n), y: unwritten(n) };
    await expectTwin(device.gpu, mix, { n, lambda }, contents);
  });
});

describe('lambda 1 gives a and lambda 0 gives b, bit for bit', () => {
  // 0, -0, infinities, the largest and the smallest normal numbers, 1 and its neighbours, a third
  const hard = [0, 0x80000000, 0x7f800000, 0xff800000, 0x7f7fffff, 0xff7fffff, 0x00800000, 0x80800000];
  const given = fromBits(...hard, 0x3f800000, 0x3f7fffff, 0xbf800001, 0x3eaaaaab);
  const n = given.length;
  const others: [string, number][] = [
    ['1', 0x3f800000],
    ['-1', 0xbf800000],
    ['0', 0],
    ['-0', 0x80000000],
    ['infinity', 0x7f800000],
    ['-infinity', 0xff800000],
    ['NaN', 0x7fc00000],
  ];

  it.each(others)('whatever the other one holds: %s', async (_, bit) => {
    const other = fromBits(...new Array(n).fill(bit));
    const y = unwritten(n);
    const one = await runKernel(device.gpu, mix, { n, lambda: 1 }, { a: given, b: other, y });
    expect(bits(one.y)).toEqual(bits(given));
    const none = await runKernel(device.gpu, mix, { n, lambda: 0 }, { a: other, b: given, y });
    expect(bits(none.y)).toEqual(bits(given));
    await expectTwin(device.gpu, mix, { n, lambda: 1 }, { a: given, b: other, y });
    await expectTwin(device.gpu, mix, { n, lambda: 0 }, { a: other, b: given, y });
  });
});

describe('mix at the ends of the number line', () => {
  it('does not overflow between numbers that do not, and passes infinities and NaNs on', async () => {
    const MAX = 2 ** 127 * (2 - 2 ** -23);
    const inf = Number.POSITIVE_INFINITY;
    const a = Float32Array.of(MAX, MAX, -MAX, inf, -inf, inf, Number.NaN, 1);
    const b = Float32Array.of(MAX, -MAX, -MAX, 1, 1, -inf, 1, Number.NaN);
    const n = a.length;
    const { y } = await runKernel(device.gpu, mix, { n, lambda: 0.5 }, { a, b, y: unwritten(n) });
    expect([...y]).toEqual([MAX, 0, -MAX, inf, -inf, Number.NaN, Number.NaN, Number.NaN]);
    await expectTwin(device.gpu, mix, { n, lambda: 0.5 }, { a, b, y: unwritten(n) });
  });

  it('where both products are smaller than any normal number, and may be flushed to zero', async () => {
    const a = Float32Array.of(1.9 * 2 ** -126, 2 ** -126, -1.9 * 2 ** -126, 2 ** -125, 1);
    const b = Float32Array.of(1.9 * 2 ** -126, -(2 ** -126), -1.9 * 2 ** -126, 1, 2 ** -126);
    const n = a.length;
    await expectTwin(device.gpu, mix, { n, lambda: 0.5 }, { a, b, y: unwritten(n) });
  });

  it('is half the sum at lambda 1/2, by hand', async () => {
    const a = Float32Array.of(1, 3, -2, 0.25, 1e10);
    const b = Float32Array.of(3, -3, -4, 0.75, 0);
    const { y } = await runKernel(device.gpu, mix, { n: 5, lambda: 0.5 }, { a, b, y: unwritten(5) });
    expect([...y]).toEqual([2, 0, -3, 0.5, 5e9]);
    const quarter = await runKernel(device.gpu, mix, { n: 5, lambda: 0.25 }, { a, b, y: unwritten(5) });
    expect([...quarter.y]).toEqual([2.5, -1.5, -3.5, 0.625, 2.5e9]);
  });

  it('leaves alone what lies past n', async () => {
    const random = new Random(4);
    const contents = { a: normals(random, 128), b: normals(random, 128), y: unwritten(128) };
    const { y } = await runKernel(device.gpu, mix, { n: 65, lambda: 0.5 }, contents);
    expect([...y.subarray(65)]).toEqual(new Array(63).fill(-12345));
  });
});
