import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/label-rows.ts';
import { linear } from './grids.ts';

/** The label term and the bias of a conditioned predictor. */
export const labelRowsAdd = defineKernel({
  file: 'label_rows_add',
  params: { B: 'u32', F: 'u32' },
  buffers: { x: 'read', rows: 'read', bias: 'read', labels: 'read', y: 'read_write' },
  grid: ({ B, F }, c) => linear(B * F, c),
  flops: ({ B, F }) => 2 * B * F,
  bytes: ({ B, F }) => 4 * (3 * B * F + F + B),
  twin: (p, t) => ({ y: twin.labelRowsAdd(t.x, t.rows, t.bias, t.labels, p) }),
});

/** The gradient of the label rows: each label's share of the column sums. */
export const labelRowsGrad = defineKernel({
  file: 'label_rows_grad',
  params: { B: 'u32', F: 'u32', C: 'u32' },
  buffers: { dY: 'read', labels: 'read', dRows: 'read_write' },
  grid: ({ F, C }, c) => linear(C * F, c),
  flops: ({ B, F }) => B * F,
  bytes: ({ B, F, C }) => 4 * (B * F + B + C * F),
  twin: (p, t) => ({ dRows: twin.labelRowsGrad(t.dY, t.labels, p) }),
});
