import { expect } from 'vitest';
import type { Random } from '../../src/data/random.ts';

/** Seeded standard normal numbers in float64. */
export const normals64 = (random: Random, n: number): Float64Array =>
  Float64Array.from({ length: n }, () => random.normal());

/** Inner product: what turns a tensor into a scalar, with the upstream gradient as the other factor. */
export const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

/** The step of the differences: about the cube root of 3 * 2^-53, where h^2 and eps / h are balanced. */
export const H = 2 ** -17;

/**
 * Compares a gradient with central differences, element by element. They err by h^2 / 6 times the third derivative,
 * and by the rounding of the two values they subtract: `terms` roundings (in float64) of numbers that add up to `size`.
 */
export function expectGradient(
  what: string,
  analytic: ArrayLike<number>,
  at: Float64Array,
  loss: (x: Float64Array) => number,
  error: { readonly thirdDerivative: number; readonly terms: number; readonly size: number },
): void {
  expect(analytic.length, what).toBe(at.length);
  const bound = (error.thirdDerivative * H ** 2) / 6 + (error.terms * 2 ** -53 * error.size) / H;
  let worst = -1;
  let index = 0;
  for (let i = 0; i < at.length; i++) {
    const [up, down] = [at.slice(), at.slice()];
    up[i]! += H;
    down[i]! -= H;
    // Not 2 h: x + h and x - h are rounded too.
    const slope = (loss(up) - loss(down)) / (up[i]! - down[i]!);
    const off = Math.abs(slope - analytic[i]!);
    if (!(off <= worst)) {
      worst = off;
      index = i;
      // The worst there is: nothing compares with it.
      if (Number.isNaN(off)) break;
    }
  }
  expect(worst, `${what}: [${index}] is ${analytic[index]}`).toBeLessThanOrEqual(bound);
  // A gradient of zeros against a bound that swallows everything would be no test.
  expect(bound, `${what}: the bound is not small`).toBeLessThan(1e-6 * Math.max(1, error.size));
}
