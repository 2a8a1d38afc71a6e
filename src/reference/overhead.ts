import { type Bounded, exact } from './twin.ts';

/** The clock `step` further. It is a u32, and wraps. */
export function tick(clock: ArrayLike<number>, step: number): Bounded {
  const value = Float64Array.from(clock);
  value[0] = (value[0]! + step) >>> 0;
  return exact(value);
}

/** What was there before. */
export const empty = (x: ArrayLike<number>): Bounded => exact(Float64Array.from(x));
