import { type Bounded, exact } from './twin.ts';

/** y = max(x, 0); a NaN passes. Exact. */
export function reluForward(x: ArrayLike<number>): Bounded {
  return exact(Float64Array.from({ length: x.length }, (_, i) => Math.max(x[i]!, 0)));
}

/** dX = dY where the output y was positive, else 0. Exact. */
export function reluBackward(y: ArrayLike<number>, dY: ArrayLike<number>): Bounded {
  return exact(Float64Array.from({ length: y.length }, (_, i) => (y[i]! > 0 ? dY[i]! : 0)));
}
