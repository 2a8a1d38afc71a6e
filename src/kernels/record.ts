import type { Plan } from '../gpu/plan.ts';
import { showShape, type Tensor } from '../tensor.ts';
import * as batchnorm from './batchnorm.ts';
import * as bias from './bias.ts';
import * as labelRows from './label-rows.ts';
import * as matmul from './matmul.ts';
import * as relu from './relu.ts';
import * as softmaxXent from './softmax-xent.ts';
import { squaredErrorGrad } from './squared-error.ts';

// Each function records one kernel on tensors: it checks their shapes, derives the params from them, chooses the
// form of the kernel that suits the device, makes the result (a tensor of the plan's) and returns it.

/** Rows and columns of a matrix. */
function matrix(tensor: Tensor, what: string): readonly [number, number] {
  const [rows, columns] = tensor.shape;
  if (tensor.shape.length !== 2)
    throw new Error(`${what} must be a matrix, got ${tensor.label} ${showShape(tensor.shape)}`);
  return [rows!, columns!];
}

/** Checks that two tensors have the same shape. */
export function sameShape(what: string, a: Tensor, b: Tensor): void {
  if (a.shape.join() !== b.shape.join()) {
    throw new Error(`${what}: ${a.label} is ${showShape(a.shape)}, ${b.label} is ${showShape(b.shape)}`);
  }
}

/** Checks that a vector has one element for each feature (or sample, or class). */
function vector(what: string, tensor: Tensor, length: number): void {
  if (tensor.size !== length) {
    throw new Error(`${what}: ${tensor.label} must have ${length} elements, is ${showShape(tensor.shape)}`);
  }
}

/** Checks that there is a label, an integer, for each sample. */
function labelsFor(what: string, labels: Tensor, B: number): void {
  vector(what, labels, B);
  if (labels.dtype !== 'u32') throw new Error(`${what}: ${labels.label} must be u32, is ${labels.dtype}`);
}

function inner(what: string, a: Tensor, b: Tensor, left: number, right: number): void {
  if (left !== right) {
    throw new Error(`${what}: inner sizes differ: a is ${showShape(a.shape)}, b is ${showShape(b.shape)}`);
  }
}

/** a b, for a (M, K) and b (K, N). */
export function matmulNN(plan: Plan, label: string, a: Tensor, b: Tensor): Tensor {
  const [M, K] = matrix(a, 'matmul: a');
  const [K2, N] = matrix(b, 'matmul: b');
  inner('matmul', a, b, K, K2);
  const c = plan.tensor(label, [M, N]);
  const spec = plan.gpu.isCpu ? matmul.matmulNNCpu : matmul.matmulNN;
  plan.dispatch(spec, { label: `${label}.matmul`, params: { M, K, N }, tensors: { a, b, c } });
  return c;
}

/** a b^T, for a (M, K) and b (N, K). */
export function matmulNT(plan: Plan, label: string, a: Tensor, b: Tensor): Tensor {
  const [M, K] = matrix(a, 'matmul: a');
  const [N, K2] = matrix(b, 'matmul: b');
  inner('matmul (b transposed)', a, b, K, K2);
  const c = plan.tensor(label, [M, N]);
  const spec = plan.gpu.isCpu ? matmul.matmulNTCpu : matmul.matmulNT;
  plan.dispatch(spec, { label: `${label}.matmul`, params: { M, K, N }, tensors: { a, b, c } });
  return c;
}

/** c = a^T b, for a (K, M) and b (K, N), into a tensor that is there. */
export function matmulTN(plan: Plan, a: Tensor, b: Tensor, c: Tensor): void {
  const [K, M] = matrix(a, 'matmul: a');
  const [K2, N] = matrix(b, 'matmul: b');
  inner('matmul (a transposed)', a, b, K, K2);
  vector('matmul (a transposed): the result', c, M * N);
  const spec = plan.gpu.isCpu ? matmul.matmulTNCpu : matmul.matmulTN;
  plan.dispatch(spec, { label: `${c.label}.matmul`, params: { M, K, N }, tensors: { a, b, c } });
}

/** x + bias, for x (B, F) and bias (F). */
export function biasAdd(plan: Plan, label: string, x: Tensor, biasOf: Tensor): Tensor {
  const [B, F] = matrix(x, 'bias_add: x');
  vector('bias_add', biasOf, F);
  const y = plan.tensor(label, [B, F]);
  plan.dispatch(bias.biasAdd, {
    label: `${label}.bias_add`,
    params: { B, F },
    tensors: { x, bias: biasOf, y },
  });
  return y;
}

