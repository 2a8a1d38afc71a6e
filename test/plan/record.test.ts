import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Plan } from '../../src/gpu/plan.ts';
import * as record from '../../src/kernels/record.ts';
import type { Tensor } from '../../src/tensor.ts';
import { useDevice } from '../support/device.ts';

const device = useDevice();
let plan: Plan;
beforeEach(() => {
  plan = new Plan(device.gpu, 'test record');
});
afterEach(() => plan.destroy());

const t = (label: string, ...shape: number[]): Tensor => plan.tensor(label, shape);
const u = (label: string, ...shape: number[]): Tensor => plan.tensor(label, shape, 'u32');

describe('shapes that do not fit are refused, and nothing is recorded', () => {
  const bn = (F: number, G = F) => ({
    gamma: t('gamma', F),
    beta: t('beta', F),
    runningMean: t('runningMean', F),
    runningVar: t('runningVar', G),
  });
  const stats = (F: number) => ({ mean: t('mean', F), rstd: t('rstd', F) });
  const sums = (F: number, G = F) => ({ dGamma: t('dGamma', F), dBeta: t('dBeta', G) });
  const options = { eps: 1e-5, momentum: 0.1 };

  // A message, and a call that must throw it.
  const refused: [string, () => unknown][] = [
    [
      'matmul: inner sizes differ: a is (100, 784), b is (785, 256)',
      () => record.matmulNN(plan, 'z', t('a', 100, 784), t('b', 785, 256)),
    ],
    [
      'matmul (b transposed): inner sizes differ: a is (4, 3), b is (3, 4)',
      () => record.matmulNT(plan, 'z', t('a', 4, 3), t('b', 3, 4)),
    ],
    [
      'matmul (a transposed): inner sizes differ: a is (4, 3), b is (3, 4)',
      () => record.matmulTN(plan, t('a', 4, 3), t('b', 3, 4), t('c', 3, 4)),
    ],
    [
      'matmul (a transposed): the result: dW must have 6 elements, is (2, 4)',
      () => record.matmulTN(plan, t('a', 5, 2), t('b', 5, 3), t('dW', 2, 4)),
    ],
    ['matmul: a must be a matrix, got x (7)', () => record.matmulNN(plan, 'z', t('x', 7), t('b', 7, 1))],
    [
      'matmul: b must be a matrix, got w (2, 2, 2)',
      () => record.matmulNN(plan, 'z', t('x', 2, 2), t('w', 2, 2, 2)),
    ],
    ['bias_add: b must have 4 elements, is (3)', () => record.biasAdd(plan, 'y', t('x', 3, 4), t('b', 3))],
    ['bias_add: x must be a matrix, got x (3)', () => record.biasAdd(plan, 'y', t('x', 3), t('b', 3))],
    ['column_sum: db must have 4 elements, is (3)', () => record.columnSum(plan, t('x', 3, 4), t('db', 3))],
    [
      'batchnorm_stats: runningVar must have 4 elements, is (3)',
      () => record.batchnormStats(plan, 's', t('x', 3, 4), bn(4, 3), options),
    ],
    [
      'batchnorm_forward: mean must have 4 elements, is (3)',
      () => record.batchnormForward(plan, 'y', t('x', 3, 4), stats(3), bn(4)),
    ],
    [
      'batchnorm_eval: gamma must have 4 elements, is (3)',
      () => record.batchnormEval(plan, 'y', t('x', 3, 4), bn(3), 1e-5),
    ],
    [
      'batchnorm_backward: x is (3, 4), dY is (4, 3)',
      () =>
        record.batchnormBackward(plan, 'd', t('x', 3, 4), stats(4), t('gamma', 4), t('dY', 4, 3), sums(4)),
    ],
    [
      'batchnorm_backward: dBeta must have 4 elements, is (3)',
      () =>
        record.batchnormBackward(plan, 'd', t('x', 3, 4), stats(4), t('gamma', 4), t('dY', 3, 4), sums(4, 3)),
    ],
    ['relu_backward: y is (6), dY is (2, 3)', () => record.reluBackward(plan, 'd', t('y', 6), t('dY', 2, 3))],
    [
      'softmax_xent: labels must have 3 elements, is (4)',
      () => record.softmaxXentForward(plan, 'l', t('logits', 3, 4), u('labels', 4)),
    ],
    [
      'softmax_xent_backward: sum must have 3 elements, is (4)',
      () => {
        const softmax = { largest: t('largest', 3), sum: t('sum', 4) };
        record.softmaxXentBackward(plan, 'd', t('logits', 3, 4), u('labels', 3), softmax);
      },
    ],
    [
      'label_rows_add: inner sizes differ: a is (3, 4), b is (10, 5)',
      () => record.labelRowsAdd(plan, 'y', t('x', 3, 4), t('rows', 10, 5), t('bias', 4), u('labels', 3)),
    ],
    [
      'label_rows_add: bias must have 4 elements, is (5)',
      () => record.labelRowsAdd(plan, 'y', t('x', 3, 4), t('rows', 10, 4), t('bias', 5), u('labels', 3)),
    ],
    [
      'label_rows_grad: labels must have 3 elements, is (4)',
      () => record.labelRowsGrad(plan, t('dY', 3, 4), u('labels', 4), t('dRows', 10, 4)),
    ],
    [
      'squared_error_grad: sg is (3, 4), dH is (4, 3)',
      () => record.squaredError(plan, 'd', t('sg', 3, 4), t('dH', 4, 3)),
    ],
  ];

  it.each(refused)('%s', (message, call) => {
    let thrown = 'nothing was thrown';
    try {
      call();
    } catch (error) {
      thrown = (error as Error).message;
    }
    expect(thrown).toBe(message);
    expect(plan.dispatches).toEqual([]);
  });
});

