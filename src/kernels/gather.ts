import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/gather.ts';
import { linear } from './grids.ts';

/** A batch from a data set of bytes, scaled to floats. */
export const gatherBytes = defineKernel({
  file: 'gather_bytes',
  params: { B: 'u32', I: 'u32', words: 'u32', scale: 'f32' },
  buffers: { bytes: 'read', rows: 'read', step: 'read', x: 'read_write' },
  grid: ({ B, words }, c) => linear(B * words, c),
  flops: ({ B, I }) => B * I,
  bytes: ({ B, I, words }) => 4 * B * (words + 1 + I),
  twin: (p, t) => ({ x: twin.gatherBytes(t.bytes, t.rows, t.step[0]!, p) }),
});

/** A batch from a data set of floats. */
export const gatherFloats = defineKernel({
  file: 'gather_floats',
  params: { B: 'u32', I: 'u32', scale: 'f32' },
  buffers: { values: 'read', rows: 'read', step: 'read', x: 'read_write' },
  grid: ({ B, I }, c) => linear(B * I, c),
  flops: ({ B, I }) => B * I,
  bytes: ({ B, I }) => 4 * B * (2 * I + 1),
  twin: (p, t) => ({ x: twin.gatherFloats(t.values, t.rows, t.step[0]!, p) }),
});

/** A batch's labels. */
export const gatherLabels = defineKernel({
  file: 'gather_labels',
  params: { B: 'u32' },
  buffers: { labels: 'read', rows: 'read', step: 'read', y: 'read_write' },
  grid: ({ B }, c) => linear(B, c),
  flops: () => 0,
  bytes: ({ B }) => 12 * B,
  twin: (p, t) => ({ y: twin.gatherLabels(t.labels, t.rows, t.step[0]!, p) }),
});