/** total = the sum of each column of x (B, F). */
export function columnSum(plan: Plan, x: Tensor, total: Tensor): void {
  const [B, F] = matrix(x, 'column_sum: x');
  vector('column_sum', total, F);
  const spec = plan.gpu.isCpu ? bias.columnSumCpu : bias.columnSum;
  plan.dispatch(spec, { label: `${total.label}.column_sum`, params: { B, F }, tensors: { x, total } });
}

/** Batch norm's parameters and running statistics, (F) each. */
export interface BatchnormTensors {
  readonly gamma: Tensor;
  readonly beta: Tensor;
  readonly runningMean: Tensor;
  readonly runningVar: Tensor;
}

/** The statistics of a batch, (F) each. */
export interface StatsTensors {
  readonly mean: Tensor;
  readonly rstd: Tensor;
}

/** Mean and 1/sqrt(var + eps) of each column of x (B, F); the running statistics move towards them. */
export function batchnormStats(
  plan: Plan,
  label: string,
  x: Tensor,
  bn: BatchnormTensors,
  {
    eps,
    momentum,
    variance = 'unbiased',
  }: { eps: number; momentum: number; variance?: 'unbiased' | 'biased' },
): StatsTensors {
  const [B, F] = matrix(x, 'batchnorm_stats: x');
  for (const t of [bn.runningMean, bn.runningVar]) vector('batchnorm_stats', t, F);
  const stats = { mean: plan.tensor(`${label}.mean`, [F]), rstd: plan.tensor(`${label}.rstd`, [F]) };
  plan.dispatch(plan.gpu.isCpu ? batchnorm.batchnormStatsCpu : batchnorm.batchnormStats, {
    label: `${label}.batchnorm_stats`,
    params: { B, F, eps, momentum },
    ...(variance === 'biased' && { constants: { BESSEL: 0 } }),
    tensors: { x, ...stats, running_mean: bn.runningMean, running_var: bn.runningVar },
  });
  return stats;
}

/** gamma (x - mean) rstd + beta. */
export function batchnormForward(
  plan: Plan,
  label: string,
  x: Tensor,
  stats: StatsTensors,
  { gamma, beta }: BatchnormTensors,
): Tensor {
  const [B, F] = matrix(x, 'batchnorm_forward: x');
  for (const t of [stats.mean, stats.rstd, gamma, beta]) vector('batchnorm_forward', t, F);
  const y = plan.tensor(label, [B, F]);
  const tensors = { x, mean: stats.mean, rstd: stats.rstd, gamma, beta, y };
  plan.dispatch(batchnorm.batchnormForward, {
    label: `${label}.batchnorm_forward`,
    params: { B, F },
    tensors,
  });
  return y;
}

/** gamma (x - running mean) / sqrt(running variance + eps) + beta. */
export function batchnormEval(
  plan: Plan,
  label: string,
  x: Tensor,
  bn: BatchnormTensors,
  eps: number,
): Tensor {
  const [B, F] = matrix(x, 'batchnorm_eval: x');
  const { gamma, beta, runningMean, runningVar } = bn;
  for (const t of [gamma, beta, runningMean, runningVar]) vector('batchnorm_eval', t, F);
  const y = plan.tensor(label, [B, F]);
  const tensors = { x, running_mean: runningMean, running_var: runningVar, gamma, beta, y };
  plan.dispatch(batchnorm.batchnormEval, {
    label: `${label}.batchnorm_eval`,
    params: { B, F, eps },
    tensors,
  });
  return y;
}

/**
 * dGamma and dBeta into tensors that are there, and the gradient of batch norm's input x (B, F) as the result. What of it
 * goes by way of mean and rstd is made of `through`: of the sums, or of zeros where they do not depend on x.
 */
export function batchnormBackward(
  plan: Plan,
  label: string,
  x: Tensor,
  stats: StatsTensors,
  gamma: Tensor,
  dY: Tensor,
  sums: { readonly dGamma: Tensor; readonly dBeta: Tensor },
  through = sums,
): Tensor {
  const [B, F] = matrix(x, 'batchnorm_backward: x');
  sameShape('batchnorm_backward', x, dY);
  for (const t of [stats.mean, stats.rstd, gamma, sums.dGamma, sums.dBeta])
    vector('batchnorm_backward', t, F);
  const { mean, rstd } = stats;
  const sumsSpec = plan.gpu.isCpu ? batchnorm.batchnormBackwardSumsCpu : batchnorm.batchnormBackwardSums;
  const sumsLabel = `${label}.batchnorm_backward_sums`;
  plan.dispatch(sumsSpec, { label: sumsLabel, params: { B, F }, tensors: { x, mean, rstd, dY, ...sums } });
  const dX = plan.tensor(label, [B, F]);
  const tensors = { x, mean, rstd, gamma, dY, ...through, dX };
  const inputLabel = `${label}.batchnorm_backward_input`;
  plan.dispatch(batchnorm.batchnormBackwardInput, { label: inputLabel, params: { B, F }, tensors });
  return dX;
}

