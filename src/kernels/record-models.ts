import type { Plan } from '../gpu/plan.ts';
import type { Tensor } from '../tensor.ts';
import { delayLine } from './delay.ts';
import { mix as mixKernel } from './mix.ts';
import { sameShape } from './record.ts';
import * as sigmoid from './sigmoid.ts';

// Like record.ts, for the kernels that only some learning rules need.

/** lambda a + (1 - lambda) b. */
export function mix(plan: Plan, label: string, a: Tensor, b: Tensor, lambda: number): Tensor {
  sameShape('mix', a, b);
  const y = plan.tensor(label, a.shape);
  plan.dispatch(mixKernel, { label: `${label}.mix`, params: { n: a.size, lambda }, tensors: { a, b, y } });
  return y;
}

/** 1 / (1 + exp(-x)). */
export function sigmoidForward(plan: Plan, label: string, x: Tensor): Tensor {
  const y = plan.tensor(label, x.shape);
  plan.dispatch(sigmoid.sigmoidForward, {
    label: `${label}.sigmoid`,
    params: { n: x.size },
    tensors: { x, y },
  });
  return y;
}

/** dY y (1 - y), from the sigmoid's output y. */
export function sigmoidBackward(plan: Plan, label: string, y: Tensor, dY: Tensor): Tensor {
  sameShape('sigmoid_backward', y, dY);
  const dX = plan.tensor(label, y.shape);
  const tensors = { y, dY, dX };
  plan.dispatch(sigmoid.sigmoidBackward, {
    label: `${label}.sigmoid_backward`,
    params: { n: y.size },
    tensors,
  });
  return dX;
}

/**
 * What `x` was `delay` steps ago, by a clock that counts steps; zero for the first `delay` steps. It runs in every
 * step, and so does all that makes `x`: what is needed of it is known only `delay` steps later.
 */
export function delayed(plan: Plan, label: string, x: Tensor, clock: Tensor, delay: number): Tensor {
  const ring = plan.tensor(`${label}.ring`, [delay + 1, x.size]);
  const y = plan.tensor(label, x.shape);
  const tensors = { x, clock, ring, y };
  const params = { n: x.size, delay };
  plan.dispatch(delayLine, { label: `${label}.delay_line`, params, tensors, role: 'always' });
  return y;
}
