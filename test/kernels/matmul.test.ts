import { describe, expect, it } from 'vitest';
import type { KernelSpec } from '../../src/gpu/kernel.ts';
import { ShaderError } from '../../src/gpu/shader.ts';
import * as matmul from '../../src/kernels/matmul.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();

type Product = KernelSpec<'M' | 'K' | 'N', 'a' | 'b' | 'c'>;

const gpuForms: readonly Product[] = [matmul.matmulNN, matmul.matmulNT, matmul.matmulTN];
const cpuForms: readonly Product[] = [matmul.matmulNNCpu, matmul.matmulNTCpu, matmul.matmulTNCpu];
const byName = (forms: readonly Product[]) => forms.map((spec) => [spec.file, spec] as const);

/** Whichever the layout, A has M K elements and B has K N. */
function contents(seed: number, M: number, K: number, N: number) {
  const random = new Random(seed);
  return { a: normals(random, M * K), b: normals(random, K * N), c: unwritten(M * N) };
}

// Tiles are 32 x 32 x 32 (GPU form), strips 8 x 32 and pairs in k (CPU form).
const SHAPES = [
  [1, 1, 1],
  [1, 2, 1],
  [2, 3, 5],
  [5, 3, 2],
  [7, 1, 33],
  [33, 1, 7],
  [8, 2, 32],
  [9, 31, 31],
  [31, 32, 33],
  [32, 33, 31],
  [33, 31, 32],
  [32, 32, 32],
  [63, 64, 65],
  [65, 63, 64],
  [1, 97, 101],
  [101, 97, 1],
  [127, 10, 13],
  [256, 256, 10],
  [10, 256, 256],
  [257, 101, 10],
  [17, 1009, 3],
] as const;

describe.each(byName([...gpuForms, ...cpuForms]))('%s', (_, spec) => {
  it.each(SHAPES)('M = %i, K = %i, N = %i, seed = M + K + N', async (M, K, N) => {
    await expectTwin(device.gpu, spec, { M, K, N }, contents(M + K + N, M, K, N));
  });

  it('repeats bit for bit, seed 5', async () => {
    const [M, K, N] = [33, 257, 41];
    const first = await runKernel(device.gpu, spec, { M, K, N }, contents(5, M, K, N));
    const again = await runKernel(device.gpu, spec, { M, K, N }, contents(5, M, K, N));
    expect(again.c).toEqual(first.c);
  });

  it('passes a NaN on to its row or column and to nothing else, seed 6', async () => {
    const [M, K, N] = [9, 5, 34];
    const { a, b, c } = contents(6, M, K, N);
    a.fill(Number.NaN, a.length - 1);
    await expectTwin(device.gpu, spec, { M, K, N }, { a, b, c });
    const after = await runKernel(device.gpu, spec, { M, K, N }, { a, b, c });
    // The last element of A belongs to the last row of C in every layout.
    expect([...after.c].map(Number.isNaN)).toEqual([...after.c].map((__, i) => i >= (M - 1) * N));
  });
});

describe('the first layer of the network, batch 256', () => {
  it.each([
    [matmul.matmulNN.file, matmul.matmulNN, 256, 784, 256],
    [matmul.matmulNNCpu.file, matmul.matmulNNCpu, 256, 784, 256],
    [matmul.matmulNT.file, matmul.matmulNT, 256, 256, 784],
    [matmul.matmulNTCpu.file, matmul.matmulNTCpu, 256, 256, 784],
    [matmul.matmulTN.file, matmul.matmulTN, 784, 256, 256],
    [matmul.matmulTNCpu.file, matmul.matmulTNCpu, 784, 256, 256],
  ] as const)('%s, seed 784', async (_, spec, M, K, N) => {
    await expectTwin(device.gpu, spec, { M, K, N }, contents(784, M, K, N));
  });
});

const TILES = [
  { TILE_M: 64, TILE_N: 64, TILE_K: 16 },
  { TILE_M: 16, TILE_N: 16, TILE_K: 32 },
  { TILE_M: 4, TILE_N: 64, TILE_K: 8 },
  { TILE_M: 64, TILE_N: 8, TILE_K: 4 },
];

describe.each(byName(gpuForms))('%s with other tiles', (_, spec) => {
  describe.each(TILES)('$TILE_M x $TILE_N x $TILE_K', (tiles) => {
    it.each([
      [1, 1, 1],
      [63, 15, 65],
      [65, 17, 63],
      [64, 16, 64],
      [17, 33, 10],
      [130, 101, 67],
    ])('M = %i, K = %i, N = %i, seed = M + K + N', async (M, K, N) => {
      await expectTwin(device.gpu, spec, { M, K, N }, contents(M + K + N, M, K, N), tiles);
    });
  });

  it('refuses a tile that is no multiple of 4, at its const_assert', async () => {
    const run = expectTwin(device.gpu, spec, { M: 1, K: 1, N: 1 }, contents(1, 1, 1, 1), { TILE_M: 30 });
    await expect(run).rejects.toThrow(ShaderError);
    await expect(run).rejects.toThrow(/const_assert TILE_M % 4u == 0u/);
  });
});

describe.each(byName(cpuForms))('%s', (_, spec) => {
  it('refuses another number of rows, at its const_assert', async () => {
    const run = expectTwin(device.gpu, spec, { M: 1, K: 1, N: 1 }, contents(1, 1, 1, 1), { ROWS: 4 });
    await expect(run).rejects.toThrow(ShaderError);
    await expect(run).rejects.toThrow(/const_assert ROWS == 8u/);
  });
});
