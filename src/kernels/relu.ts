import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/relu.ts';
import { linear } from './grids.ts';

/** y = max(x, 0). */
export const reluForward = defineKernel({
  file: 'relu_forward',
  params: { n: 'u32' },
  buffers: { x: 'read', y: 'read_write' },
  grid: ({ n }, c) => linear(n, c),
  flops: ({ n }) => n,
  bytes: ({ n }) => 8 * n,
  twin: (_, t) => ({ y: twin.reluForward(t.x) }),
});

/** dX = dY where y > 0, else 0. */
export const reluBackward = defineKernel({
  file: 'relu_backward',
  params: { n: 'u32' },
  buffers: { y: 'read', dY: 'read', dX: 'read_write' },
  grid: ({ n }, c) => linear(n, c),
  flops: ({ n }) => n,
  bytes: ({ n }) => 12 * n,
  twin: (_, t) => ({ dX: twin.reluBackward(t.y, t.dY) }),
});
