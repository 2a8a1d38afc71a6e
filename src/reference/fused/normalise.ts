import { batchnormBackwardInput, movingAverage } from '../batchnorm.ts';
import type { MatrixShape } from '../bias.ts';
import { type Bounded, bounded, exact, gamma, type Numbers, TINY, U } from '../twin.ts';

/** What the features of a layer are normalised with. */
export interface Norm {
  readonly mean: Bounded;
  readonly rstd: Bounded;
  readonly gamma: Numbers;
  readonly beta: Numbers;
}

/** The mean of columns, and the sum of the squared distances from it (M2). */
export interface Stats {
  readonly mean: Bounded;
  readonly squares: Bounded;
}

/** A norm as it lies in memory: (mean, rstd, gamma, beta), F each. */
export function normFrom(rows: Numbers, F: number): Norm {
  const row = (i: number) => rows.subarray(i * F, (i + 1) * F);
  return {
    mean: exact(Float64Array.from(row(0))),
    rstd: exact(Float64Array.from(row(1))),
    gamma: row(2),
    beta: row(3),
  };
}

/**
 * Mean and M2 of the columns of rows `from` to `to`, of numbers that are rounded already. The mean is off by what its
 * numbers are off on average, a sum, and a division of 2.5 ulp. A distance d is off by dz + dmean and a rounding, so
 * that d^2 is off by 2 |d| dd + dd^2; then a product, and the sum.
 */
export function columnStats(z: Bounded, F: number, from: number, to: number): Stats {
  const rows = to - from;
  const mean = bounded(F);
  const squares = bounded(F);
  for (let f = 0; f < F; f++) {
    let [sum, size, off] = [0, 0, 0];
    for (let i = from * F + f; i < to * F; i += F) {
      sum += z.value[i]!;
      size += Math.abs(z.value[i]!) + z.bound[i]!;
      off += z.bound[i]!;
    }
    mean.value[f] = sum / rows;
    mean.bound[f] = off / rows + (gamma(rows + 5) * size) / rows + rows * TINY;
    let [total, most] = [0, 0];
    for (let i = from * F + f; i < to * F; i += F) {
      const d = Math.abs(z.value[i]! - mean.value[f]!);
      const dd = (z.bound[i]! + mean.bound[f]!) * (1 + U) + U * d;
      total += d * d;
      most += (d + dd) ** 2;
    }
    squares.value[f] = total;
    squares.bound[f] = most - total + gamma(rows + 1) * most + rows * TINY;
  }
  return { mean, squares };
}

/**
 * Merges tiles of (mean, M2), F each, by Chan's formula, lowest rows first. With n rows so far, r in the tile at hand,
 * w = r / (n + r) and d = tile mean - mean:
 *
 *   mean' = mean + d w            M2' = M2 + tile M2 + d^2 c,  c = n w
 *
 * A running error analysis, with e the error of the mean so far and s that of M2. Since mean + d w = (1 - w) mean + w
 * (tile mean), e counts (1 - w) times; the roundings of d, of w (a division of 2.5 ulp, hence 5), of their product and of the sum
 * add 7 U |d| w + U |mean'|. d itself is off by dd = e + U |d|, so d^2 by 2 |d| dd + dd^2; c, the two products and the
 * two sums round d^2 c 9 times, M2 of the tile twice and M2 once.
 */
export function mergeStats(tiles: Numbers, F: number, rows: readonly number[]): Stats {
  const mean = bounded(F);
  const squares = bounded(F);
  for (let f = 0; f < F; f++) {
    let [n, m, e, m2, s] = [0, 0, 0, 0, 0];
    rows.forEach((r, t) => {
      const at = 2 * F * t + f;
      const w = r / (n + r);
      const d = tiles[at]! - m;
      const dd = e * (1 + U) + U * Math.abs(d);
      const own = tiles[at + F]!;
      const apart = (Math.abs(d) + dd) ** 2 * n * w;
      e = (1 - w) * e + gamma(7) * (Math.abs(d) + e) * w + U * (Math.abs(m + d * w) + 2 * e) + TINY;
      m += d * w;
      s += apart - d * d * n * w + gamma(9) * apart + gamma(2) * own + TINY;
      m2 += own + d * d * n * w;
      s += U * (m2 + s);
      n += r;
    });
    [mean.value[f], mean.bound[f]] = [m, e];
    [squares.value[f], squares.bound[f]] = [m2, s];
  }
  return { mean, squares };
}

