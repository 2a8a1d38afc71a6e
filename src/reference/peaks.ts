import { type Bounded, bounded, exact, gamma, TINY } from './twin.ts';

/** Chains of one invocation of `peak_fma`. */
export const CHAINS = 12;

/** How `peak_fma` runs its chains: `steps` times s = s a + b. */
export interface ChainOptions {
  readonly n: number;
  readonly a: number;
  readonly b: number;
  readonly steps: number;
}

/**
 * y[i] = the sum of 12 chains, each `steps` times s = s a + b from (i mod 64 + chain) / 128.
 *
 * A step rounds twice at most, each time by u |s a| + u |s a + b|, and |a| < 1 shrinks what came before; |s| stays below
 * its first value and |b| / (1 - |a|). 11 additions follow. The beginnings are exact.
 */
export function peakFma({ n, a, b, steps }: ChainOptions): Bounded {
  const { value, bound } = bounded(n);
  // The elements repeat every 64.
  for (let i = 0; i < Math.min(n, 64); i++) {
    let size = 0;
    let error = 0;
    for (let chain = 0; chain < CHAINS; chain++) {
      let s = (i + chain) / 128;
      let e = 0;
      for (let k = 0; k < steps; k++) {
        const product = s * a;
        s = product + b;
        e = Math.abs(a) * e + gamma(2) * (Math.abs(product) + Math.abs(s)) + 2 * TINY;
      }
      value[i]! += s;
      size += Math.abs(s);
      error += e;
    }
    bound[i] = error + gamma(CHAINS) * (size + error);
  }
  for (let i = 64; i < n; i++) {
    value[i] = value[i % 64]!;
    bound[i] = bound[i % 64]!;
  }
  return { value, bound };
}

/** y = x, bit for bit. */
export const peakCopy = (x: ArrayLike<number>): Bounded => exact(Float64Array.from(x));
