import { type Bounded, exact } from './twin.ts';

/** Writes x into the ring's slot of this step; y is the oldest slot, what was written `delay` steps ago. Exact. */
export function delayLine(
  x: ArrayLike<number>,
  clock: number,
  ring: ArrayLike<number>,
  { n, delay }: { n: number; delay: number },
): { ring: Bounded; y: Bounded } {
  const slots = delay + 1;
  const after = Float64Array.from(ring);
  after.set(Float64Array.from(x), (clock % slots) * n);
  const oldest = ((clock + 1) % slots) * n;
  return { ring: exact(after), y: exact(after.slice(oldest, oldest + n)) };
}
