import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/peaks.ts';
import { linear } from './grids.ts';

/** STEPS of the shader as it lies on disk. */
const STEPS = 512;

/** Chains of multiply-adds with no memory in between: what the device computes at most. */
export const peakFma = defineKernel({
  file: 'peak_fma',
  params: { n: 'u32', a: 'f32', b: 'f32' },
  buffers: { y: 'read_write' },
  grid: ({ n }, c) => linear(n, c),
  flops: ({ n }) => n * (2 * twin.CHAINS * STEPS + twin.CHAINS - 1),
  bytes: ({ n }) => 4 * n,
  twin: (p, _, { STEPS }) => ({ y: twin.peakFma({ ...p, steps: STEPS! }) }),
});

/** y = x: what the device moves at most. */
export const peakCopy = defineKernel({
  file: 'peak_copy',
  params: { n: 'u32' },
  buffers: { x: 'read', y: 'read_write' },
  grid: ({ n }, c) => {
    if (n % 4 !== 0) throw new Error(`peak_copy: n must be a multiple of 4, got ${n}`);
    return linear(n / 4, c);
  },
  flops: () => 0,
  bytes: ({ n }) => 8 * n,
  twin: (_, t) => ({ y: twin.peakCopy(t.x) }),
});
