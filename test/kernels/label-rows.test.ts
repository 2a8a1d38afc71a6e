import { describe, expect, it } from 'vitest';
import { labelRowsAdd, labelRowsGrad } from '../../src/kernels/label-rows.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, labels, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();

describe.each([
  [1, 1, 1],
  [1, 63, 1],
  [3, 64, 2],
  [65, 1, 10],
  [17, 13, 10],
  [13, 17, 3],
  [5, 7, 101],
  [101, 10, 7],
  [256, 256, 10],
])('B = %i, F = %i, C = %i, seed = 1000 B + F', (B, F, C) => {
  const random = new Random(1000 * B + F);
  const y = labels(random, B, C);

  it('label_rows_add', async () => {
    const contents = {
      x: normals(random, B * F),
      rows: normals(random, C * F),
      bias: normals(random, F),
      labels: y,
      y: unwritten(B * F),
    };
    await expectTwin(device.gpu, labelRowsAdd, { B, F }, contents);
  });

  it('label_rows_grad', async () => {
    const contents = { dY: normals(random, B * F), labels: y, dRows: unwritten(C * F) };
    await expectTwin(device.gpu, labelRowsGrad, { B, F, C }, contents);
  });
});

describe('labels that the batch does not have', () => {
  it('get a gradient of exactly 0; those it has get the sums of their samples', async () => {
    const [B, F, C] = [4, 2, 5];
    const dY = Float32Array.of(1, 2, 10, 20, 100, 200, 1000, 2000);
    const y = Uint32Array.of(3, 1, 3, 3);
    const contents = { dY, labels: y, dRows: unwritten(C * F) };
    const { dRows } = await runKernel(device.gpu, labelRowsGrad, { B, F, C }, contents);
    expect([...dRows]).toEqual([0, 0, 10, 20, 0, 0, 1101, 2202, 0, 0]);
  });

  it('add nothing: each sample gets the row of its own label', async () => {
    const [B, F] = [3, 2];
    const contents = {
      x: Float32Array.of(1, 2, 3, 4, 5, 6),
      rows: Float32Array.of(10, 20, Number.NaN, Number.NaN, 30, 40),
      bias: Float32Array.of(100, 200),
      labels: Uint32Array.of(2, 0, 2),
      y: unwritten(B * F),
    };
    const { y } = await runKernel(device.gpu, labelRowsAdd, { B, F }, contents);
    expect([...y]).toEqual([131, 242, 113, 224, 135, 246]);
  });
});
