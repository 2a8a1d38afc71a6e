import type { Batch } from '../data/resident.ts';
import type { Plan } from '../gpu/plan.ts';
import { correctCount, finiteFlag, lossMean, stepAdvance } from '../kernels/metrics.ts';
import * as record from '../kernels/record.ts';
import type { Tensor } from '../tensor.ts';

/** The label of the dispatch that measures a step's loss. */
export const LOSS_LABEL = 'loss.loss_mean';

/** Where a step's loss and correct count go. */
export interface MetricRows {
  readonly step: Tensor;
  readonly flag: Tensor;
  readonly losses: Tensor;
  readonly correct: Tensor;
}

/** What the loss leaves for its gradient. */
export interface LossState {
  readonly logits: Tensor;
  readonly labels: Tensor;
  readonly softmax: record.SoftmaxTensors;
}

/**
 * Records softmax and cross-entropy of a batch's logits (B, C), the mean loss and the correct count into this step's
 * row, and the flag that goes up when a loss is not finite.
 */
export function recordLoss(plan: Plan, logits: Tensor, { labels }: Batch, metrics: MetricRows): LossState {
  const [B, C] = logits.shape as [number, number];
  const { step, losses, correct } = metrics;
  const { loss, ...softmax } = record.softmaxXentForward(plan, 'loss', logits, labels);
  plan.dispatch(lossMean, {
    label: LOSS_LABEL,
    params: { B },
    tensors: { loss, step, losses },
    role: 'observe',
  });
  const count = { logits, labels, step, correct };
  plan.dispatch(correctCount, {
    label: 'loss.correct_count',
    params: { B, C },
    tensors: count,
    role: 'observe',
  });
  recordFinite(plan, loss, metrics);
  return { logits, labels, softmax };
}

/** Records the raising of the flag if `x` holds an infinity or a NaN; updates recorded after it then do nothing. */
export function recordFinite(plan: Plan, x: Tensor, { flag }: MetricRows): void {
  const label = `${x.label}.finite_flag`;
  plan.dispatch(finiteFlag, { label, params: { n: x.size }, tensors: { x, flag }, role: 'observe' });
}

/** Records dLogits (B, C) = softmax - onehot, the gradient of each sample's own loss. */
export function recordLossGradient(plan: Plan, { logits, labels, softmax }: LossState): Tensor {
  return record.softmaxXentBackward(plan, 'loss.dLogits', logits, labels, softmax);
}

/** Records the end of a step: the counter on the GPU moves to the next row of the step table. */
export function recordAdvance(plan: Plan, { step, flag }: MetricRows): void {
  plan.dispatch(stepAdvance, { label: 'step.advance', params: {}, tensors: { flag, step }, role: 'always' });
}