/**
 * 1 / sqrt(M2 / B + eps). The variance is off by its M2, and two roundings of 6 in all; 1 / sqrt() is steepest, and so
 * farthest off, at the smallest sum, which is never below eps. WGSL's sqrt (9 roundings) and / (5) add 14.
 */
export function rstdOf({ value, bound }: Bounded, B: number, eps: number): Bounded {
  const out = bounded(value.length);
  for (let f = 0; f < value.length; f++) {
    const sum = value[f]! / B + eps;
    const off = (bound[f]! / B + (gamma(5) * (value[f]! + bound[f]!)) / B) * (1 + U) + U * sum + TINY;
    const most = 1 / Math.sqrt(Math.max(sum - off, eps * (1 - 2 * U)));
    out.value[f] = 1 / Math.sqrt(sum);
    out.bound[f] = most - out.value[f]! + gamma(14) * most;
  }
  return out;
}

/** Running mean and variance (of divisor B - bessel), F each, after a batch. */
export function movedRunning(
  before: Numbers,
  stats: Stats,
  { F, B, momentum }: { readonly F: number; readonly B: number; readonly momentum: number },
  bessel: number,
): Bounded {
  const out = bounded(2 * F);
  for (let f = 0; f < F; f++) {
    const others = Math.max(B - bessel, 1);
    const unbiased = stats.squares.value[f]! / others;
    const dUnbiased = stats.squares.bound[f]! / others + gamma(6) * unbiased;
    const [mean, dMean] = [stats.mean.value[f]!, stats.mean.bound[f]!];
    [out.value[f], out.bound[f]] = movingAverage(before[f]!, mean, dMean, momentum);
    const variance = movingAverage(before[F + f]!, unbiased, dUnbiased, momentum);
    [out.value[F + f], out.bound[F + f]] = variance;
  }
  return out;
}

/** xhat = (z - mean) rstd and gamma xhat + beta, of each element. */
export function normalise(
  z: Numbers,
  norm: Norm,
  { B, F }: MatrixShape,
): { readonly xhat: Bounded; readonly pre: Bounded } {
  const xhat = bounded(B * F);
  const pre = bounded(B * F);
  for (let i = 0; i < B * F; i++) {
    const f = i % F;
    const d = z[i]! - norm.mean.value[f]!;
    const rstd = norm.rstd.value[f]!;
    const x = d * rstd;
    const most = (Math.abs(d) + norm.mean.bound[f]!) * (rstd + norm.rstd.bound[f]!);
    // The factors' own errors, then a rounding of the difference and one of the product.
    const dx = most - Math.abs(x) + gamma(2) * most + TINY * (1 + rstd);
    const scaled = Math.abs(norm.gamma[f]!) * (Math.abs(x) + dx);
    xhat.value[i] = x;
    xhat.bound[i] = dx;
    pre.value[i] = norm.gamma[f]! * x + norm.beta[f]!;
    pre.bound[i] = Math.abs(norm.gamma[f]!) * dx + gamma(2) * (scaled + Math.abs(norm.beta[f]!)) + TINY;
  }
  return { xhat, pre };
}

/** max(x, 0) of what is rounded: below 0 by more than its bound it is exactly 0. */
export function relu({ value, bound }: Bounded): Bounded {
  return {
    value: value.map((x) => Math.max(x, 0)),
    bound: bound.map((d, i) => (value[i]! > 0 ? d : Math.max(value[i]! + d, 0))),
  };
}

/** h = max(gamma (z - mean) rstd + beta, 0). */
export const activations = (z: Numbers, norm: Norm, shape: MatrixShape): Bounded =>
  relu(normalise(z, norm, shape).pre);

