import { type Bounded, bounded, exact, TINY, U } from './twin.ts';

/** y = lambda a + (1 - lambda) b; at lambda 0 and 1 a copy. */
export function mix(a: ArrayLike<number>, b: ArrayLike<number>, lambda: number): Bounded {
  if (lambda === 0 || lambda === 1) return exact(Float64Array.from(lambda === 1 ? a : b));
  const { value, bound } = bounded(a.length);
  // 1 - lambda is rounded once on the device.
  const rest = 1 - lambda;
  for (let i = 0; i < value.length; i++) {
    value[i] = lambda * a[i]! + rest * b[i]!;
    // Both products may be flushed to zero.
    bound[i] = 3 * U * (Math.abs(lambda * a[i]!) + Math.abs(rest * b[i]!)) + 2 * TINY;
  }
  return { value, bound };
}
