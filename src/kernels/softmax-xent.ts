import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/softmax-xent.ts';
import { linear } from './grids.ts';

/** Cross-entropy of each sample, its largest logit, and the sum of exp(logit - largest). */
export const softmaxXentForward = defineKernel({
  file: 'softmax_xent_forward',
  params: { B: 'u32', C: 'u32' },
  buffers: {
    logits: 'read',
    labels: 'read',
    largest: 'read_write',
    sum: 'read_write',
    loss: 'read_write',
  },
  grid: ({ B }, c) => linear(B, c),
  flops: ({ B, C }) => B * (4 * C + 4),
  bytes: ({ B, C }) => 4 * (B * C + 4 * B),
  twin: (p, t) => twin.softmaxXentForward(t.logits, t.labels, p),
});

/** The gradient of each sample's cross-entropy by its logits. */
export const softmaxXentBackward = defineKernel({
  file: 'softmax_xent_backward',
  params: { B: 'u32', C: 'u32' },
  buffers: { logits: 'read', labels: 'read', largest: 'read', sum: 'read', dLogits: 'read_write' },
  grid: ({ B, C }, c) => linear(B * C, c),
  flops: ({ B, C }) => 6 * B * C,
  bytes: ({ B, C }) => 4 * (2 * B * C + 3 * B),
  // From the logits alone: whatever the forward kernel's rounding does to the gradient is to be seen here.
  twin: (p, t) => ({ dLogits: twin.softmaxXentBackward(t.logits, t.labels, p) }),
});
