import { describe, expect, it } from 'vitest';
import type { KernelSpec } from '../../src/gpu/kernel.ts';
import { ShaderError } from '../../src/gpu/shader.ts';
import * as ladder from '../../src/kernels/matmul-ladder.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();

type Product = KernelSpec<'M' | 'K' | 'N', 'a' | 'b' | 'c'>;

const any: readonly Product[] = [ladder.matmulNaive, ladder.matmulTiled];
const quads: readonly Product[] = [
  ladder.matmulVec4,
  ladder.matmulBlock8,
  ladder.matmulPrefetch,
  ladder.matmulSplit,
  ladder.matmulVec4Cpu,
];
const byName = (forms: readonly Product[]) => forms.map((spec) => [spec.file, spec] as const);

function contents(seed: number, M: number, K: number, N: number) {
  const random = new Random(seed);
  return { a: normals(random, M * K), b: normals(random, K * N), c: unwritten(M * N) };
}

// One and one more or less than a tile, primes, a row, a column; never square in all three.
const SHAPES = [
  [1, 1, 1],
  [2, 3, 5],
  [7, 1, 33],
  [8, 16, 32],
  [9, 15, 31],
  [15, 17, 16],
  [17, 16, 15],
  [33, 31, 32],
  [1, 97, 101],
  [101, 97, 1],
  [127, 10, 13],
  [257, 101, 10],
] as const;

// The same for K and N that are multiples of 4: slices of 8 and 16, tiles of 32, 64 and 128, strips of 4 x 64.
const QUAD_SHAPES = [
  [1, 4, 4],
  [3, 4, 8],
  [5, 8, 4],
  [2, 60, 68],
  [4, 12, 64],
  [31, 16, 36],
  [33, 20, 28],
  [63, 64, 60],
  [65, 68, 64],
  [127, 8, 132],
  [128, 4, 128],
  [129, 12, 124],
  [131, 140, 260],
  [1, 404, 4],
] as const;

describe.each(byName(any))('%s', (_, spec) => {
  it.each(SHAPES)('M = %i, K = %i, N = %i, seed = M + K + N', async (M, K, N) => {
    await expectTwin(device.gpu, spec, { M, K, N }, contents(M + K + N, M, K, N));
  });
});

describe.each(byName(quads))('%s', (file, spec) => {
  it.each(QUAD_SHAPES)('M = %i, K = %i, N = %i, seed = M + K + N', async (M, K, N) => {
    await expectTwin(device.gpu, spec, { M, K, N }, contents(M + K + N, M, K, N));
  });

  it.each([
    [4, 6, 8],
    [4, 8, 6],
  ])('refuses K or N that are no multiples of 4: M = %i, K = %i, N = %i', async (M, K, N) => {
    await expect(runKernel(device.gpu, spec, { M, K, N }, contents(1, M, K, N))).rejects.toThrow(
      `${file}: K and N must be multiples of 4, got K = ${K}, N = ${N}`,
    );
  });
});

describe.each(byName([...any, ...quads]))('%s', (_, spec) => {
  it('repeats bit for bit, and leaves alone what lies past C, seed 5', async () => {
    const [M, K, N] = [33, 260, 44];
    const { a, b } = contents(5, M, K, N);
    const c = unwritten(M * N + 32);
    const first = await runKernel(device.gpu, spec, { M, K, N }, { a, b, c });
    const again = await runKernel(device.gpu, spec, { M, K, N }, { a, b, c });
    expect(again.c).toEqual(first.c);
    expect([...first.c.subarray(M * N)]).toEqual([...unwritten(32)]);
  });

  it('passes a NaN on to its row and to nothing else, seed 6', async () => {
    const [M, K, N] = [9, 8, 36];
    const { a, b, c } = contents(6, M, K, N);
    a.fill(Number.NaN, a.length - 1);
    const after = await runKernel(device.gpu, spec, { M, K, N }, { a, b, c });
    expect([...after.c].map(Number.isNaN)).toEqual([...after.c].map((__, i) => i >= (M - 1) * N));
  });
});

describe('other tiles', () => {
  it.each([
    ['matmul_naive', ladder.matmulNaive, { COLS: 8, ROWS: 2 }],
    ['matmul_tiled', ladder.matmulTiled, { TILE: 8 }],
    ['matmul_vec4', ladder.matmulVec4, { TILE_M: 32, TILE_N: 32, TILE_K: 32 }],
    ['matmul_vec4', ladder.matmulVec4, { TILE_M: 16, TILE_N: 128, TILE_K: 8 }],
  ] as const)('%s of %j', async (_, spec, tiles) => {
    const [M, K, N] = [67, 36, 132];
    await expectTwin(device.gpu, spec, { M, K, N }, contents(7, M, K, N), tiles);
  });

  it.each([
    ['matmul_vec4', ladder.matmulVec4, { TILE_K: 6 }],
    ['matmul_block8', ladder.matmulBlock8, { TILE_M: 64 }],
    ['matmul_prefetch', ladder.matmulPrefetch, { TILE_K: 16 }],
    ['matmul_split', ladder.matmulSplit, { SPLIT: 2 }],
    ['matmul_vec4_cpu', ladder.matmulVec4Cpu, { ROWS: 8 }],
  ] as const)('%s refuses, at its const_assert, what it does not spell out', async (_, spec, tiles) => {
    const run = expectTwin(device.gpu, spec, { M: 4, K: 4, N: 4 }, contents(1, 4, 4, 4), tiles);
    await expect(run).rejects.toThrow(ShaderError);
    await expect(run).rejects.toThrow(/const_assert/);
  });
});
