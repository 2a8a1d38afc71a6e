import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/metrics.ts';

/** The batch's mean loss, into this step's row. */
export const lossMean = defineKernel({
  file: 'loss_mean',
  params: { B: 'u32' },
  buffers: { loss: 'read', step: 'read', losses: 'read_write' },
  grid: () => [1, 1],
  flops: ({ B }) => B,
  bytes: ({ B }) => 4 * (B + 2),
  twin: (_, t) => ({ losses: twin.lossMean(t.loss, t.step[0]!, t.losses) }),
});

/** How many samples of the batch are classified correctly, into this step's row. */
export const correctCount = defineKernel({
  file: 'correct_count',
  params: { B: 'u32', C: 'u32' },
  buffers: { logits: 'read', labels: 'read', step: 'read', correct: 'read_write' },
  grid: () => [1, 1],
  flops: ({ B, C }) => B * C,
  bytes: ({ B, C }) => 4 * (B * C + B + 2),
  twin: (p, t) => ({ correct: twin.correctCount(t.logits, t.labels, t.step[0]!, t.correct, p) }),
});

/** Raises a flag when a tensor holds an infinity or a NaN. */
export const finiteFlag = defineKernel({
  file: 'finite_flag',
  params: { n: 'u32' },
  buffers: { x: 'read', flag: 'read_write' },
  grid: () => [1, 1],
  flops: ({ n }) => n,
  bytes: ({ n }) => 4 * (n + 1),
  twin: (_, t) => ({ flag: twin.finiteFlag(t.x, t.flag[0]!) }),
});

/** Moves the counter on the GPU to the next row of the step table. */
export const stepAdvance = defineKernel({
  file: 'step_advance',
  params: {},
  buffers: { flag: 'read', step: 'read_write' },
  grid: () => [1, 1],
  flops: () => 1,
  bytes: () => 12,
  twin: (_, t) => ({ step: twin.stepAdvance(t.flag[0]!, t.step[0]!) }),
});
