import type { MatrixShape } from './bias.ts';
import { type Bounded, bounded, gamma, TINY, U } from './twin.ts';

/** y[b, f] = x[b, f] + rows[label[b], f] + bias[f]: a product with one-hot labels, and a bias, without the product. */
export function labelRowsAdd(
  x: ArrayLike<number>,
  rows: ArrayLike<number>,
  bias: ArrayLike<number>,
  labels: ArrayLike<number>,
  { B, F }: MatrixShape,
): Bounded {
  const { value, bound } = bounded(B * F);
  for (let i = 0; i < B * F; i++) {
    const f = i % F;
    const row = rows[labels[Math.floor(i / F)]! * F + f]!;
    value[i] = x[i]! + row + bias[f]!;
    bound[i] = 2 * U * (Math.abs(x[i]!) + Math.abs(row) + Math.abs(bias[f]!)) + TINY;
  }
  return { value, bound };
}

/** dRows[c, f] = sum of dY[b, f] over the samples with label c. */
export function labelRowsGrad(
  dY: ArrayLike<number>,
  labels: ArrayLike<number>,
  { B, F, C }: MatrixShape & { C: number },
): Bounded {
  const { value, bound } = bounded(C * F);
  for (let i = 0; i < B * F; i++) {
    const target = labels[Math.floor(i / F)]! * F + (i % F);
    value[target]! += dY[i]!;
    bound[target]! += Math.abs(dY[i]!);
  }
  for (let i = 0; i < C * F; i++) bound[i] = gamma(B) * bound[i]! + B * TINY;
  return { value, bound };
}
