/**
 * The learning rate at a step counted from 0: divided by 10 at each of `drops`, so that steps 0 to drop - 1 run at
 * the rate before it.
 */
export function learningRateAt(step: number, base: number, drops: readonly number[]): number {
  // A division, not a product with 0.1, so that 3e-5 becomes exactly the number nearest to 3e-6.
  return base / 10 ** drops.filter((drop) => step >= drop).length;
}
