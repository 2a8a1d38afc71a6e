import { type Bounded, bounded, TINY, U } from './twin.ts';

/** p - stepSize (scale dP). */
export function sgd(
  dP: ArrayLike<number>,
  p: ArrayLike<number>,
  { scale, stepSize }: { scale: number; stepSize: number },
): Bounded {
  const out = bounded(p.length);
  for (let i = 0; i < p.length; i++) {
    const update = stepSize * scale * dP[i]!;
    out.value[i] = p[i]! - update;
    // Flushed to zero may be: scale dP or the update made of it, and the result.
    const flushed = (Math.max(1, Math.abs(stepSize)) + 1) * TINY;
    out.bound[i] = 2 * U * Math.abs(update) + U * Math.abs(out.value[i]!) + flushed;
  }
  return out;
}

/** v' = mu v + scale dP and p' = p - stepSize v'. */
export function momentum(
  dP: ArrayLike<number>,
  p: ArrayLike<number>,
  v: ArrayLike<number>,
  { scale, mu, stepSize }: { scale: number; mu: number; stepSize: number },
): { p: Bounded; v: Bounded } {
  const out = { p: bounded(p.length), v: bounded(p.length) };
  for (let i = 0; i < p.length; i++) {
    const kept = mu * v[i]!;
    const added = scale * dP[i]!;
    const velocity = kept + added;
    // The two terms may cancel, so the error is by their sizes; both may be flushed to zero.
    const dVelocity = 2 * U * (Math.abs(kept) + Math.abs(added)) + 2 * TINY;
    const update = stepSize * velocity;
    out.v.value[i] = velocity;
    out.v.bound[i] = dVelocity;
    out.p.value[i] = p[i]! - update;
    out.p.bound[i] =
      Math.abs(stepSize) * dVelocity + 2 * U * Math.abs(update) + U * Math.abs(out.p.value[i]!) + 2 * TINY;
  }
  return out;
}