/** The columns' sums of tiles (2, F): those of dn, beta's gradient, and those of dn xhat, gamma's. */
export function mergeSums(tiles: Numbers, F: number): { dBeta: Bounded; dGamma: Bounded } {
  const count = tiles.length / (2 * F);
  const of = (row: number): Bounded => {
    const { value, bound } = bounded(F);
    for (let t = 0; t < count; t++) {
      for (let f = 0; f < F; f++) {
        value[f]! += tiles[(2 * t + row) * F + f]!;
        bound[f]! += Math.abs(tiles[(2 * t + row) * F + f]!);
      }
    }
    return { value, bound: bound.map((size) => gamma(count) * size + count * TINY) };
  };
  return { dBeta: of(0), dGamma: of(1) };
}

/** Sums of a single tile. */
export function halves({ value, bound }: Bounded): { dBeta: Bounded; dGamma: Bounded } {
  const F = value.length / 2;
  const half = (from: number) => ({
    value: value.subarray(from, from + F),
    bound: bound.subarray(from, from + F),
  });
  return { dBeta: half(0), dGamma: half(F) };
}

/**
 * dz = gamma rstd (dn - S1 / B - xhat S2 / B), with a norm that is exact, of dn and sums that may be off: to the roundings of
 * `batchnormBackwardInput`, 11 at most of the 12 that it counts, comes what they are off.
 */
export function pulled(
  dn: Bounded,
  z: Numbers,
  norm: Norm,
  sums: { readonly dBeta: Bounded; readonly dGamma: Bounded },
  shape: MatrixShape,
): Bounded {
  const [mean, rstd] = [norm.mean.value, norm.rstd.value];
  const values = { dBeta: sums.dBeta.value, dGamma: sums.dGamma.value };
  const out = batchnormBackwardInput(z, { mean, rstd }, norm.gamma, dn.value, values, shape);
  for (let i = 0; i < out.bound.length; i++) {
    const f = i % shape.F;
    const xhat = Math.abs((z[i]! - mean[f]!) * rstd[f]!);
    const off = dn.bound[i]! + (sums.dBeta.bound[f]! + xhat * sums.dGamma.bound[f]!) / shape.B;
    out.bound[i]! += Math.abs(norm.gamma[f]! * rstd[f]!) * off * (1 + 12 * U);
  }
  return out;
}

/**
 * dn = dh where gamma xhat + beta > 0, else 0; and over each tile of rows the columns' sums of dn and of dn xhat, (2, F)
 * a tile. Where gamma xhat + beta may be on either side of 0 on a device, so may dn be 0 or not.
 */
export function masked(
  dh: Bounded,
  z: Numbers,
  norm: Norm,
  { B, F }: MatrixShape,
  tileRows: number,
): { readonly dn: Bounded; readonly sums: Bounded } {
  const { xhat, pre } = normalise(z, norm, { B, F });
  const dn = bounded(B * F);
  const sums = bounded(Math.ceil(B / tileRows) * 2 * F);
  for (let i = 0; i < B * F; i++) {
    const passes = pre.value[i]! > 0;
    const either = Math.abs(pre.value[i]!) <= pre.bound[i]!;
    const [d, off] = [dh.value[i]!, dh.bound[i]!];
    dn.value[i] = passes ? d : 0;
    dn.bound[i] = either ? Math.abs(d) + off : passes ? off : 0;
  }
  for (let tile = 0; tile * tileRows < B; tile++) {
    const rows = Math.min(tileRows, B - tile * tileRows);
    for (let f = 0; f < F; f++) {
      let [s1, size1, off1, s2, size2, off2] = [0, 0, 0, 0, 0, 0];
      for (let r = tile * tileRows; r < tile * tileRows + rows; r++) {
        const i = r * F + f;
        const [d, dd, x, dx] = [dn.value[i]!, dn.bound[i]!, xhat.value[i]!, xhat.bound[i]!];
        const most = (Math.abs(d) + dd) * (Math.abs(x) + dx);
        s1 += d;
        size1 += Math.abs(d) + dd;
        off1 += dd;
        s2 += d * x;
        size2 += most;
        off2 += most - Math.abs(d * x);
      }
      const at = 2 * tile * F + f;
      sums.value[at] = s1;
      sums.bound[at] = off1 + gamma(rows) * size1 + rows * TINY;
      sums.value[at + F] = s2;
      sums.bound[at + F] = off2 + gamma(rows + 1) * size2 + rows * TINY;
    }
  }
  return { dn, sums };
}
