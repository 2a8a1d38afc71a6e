import { type Bounded, bounded, TINY, U } from './twin.ts';

/** y = 1 / (1 + exp(-x)). */
export function sigmoidForward(x: ArrayLike<number>): Bounded {
  const { value, bound } = bounded(x.length);
  for (let i = 0; i < value.length; i++) {
    const e = Math.exp(-Math.abs(x[i]!));
    value[i] = (x[i]! < 0 ? e : 1) / (1 + e);
    // WGSL's exp errs by (3 + 2 |x|) ulp, an ulp being at most 2 U; the sum is rounded once, the quotient by 2.5 ulp.
    bound[i] = value[i]! * (2 * U * (3 + 2 * Math.abs(x[i]!)) * (x[i]! < 0 ? 1 : e) + 7 * U) + TINY;
  }
  return { value, bound };
}

/** dX = dY y (1 - y), from the output y. */
export function sigmoidBackward(y: ArrayLike<number>, dY: ArrayLike<number>): Bounded {
  const { value, bound } = bounded(y.length);
  for (let i = 0; i < value.length; i++) {
    value[i] = dY[i]! * y[i]! * (1 - y[i]!);
    // A y too small to be normal may be flushed to zero, and dY scales what that takes away.
    bound[i] = 4 * U * Math.abs(value[i]!) + TINY * (1 + Math.abs(dY[i]!));
  }
  return { value, bound };
}
