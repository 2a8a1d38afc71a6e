import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/overhead.ts';

/** Adds STEP to a counter: the smallest kernel whose runs can be counted. */
export const tick = defineKernel({
  file: 'tick',
  params: {},
  buffers: { clock: 'read_write' },
  grid: () => [1, 1],
  flops: () => 1,
  bytes: () => 8,
  twin: (_, t, { STEP }) => ({ clock: twin.tick(t.clock, STEP!) }),
});

/** Does nothing, with a buffer that it might write. */
export const empty = defineKernel({
  file: 'empty',
  params: {},
  buffers: { x: 'read_write' },
  grid: () => [1, 1],
  flops: () => 0,
  bytes: () => 4,
  twin: (_, t) => ({ x: twin.empty(t.x) }),
});
