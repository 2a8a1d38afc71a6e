import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/delay.ts';
import { linear } from './grids.ts';

/** Gives back what it was given `delay` steps ago. */
export const delayLine = defineKernel({
  file: 'delay_line',
  params: { n: 'u32', delay: 'u32' },
  buffers: { x: 'read', clock: 'read', ring: 'read_write', y: 'read_write' },
  grid: ({ n }, c) => linear(n, c),
  flops: () => 0,
  bytes: ({ n }) => 16 * n,
  twin: (p, t) => twin.delayLine(t.x, t.clock[0]!, t.ring, p),
});
