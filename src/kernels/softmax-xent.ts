import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/softmax-xent.ts';
import { linear } from './grids.ts';

/** Log-sum-exp and cross-entropy of each sample. */
export const softmaxXentForward = defineKernel({
  file: 'softmax_xent_forward',
  params: { B: 'u32', C: 'u32' },
  buffers: { logits: 'read', labels: 'read', lse: 'read_write', loss: 'read_write' },
  grid: ({ B }, c) => linear(B, c),
  flops: ({ B, C }) => B * (4 * C + 3),
  bytes: ({ B, C }) => 4 * (B * C + 3 * B),
  twin: (p, t) => twin.softmaxXentForward(t.logits, t.labels, p),
});

/** The gradient of each sample's cross-entropy by its logits. */
export const softmaxXentBackward = defineKernel({
  file: 'softmax_xent_backward',
  params: { B: 'u32', C: 'u32' },
  buffers: { logits: 'read', labels: 'read', lse: 'read', dLogits: 'read_write' },
  grid: ({ B, C }, c) => linear(B * C, c),
  flops: ({ B, C }) => 3 * B * C,
  bytes: ({ B, C }) => 4 * (2 * B * C + 2 * B),
  twin: (p, t) => ({ dLogits: twin.softmaxXentBackward(t.logits, t.labels, t.lse, p) }),
});