/** max(x, 0). */
export function reluForward(plan: Plan, label: string, x: Tensor): Tensor {
  const y = plan.tensor(label, x.shape);
  plan.dispatch(relu.reluForward, { label: `${label}.relu`, params: { n: x.size }, tensors: { x, y } });
  return y;
}

/** dY where ReLU's output y was positive, else 0. */
export function reluBackward(plan: Plan, label: string, y: Tensor, dY: Tensor): Tensor {
  sameShape('relu_backward', y, dY);
  const dX = plan.tensor(label, y.shape);
  plan.dispatch(relu.reluBackward, {
    label: `${label}.relu_backward`,
    params: { n: y.size },
    tensors: { y, dY, dX },
  });
  return dX;
}

/** What a softmax is made with: each sample's largest logit, and the sum of exp(logit - largest), both (B). */
export interface SoftmaxTensors {
  readonly largest: Tensor;
  readonly sum: Tensor;
}

/** Each sample's cross-entropy, and what its softmax is made with, for logits (B, C) and labels (B). */
export function softmaxXentForward(
  plan: Plan,
  label: string,
  logits: Tensor,
  labels: Tensor,
): SoftmaxTensors & { loss: Tensor } {
  const [B, C] = matrix(logits, 'softmax_xent: logits');
  labelsFor('softmax_xent', labels, B);
  const of = (name: string) => plan.tensor(`${label}.${name}`, [B]);
  const out = { largest: of('largest'), sum: of('sum'), loss: of('loss') };
  const tensors = { logits, labels, ...out };
  plan.dispatch(softmaxXent.softmaxXentForward, {
    label: `${label}.softmax_xent`,
    params: { B, C },
    tensors,
  });
  return out;
}

/** softmax(logits) - onehot(labels), the label's own as minus the sum of the others. */
export function softmaxXentBackward(
  plan: Plan,
  label: string,
  logits: Tensor,
  labels: Tensor,
  { largest, sum }: SoftmaxTensors,
): Tensor {
  const [B, C] = matrix(logits, 'softmax_xent_backward: logits');
  labelsFor('softmax_xent_backward', labels, B);
  for (const x of [largest, sum]) vector('softmax_xent_backward', x, B);
  const dLogits = plan.tensor(label, [B, C]);
  const tensors = { logits, labels, largest, sum, dLogits };
  const name = `${label}.softmax_xent_backward`;
  plan.dispatch(softmaxXent.softmaxXentBackward, { label: name, params: { B, C }, tensors });
  return dLogits;
}

/** x + rows[labels] + bias, for x (B, F), rows (C, F), bias (F) and labels (B). */
export function labelRowsAdd(
  plan: Plan,
  label: string,
  x: Tensor,
  rows: Tensor,
  biasOf: Tensor,
  labels: Tensor,
): Tensor {
  const [B, F] = matrix(x, 'label_rows_add: x');
  const [, F2] = matrix(rows, 'label_rows_add: rows');
  inner('label_rows_add', x, rows, F, F2);
  vector('label_rows_add', biasOf, F);
  labelsFor('label_rows_add', labels, B);
  const y = plan.tensor(label, [B, F]);
  const tensors = { x, rows, bias: biasOf, labels, y };
  plan.dispatch(labelRows.labelRowsAdd, { label: `${label}.label_rows_add`, params: { B, F }, tensors });
  return y;
}

/** dRows[c] = the sum of the rows of dY whose label is c. */
export function labelRowsGrad(plan: Plan, dY: Tensor, labels: Tensor, dRows: Tensor): void {
  const [B, F] = matrix(dY, 'label_rows_grad: dY');
  const [C, F2] = matrix(dRows, 'label_rows_grad: dRows');
  inner('label_rows_grad', dY, dRows, F, F2);
  labelsFor('label_rows_grad', labels, B);
  const label = `${dRows.label}.label_rows_grad`;
  plan.dispatch(labelRows.labelRowsGrad, { label, params: { B, F, C }, tensors: { dY, labels, dRows } });
}

/** 2 (prediction - goal). */
export function squaredError(plan: Plan, label: string, prediction: Tensor, goal: Tensor): Tensor {
  sameShape('squared_error_grad', prediction, goal);
  const dPrediction = plan.tensor(label, prediction.shape);
  const tensors = { prediction, goal, dPrediction };
  plan.dispatch(squaredErrorGrad, {
    label: `${label}.squared_error_grad`,
    params: { n: prediction.size },
    tensors,
  });
  return dPrediction;
}
