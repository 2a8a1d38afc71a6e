import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/sigmoid.ts';
import { linear } from './grids.ts';

/** y = 1 / (1 + exp(-x)). */
export const sigmoidForward = defineKernel({
  file: 'sigmoid_forward',
  params: { n: 'u32' },
  buffers: { x: 'read', y: 'read_write' },
  grid: ({ n }, c) => linear(n, c),
  flops: ({ n }) => 4 * n,
  bytes: ({ n }) => 8 * n,
  twin: (_, t) => ({ y: twin.sigmoidForward(t.x) }),
});

/** dX = dY y (1 - y). */
export const sigmoidBackward = defineKernel({
  file: 'sigmoid_backward',
  params: { n: 'u32' },
  buffers: { y: 'read', dY: 'read', dX: 'read_write' },
  grid: ({ n }, c) => linear(n, c),
  flops: ({ n }) => 3 * n,
  bytes: ({ n }) => 12 * n,
  twin: (_, t) => ({ dX: twin.sigmoidBackward(t.y, t.dY) }),
});
