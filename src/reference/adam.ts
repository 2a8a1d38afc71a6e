import { type Bounded, bounded, TINY, U } from './twin.ts';

/** Adam's hyper-parameters. */
export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Whether eps is that of algorithm 1, or is added to sqrt(v) as it is ("epsilon hat"); `exact` by default. */
  readonly form?: 'exact' | 'hat';
}

/**
 * What Adam's bias corrections make of a learning rate at step t (counted from 1), in float64:
 * stepSize = learningRate sqrt(1 - beta2^t) / (1 - beta1^t) and epsHat = eps sqrt(1 - beta2^t), so that
 * stepSize m / (sqrt(v) + epsHat) = learningRate mhat / (sqrt(vhat) + eps). Kingma and Ba 2015, section 2. With eps in the
 * form `hat`, epsHat is eps at every step.
 *
 * The betas are rounded to float32 first, since those are what the device's averages are made with: a correction for
 * another beta would be none (0.999 itself: 6.7e-6 of the first step).
 */
export function adamCorrection(
  learningRate: number,
  t: number,
  { beta1, beta2, eps, form = 'exact' }: AdamOptions,
): { stepSize: number; epsHat: number } {
  const root = Math.sqrt(1 - Math.fround(beta2) ** t);
  const epsHat = form === 'hat' ? eps : eps * root;
  return { stepSize: (learningRate * root) / (1 - Math.fround(beta1) ** t), epsHat };
}

/** One Adam update of a parameter p with moments m and v, from its gradient dP times `scale`; the betas are the float32 nearest. */
export function adam(
  dP: ArrayLike<number>,
  p: ArrayLike<number>,
  m: ArrayLike<number>,
  v: ArrayLike<number>,
  k: { scale: number; beta1: number; beta2: number; stepSize: number; epsHat: number },
): { p: Bounded; m: Bounded; v: Bounded } {
  const n = p.length;
  const [beta1, beta2] = [Math.fround(k.beta1), Math.fround(k.beta2)];
  const out = { p: bounded(n), m: bounded(n), v: bounded(n) };
  for (let i = 0; i < n; i++) {
    const g = k.scale * dP[i]!;
    const kept = beta1 * m[i]!;
    const added = (1 - beta1) * g;
    const newM = kept + added;
    const newV = beta2 * v[i]! + (1 - beta2) * g * g;
    const root = Math.sqrt(newV);
    const update = (k.stepSize * newM) / (root + k.epsHat);
    // The two terms of m may cancel, so its error is by their sizes; v's are both positive.
    const dM = 5 * U * (Math.abs(kept) + Math.abs(added)) + TINY;
    const dV = 6 * U * newV + TINY;
    // sqrt of a number that is off by dV: off by dV / (2 root), and by sqrt(dV) at most.
    const dRoot = Math.min(dV / (2 * root || TINY), Math.sqrt(dV)) + 9 * U * root;
    const below = root + k.epsHat;
    const dUpdate = (Math.abs(k.stepSize) * dM) / below + Math.abs(update) * (dRoot / below + 13 * U);
    out.m.value[i] = newM;
    out.m.bound[i] = dM;
    out.v.value[i] = newV;
    out.v.bound[i] = dV;
    out.p.value[i] = p[i]! - update;
    out.p.bound[i] = dUpdate + U * Math.abs(p[i]! - update) + TINY;
  }
  return out;
}
