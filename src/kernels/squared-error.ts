import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/squared-error.ts';
import { linear } from './grids.ts';

/** 2 (prediction - goal), the gradient of a sample's squared error. */
export const squaredErrorGrad = defineKernel({
  file: 'squared_error_grad',
  params: { n: 'u32' },
  buffers: { prediction: 'read', goal: 'read', dPrediction: 'read_write' },
  grid: ({ n }, c) => linear(n, c),
  flops: ({ n }) => 2 * n,
  bytes: ({ n }) => 12 * n,
  twin: (_, t) => ({ dPrediction: twin.squaredErrorGrad(t.prediction, t.goal) }),
});
