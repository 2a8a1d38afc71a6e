import { ceilDiv, defineKernel, type KernelSpec } from '../gpu/kernel.ts';
import type { Constants } from '../gpu/shader.ts';
import * as twin from '../reference/matmul.ts';

type Shape = 'M' | 'K' | 'N';
type Buffers = 'a' | 'b' | 'c';

/** All six products differ only in their shader, their grid and their twin. */
function product(
  file: string,
  grid: (p: Readonly<Record<Shape, number>>, c: Constants) => readonly [number, number],
  value: typeof twin.matmulNN,
): KernelSpec<Shape, Buffers> {
  return defineKernel({
    file,
    params: { M: 'u32', K: 'u32', N: 'u32' },
    buffers: { a: 'read', b: 'read', c: 'read_write' },
    grid,
    flops: ({ M, K, N }) => 2 * M * K * N,
    macs: ({ M, K, N }) => M * K * N,
    bytes: ({ M, K, N }) => 4 * (M * K + K * N + M * N),
    twin: (p, t) => ({ c: value(t.a, t.b, p) }),
  });
}

/** GPU form: a workgroup makes a TILE_M x TILE_N tile of C, through workgroup memory. */
const tiled: typeof matmulNN.grid = ({ M, N }, { TILE_M, TILE_N }) => [
  ceilDiv(N, TILE_N!),
  ceilDiv(M, TILE_M!),
];

/** CPU form: a workgroup makes ROWS x COLS of C; its lanes take 4 neighbouring columns of all its rows each. */
const strips: typeof matmulNN.grid = ({ M, N }, { COLS, ROWS }) => [ceilDiv(N, COLS!), ceilDiv(M, ROWS!)];

/** C (M, N) = A (M, K) B (K, N): Z = X W. */
export const matmulNN: KernelSpec<Shape, Buffers> = product(
  'matmul_nn',
  (p, c) => tiled(p, c),
  twin.matmulNN,
);

/** C (M, N) = A (M, K) B (N, K)^T: dX = dZ W^T. */
export const matmulNT = product('matmul_nt', tiled, twin.matmulNT);

/** C (M, N) = A (K, M)^T B (K, N): dW = X^T dZ. */
export const matmulTN = product('matmul_tn', tiled, twin.matmulTN);

/** {@link matmulNN} without workgroup memory or barriers, for drivers that run on the CPU. */
export const matmulNNCpu = product('matmul_nn_cpu', strips, twin.matmulNN);

/** {@link matmulNT} without workgroup memory or barriers, for drivers that run on the CPU. */
export const matmulNTCpu = product('matmul_nt_cpu', strips, twin.matmulNT);

/** {@link matmulTN} without workgroup memory or barriers, for drivers that run on the CPU. */
export const matmulTNCpu = product('matmul_tn_cpu', strips, twin.matmulTN);
