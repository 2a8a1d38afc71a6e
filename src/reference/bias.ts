import { type Bounded, bounded, gamma, TINY, U } from './twin.ts';

/** Rows and features of an activation matrix. */
export interface MatrixShape {
  readonly B: number;
  readonly F: number;
}

/** y[b, f] = x[b, f] + bias[f]. One rounding. */
export function biasAdd(x: ArrayLike<number>, bias: ArrayLike<number>, { B, F }: MatrixShape): Bounded {
  const { value, bound } = bounded(B * F);
  for (let i = 0; i < B * F; i++) {
    value[i] = x[i]! + bias[i % F]!;
    bound[i] = U * Math.abs(value[i]!) + TINY;
  }
  return { value, bound };
}

/** total[f] = sum_b x[b, f], the gradient of a bias. Bound: gamma(B) sum_b |x[b, f]|. */
export function columnSum(x: ArrayLike<number>, { B, F }: MatrixShape): Bounded {
  const { value, bound } = bounded(F);
  for (let i = 0; i < B * F; i++) {
    value[i % F]! += x[i]!;
    bound[i % F]! += Math.abs(x[i]!);
  }
  for (let f = 0; f < F; f++) bound[f] = gamma(B) * bound[f]! + B * TINY;
  return { value, bound };
}
