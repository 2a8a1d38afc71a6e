import { expect, it } from 'vitest';
import { copyRows } from '../../src/kernels/copy-rows.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, fromBits, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();

// One row and one column, primes, one more and one less than a workgroup; rows further apart in x, in y, in both.
it.each([
  [1, 1, 1, 1],
  [1, 64, 64, 64],
  [63, 1, 4, 1],
  [65, 1, 1, 3],
  [7, 9, 9, 12],
  [13, 5, 8, 5],
  [11, 23, 29, 31],
  [256, 10, 10, 12],
])('copy_rows: %i x %i, rows %i apart to %i apart', async (rows, columns, xStride, yStride) => {
  const random = new Random(rows * columns);
  const params = { rows, columns, at: 3, stride: xStride, at_y: 5, stride_y: yStride };
  const contents = { x: normals(random, 3 + rows * xStride), y: unwritten(5 + rows * yStride + 2) };
  await expectTwin(device.gpu, copyRows, params, contents);
});

it('copy_rows keeps every number as it is, and what lies between and around the rows', async () => {
  // 0, -0, an infinity, the smallest normal number, the largest, one
  const x = fromBits(0, 0x80000000, 0x7f800000, 0x00800000, 0x7f7fffff, 0x3f800000);
  const params = { rows: 2, columns: 2, at: 1, stride: 3, at_y: 2, stride_y: 4 };
  const { y } = await runKernel(device.gpu, copyRows, params, { x, y: unwritten(10) });
  const u = -12345;
  expect([...y]).toEqual([u, u, x[1], x[2], u, u, x[4], x[5], u, u]);
});

it('a twin with another stride is found out', async () => {
  const params = { rows: 3, columns: 2, at: 0, stride: 2, at_y: 0, stride_y: 3 };
  const wrong: typeof copyRows = {
    ...copyRows,
    twin: (p, buffers, c) => copyRows.twin({ ...p, stride_y: 2 }, buffers, c),
  };
  const contents = { x: normals(new Random(1), 6), y: unwritten(9) };
  await expect(expectTwin(device.gpu, wrong, params, contents)).rejects.toThrow('elements of y');
});
