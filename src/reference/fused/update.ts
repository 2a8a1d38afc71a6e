import { type Bounded, bounded, gamma, type Numbers, TINY, U } from '../twin.ts';

/** Adam's numbers in an update: the batch size that the summed gradient is divided by, and those of the step. */
export interface UpdateNumbers {
  readonly B: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly stepSize: number;
  readonly epsHat: number;
}

/**
 * One Adam update from a gradient, summed over the batch, that is itself rounded: `adam` of src/reference/adam.ts with an
 * error of g. The mean gradient g is off by dg, its division by B (2.5 ulp) included. Then m = beta1 m + (1 - beta1) g is off by
 * (1 - beta1) dg, and v by (1 - beta2) (2 |g| dg + dg^2), beside their roundings.
 *
 * The update q = step m / (sqrt(v) + eps) hangs on g twice. With k = beta1 m and r = sqrt(v) of the new v,
 *
 *   dq / dg = step ((1 - beta1) (beta2 v / r + eps) - k (1 - beta2) g / r) / (r + eps)^2,
 *
 * which is largest at the smallest r and the largest |g| that dg allows. Where that says little, since r may be almost 0, q has a
 * bound of its own: as r >= sqrt(beta2 v) and r >= sqrt(1 - beta2) |g|, wherever g is,
 *
 *   |q| <= step (|k| / (sqrt(beta2 v) + eps) + (1 - beta1) / sqrt(1 - beta2)).
 *
 * q's own roundings are counted as there: 4 of each term of m, 3 of r through v, 9 of sqrt, 12 of the rest.
 */
export function adamOfRounded(
  gradient: Bounded,
  p: Numbers,
  m: Numbers,
  v: Numbers,
  { B, beta1, beta2, stepSize, epsHat }: UpdateNumbers,
): { readonly p: Bounded; readonly m: Bounded; readonly v: Bounded } {
  const n = p.length;
  const out = { p: bounded(n), m: bounded(n), v: bounded(n) };
  const [rest1, rest2] = [1 - beta1, 1 - beta2];
  for (let i = 0; i < n; i++) {
    const g = gradient.value[i]! / B;
    const dg = gradient.bound[i]! / B + gamma(5) * (Math.abs(g) + gradient.bound[i]! / B) + TINY;
    const [least, most] = [Math.max(Math.abs(g) - dg, 0), Math.abs(g) + dg];
    const kept = beta1 * m[i]!;
    const newM = kept + rest1 * g;
    const newV = beta2 * v[i]! + rest2 * g * g;
    const sizes = Math.abs(kept) + rest1 * most;
    out.m.value[i] = newM;
    out.m.bound[i] = rest1 * dg + gamma(4) * sizes + TINY;
    out.v.value[i] = newV;
    out.v.bound[i] =
      rest2 * (2 * Math.abs(g) * dg + dg * dg) + gamma(6) * (newV + rest2 * most * most) + TINY;

    const update = newM / (Math.sqrt(newV) + epsHat);
    const root = Math.sqrt(beta2 * v[i]! + rest2 * least * least);
    const below = root + epsHat;
    const range = Math.abs(kept) / (Math.sqrt(beta2 * v[i]!) + epsHat) + rest1 / Math.sqrt(rest2);
    const slope =
      (rest1 * ((beta2 * v[i]!) / root + epsHat) + (Math.abs(kept) * rest2 * most) / root) / below ** 2;
    // 0 / 0 at a root of 0: nothing but the range is known.
    const byGradient = root > 0 ? Math.min(slope * dg, range + Math.abs(update)) : range + Math.abs(update);
    // A v that may be flushed moves its root by sqrt(TINY).
    const rounding = Math.min(sizes / below, range) * (gamma(28) + Math.sqrt(TINY) / below) + TINY / below;
    const off = Math.abs(stepSize) * (byGradient + rounding);
    const value = p[i]! - stepSize * update;
    out.p.value[i] = value;
    out.p.bound[i] = off + U * (Math.abs(value) + off) + TINY;
  }
  return out;
}
