import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/mix.ts';
import { linear } from './grids.ts';

/** y = lambda a + (1 - lambda) b. */
export const mix = defineKernel({
  file: 'mix',
  params: { n: 'u32', lambda: 'f32' },
  buffers: { a: 'read', b: 'read', y: 'read_write' },
  grid: ({ n }, c) => linear(n, c),
  flops: ({ n }) => 4 * n,
  bytes: ({ n }) => 12 * n,
  twin: ({ lambda }, t) => ({ y: twin.mix(t.a, t.b, lambda) }),
});