describe('results have the shapes of the mathematics', () => {
  it('products', () => {
    expect(record.matmulNN(plan, 'z', t('x', 5, 7), t('w', 7, 3)).shape).toEqual([5, 3]);
    expect(record.matmulNT(plan, 'dX', t('dZ', 5, 3), t('w', 7, 3)).shape).toEqual([5, 7]);
    record.matmulTN(plan, t('x', 5, 7), t('dZ', 5, 3), t('dW', 7, 3));
    expect(plan.dispatches.map(({ params }) => params)).toEqual([
      { M: 5, K: 7, N: 3 },
      { M: 5, K: 3, N: 7 },
      { M: 7, K: 5, N: 3 },
    ]);
    expect(plan.dispatches.map(({ label }) => label)).toEqual(['z.matmul', 'dX.matmul', 'dW.matmul']);
  });

  it('the rest', () => {
    const x = t('x', 5, 3);
    expect(record.biasAdd(plan, 'y', x, t('bias', 3)).shape).toEqual([5, 3]);
    expect(record.reluForward(plan, 'h', x).shape).toEqual([5, 3]);
    const softmax = record.softmaxXentForward(plan, 'loss', x, u('labels', 5));
    expect([softmax.largest.shape, softmax.sum.shape, softmax.loss.shape]).toEqual([[5], [5], [5]]);
    expect(record.softmaxXentBackward(plan, 'd', x, u('labels', 5), softmax).shape).toEqual([5, 3]);
    expect(record.squaredError(plan, 'dSg', x, t('goal', 5, 3)).shape).toEqual([5, 3]);
  });

  it('the form of a kernel is the one for the device', () => {
    const x = t('x', 5, 3);
    record.matmulNN(plan, 'z', x, t('w', 3, 3));
    record.matmulNT(plan, 'z', x, t('w', 3, 3));
    record.matmulTN(plan, x, x, t('c', 3, 3));
    record.columnSum(plan, x, t('total', 3));
    const forms = ['matmul_nn', 'matmul_nt', 'matmul_tn', 'column_sum'];
    const suffix = device.gpu.info.kind === 'cpu' ? '_cpu' : '';
    expect(plan.dispatches.map(({ kernel }) => kernel.spec.file)).toEqual(forms.map((f) => f + suffix));
  });
});
