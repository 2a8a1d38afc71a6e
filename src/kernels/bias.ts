import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/bias.ts';
import { columns, linear } from './grids.ts';

/** y = x + bias, for every row. */
export const biasAdd = defineKernel({
  file: 'bias_add',
  params: { B: 'u32', F: 'u32' },
  buffers: { x: 'read', bias: 'read', y: 'read_write' },
  grid: ({ B, F }, c) => linear(B * F, c),
  flops: ({ B, F }) => B * F,
  bytes: ({ B, F }) => 4 * (2 * B * F + F),
  twin: (p, t) => ({ y: twin.biasAdd(t.x, t.bias, p) }),
});

/** The sum of each column: the gradient of a bias. */
export const columnSum = defineKernel({
  file: 'column_sum',
  params: { B: 'u32', F: 'u32' },
  buffers: { x: 'read', total: 'read_write' },
  grid: ({ F }, c) => columns(F, c),
  flops: ({ B, F }) => B * F,
  bytes: ({ B, F }) => 4 * (B * F + F),
  twin: (p, t) => ({ total: twin.columnSum(t.x, p) }),
});

/** {@link columnSum} without workgroup memory, for drivers that run on the CPU. */
export const columnSumCpu = defineKernel({
  ...columnSum,
  file: 'column_sum_cpu',
  grid: ({ F }, c) => linear(F, c),
});
