import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/batchnorm.ts';
import { columns, linear } from './grids.ts';

/** Mean and 1/sqrt(var + eps) of each feature, and the running statistics. */
export const batchnormStats = defineKernel({
  file: 'batchnorm_stats',
  params: { B: 'u32', F: 'u32', eps: 'f32', momentum: 'f32' },
  buffers: {
    x: 'read',
    mean: 'read_write',
    rstd: 'read_write',
    running_mean: 'read_write',
    running_var: 'read_write',
  },
  grid: ({ F }, c) => columns(F, c),
  flops: ({ B, F }) => 4 * B * F + 12 * F,
  bytes: ({ B, F }) => 4 * (B * F + 6 * F),
  twin: (p, t, { BESSEL }) => {
    const s = twin.batchnormStats(t.x, t.running_mean, t.running_var, { ...p, bessel: BESSEL! });
    return { mean: s.mean, rstd: s.rstd, running_mean: s.runningMean, running_var: s.runningVar };
  },
});

/** {@link batchnormStats} without workgroup memory, for drivers that run on the CPU. */
export const batchnormStatsCpu = defineKernel({
  ...batchnormStats,
  file: 'batchnorm_stats_cpu',
  grid: ({ F }, c) => linear(F, c),
});

/** y = gamma (x - mean) rstd + beta. */
export const batchnormForward = defineKernel({
  file: 'batchnorm_forward',
  params: { B: 'u32', F: 'u32' },
  buffers: { x: 'read', mean: 'read', rstd: 'read', gamma: 'read', beta: 'read', y: 'read_write' },
  grid: ({ B, F }, c) => linear(B * F, c),
  flops: ({ B, F }) => 4 * B * F,
  bytes: ({ B, F }) => 4 * (2 * B * F + 4 * F),
  twin: (p, t) => ({ y: twin.batchnormForward(t.x, t, t, p) }),
});

/** y = gamma (x - running mean) / sqrt(running variance + eps) + beta. */
export const batchnormEval = defineKernel({
  file: 'batchnorm_eval',
  params: { B: 'u32', F: 'u32', eps: 'f32' },
  buffers: {
    x: 'read',
    running_mean: 'read',
    running_var: 'read',
    gamma: 'read',
    beta: 'read',
    y: 'read_write',
  },
  grid: ({ B, F }, c) => linear(B * F, c),
  flops: ({ B, F }) => 7 * B * F,
  bytes: ({ B, F }) => 4 * (2 * B * F + 4 * F),
  twin: (p, t) => ({
    y: twin.batchnormEval(t.x, { mean: t.running_mean, variance: t.running_var }, t, p),
  }),
});

/** The gradients of gamma and beta. */
export const batchnormBackwardSums = defineKernel({
  file: 'batchnorm_backward_sums',
  params: { B: 'u32', F: 'u32' },
  buffers: { x: 'read', mean: 'read', rstd: 'read', dY: 'read', dGamma: 'read_write', dBeta: 'read_write' },
  grid: ({ F }, c) => columns(F, c),
  flops: ({ B, F }) => 5 * B * F,
  bytes: ({ B, F }) => 4 * (2 * B * F + 4 * F),
  twin: (p, t) => twin.batchnormBackwardSums(t.x, t, t.dY, p),
});

/** {@link batchnormBackwardSums} without workgroup memory, for drivers that run on the CPU. */
export const batchnormBackwardSumsCpu = defineKernel({
  ...batchnormBackwardSums,
  file: 'batchnorm_backward_sums_cpu',
  grid: ({ F }, c) => linear(F, c),
});

/** The gradient of batch norm's input. */
export const batchnormBackwardInput = defineKernel({
  file: 'batchnorm_backward_input',
  params: { B: 'u32', F: 'u32' },
  buffers: {
    x: 'read',
    mean: 'read',
    rstd: 'read',
    gamma: 'read',
    dY: 'read',
    dGamma: 'read',
    dBeta: 'read',
    dX: 'read_write',
  },
  grid: ({ B, F }, c) => linear(B * F, c),
  flops: ({ B, F }) => 9 * B * F,
  bytes: ({ B, F }) => 4 * (3 * B * F + 5 * F),
  twin: (p, t) => ({ dX: twin.batchnormBackwardInput(t.x, t, t.gamma, t.dY, t, p) }),
});
