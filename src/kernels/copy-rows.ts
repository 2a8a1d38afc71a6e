import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/copy-rows.ts';
import { linear } from './grids.ts';

/** Copies a matrix between places where its rows lie closer together or further apart. */
export const copyRows = defineKernel({
  file: 'copy_rows',
  params: { rows: 'u32', columns: 'u32', at: 'u32', stride: 'u32', at_y: 'u32', stride_y: 'u32' },
  buffers: { x: 'read', y: 'read_write' },
  grid: ({ rows, columns }, c) => linear(rows * columns, c),
  flops: () => 0,
  bytes: ({ rows, columns }) => 8 * rows * columns,
  twin: (p, t) => ({ y: twin.copyRows(t.x, t.y, p) }),
});
