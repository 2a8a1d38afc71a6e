import { ceilDiv, defineKernel, type KernelSpec } from '../gpu/kernel.ts';
import { matmulNN } from './matmul.ts';

// The rungs of the ladder that docs/07-performance.md climbs: the product of matmul_nn, each with one thing more than
// the one before. Training does not use them; `syngrad bench kernels` measures them.

type Grid = typeof matmulNN.grid;

const rung = (file: string, grid: Grid): typeof matmulNN => defineKernel({ ...matmulNN, file, grid });

/** A grid of TILE_M x TILE_N tiles. */
const tiles: Grid = ({ M, N }, { TILE_M, TILE_N }) => [ceilDiv(N, TILE_N!), ceilDiv(M, TILE_M!)];

/** A grid of strips of ROWS x COLS. */
const strips: Grid = ({ M, N }, { ROWS, COLS }) => [ceilDiv(N, COLS!), ceilDiv(M, ROWS!)];

/** The same for a kernel that loads quads along k and along n. */
const quads =
  (file: string, grid: Grid): Grid =>
  (p, c) => {
    if (p.K % 4 !== 0 || p.N % 4 !== 0)
      throw new Error(`${file}: K and N must be multiples of 4, got K = ${p.K}, N = ${p.N}`);
    return grid(p, c);
  };

const quadRung = (file: string, grid: Grid): KernelSpec<'M' | 'K' | 'N', 'a' | 'b' | 'c'> =>
  rung(file, quads(file, grid));

/** One invocation an element, straight from memory. */
export const matmulNaive = rung('matmul_naive', strips);

/** One thread an element, through tiles in workgroup memory. */
export const matmulTiled = rung('matmul_tiled', ({ M, N }, { TILE }) => [
  ceilDiv(N, TILE!),
  ceilDiv(M, TILE!),
]);

/** 4 x 4 elements a thread, with loads of four numbers. */
export const matmulVec4 = quadRung('matmul_vec4', tiles);

/** 8 x 8 elements a thread. */
export const matmulBlock8 = quadRung('matmul_block8', tiles);

/** {@link matmulBlock8}, loading the next slices while it works on these. */
export const matmulPrefetch = quadRung('matmul_prefetch', tiles);

/** The sum over k split among a workgroup's threads, for products of few tiles. */
export const matmulSplit = quadRung('matmul_split', tiles);

/** CPU form with loads of four numbers. */
export const matmulVec4Cpu = quadRung('matmul_vec4_cpu', strips);
