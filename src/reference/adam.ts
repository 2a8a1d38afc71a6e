import { type Bounded, bounded, TINY, U } from './twin.ts';

/** Adam's hyper-parameters. */
export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
}

/**
 * What Adam's bias corrections make of a learning rate at step t (counted from 1), in float64:
 * stepSize = learningRate sqrt(1 - beta2^t) / (1 - beta1^t) and epsHat = eps sqrt(1 - beta2^t), so that
 * stepSize m / (sqrt(v) + epsHat) = learningRate mhat / (sqrt(vhat) + eps). Kingma and Ba 2015, section 2.
 */
export function adamCorrection(
  learningRate: number,
  t: number,
  { beta1, beta2, eps }: AdamOptions,
): { stepSize: number; epsHat: number } {
  const root = Math.sqrt(1 - beta2 ** t);
  return { stepSize: (learningRate * root) / (1 - beta1 ** t), epsHat: eps * root };
}

/** One Adam update of a parameter p with moments m and v, from its gradient dP times `scale`. */
export function adam(
  dP: ArrayLike<number>,
  p: ArrayLike<number>,
  m: ArrayLike<number>,
  v: ArrayLike<number>,
  k: { scale: number; beta1: number; beta2: number; stepSize: number; epsHat: number },
): { p: Bounded; m: Bounded; v: Bounded } {
  const n = p.length;
  const out = { p: bounded(n), m: bounded(n), v: bounded(n) };
  for (let i = 0; i < n; i++) {
    const g = k.scale * dP[i]!;
    const kept = k.beta1 * m[i]!;
    const added = (1 - k.beta1) * g;
    const newM = kept + added;
    const newV = k.beta2 * v[i]! + (1 - k.beta2) * g * g;
    const root = Math.sqrt(newV);
    const update = (k.stepSize * newM) / (root + k.epsHat);
    // The two terms of m may cancel, so its error is by their sizes; v's are both positive.
    const dM = 5 * U * (Math.abs(kept) + Math.abs(added)) + TINY;
    const dV = 6 * U * newV + TINY;
    // sqrt of a number that is off by dV: off by dV / (2 root), and by sqrt(dV) at most.
    const dRoot = Math.min(dV / (2 * root || TINY), Math.sqrt(dV)) + 9 * U * root;
    const below = root + k.epsHat;
    const dUpdate = (Math.abs(k.stepSize) * dM) / below + Math.abs(update) * (dRoot / below + 12 * U);
    out.m.value[i] = newM;
    out.m.bound[i] = dM;
    out.v.value[i] = newV;
    out.v.bound[i] = dV;
    out.p.value[i] = p[i]! - update;
    out.p.bound[i] = dUpdate + U * Math.abs(p[i]! - update) + TINY;
  }
  return out;
}
