import type { MatrixShape } from './bias.ts';
import { type Bounded, bounded, gamma, TINY, U } from './twin.ts';

type Numbers = ArrayLike<number>;

/** What batchnorm_stats writes. */
export interface BatchStats {
  readonly mean: Bounded;
  readonly rstd: Bounded;
  readonly runningMean: Bounded;
  readonly runningVar: Bounded;
}

/**
 * Mean and 1 / sqrt(var + eps) of each feature over the batch (biased variance), and the running statistics
 * (exponential moving averages; of the variance with the divisor B - bessel: 1, unbiased, or 0). Ioffe and Szegedy 2015,
 * algorithm 1.
 */
export function batchnormStats(
  x: Numbers,
  runningMean: Numbers,
  runningVar: Numbers,
  { B, F, eps, momentum, bessel = 1 }: MatrixShape & { eps: number; momentum: number; bessel?: number },
): BatchStats {
  const out = { mean: bounded(F), rstd: bounded(F), runningMean: bounded(F), runningVar: bounded(F) };
  for (let f = 0; f < F; f++) {
    let sum = 0;
    let size = 0;
    for (let b = 0; b < B; b++) {
      sum += x[b * F + f]!;
      size += Math.abs(x[b * F + f]!);
    }
    const mean = sum / B;
    let squares = 0;
    for (let b = 0; b < B; b++) squares += (x[b * F + f]! - mean) ** 2;
    const variance = squares / B;
    const rstd = 1 / Math.sqrt(variance + eps);

    // The mean of B numbers: a sum, and a division of 2.5 ulp (WGSL's accuracy of /).
    const dMean = gamma(B + 5) * (size / B) + B * TINY;
    // A mean that is off by d adds exactly d^2 to the variance; each distance is rounded once and squared.
    const dVariance = gamma(B + 10) * (variance + dMean ** 2) + dMean ** 2 + B * TINY;
    // d(1/sqrt(s)) = s^(-3/2) ds / 2, taken at the smallest s; WGSL's sqrt (9 roundings) and / (5) add 14.
    const least = Math.max(variance + eps - dVariance, eps / 2);
    const dRstd = 0.5 * least ** -1.5 * (dVariance + 2 * U * (variance + eps)) + 16 * U * rstd;

    const others = Math.max(B - bessel, 1);
    const unbiased = squares / others;
    const dUnbiased = (dVariance * B) / others + 6 * U * unbiased;
    set(out.mean, f, mean, dMean);
    set(out.rstd, f, rstd, dRstd);
    set(out.runningMean, f, ...movingAverage(runningMean[f]!, mean, dMean, momentum));
    set(out.runningVar, f, ...movingAverage(runningVar[f]!, unbiased, dUnbiased, momentum));
  }
  return out;
}

/** old + momentum (now - old), and how far three roundings and an error of `now` can take it. */
export function movingAverage(old: number, now: number, dNow: number, momentum: number): [number, number] {
  const value = old + momentum * (now - old);
  return [
    value,
    momentum * dNow + 3 * U * (Math.abs(old) + momentum * (Math.abs(now) + Math.abs(old))) + TINY,
  ];
}

function set(out: Bounded, i: number, value: number, bound: number): void {
  out.value[i] = value;
  out.bound[i] = bound;
}

/** y = gamma (x - mean) rstd + beta. */
export function batchnormForward(
  x: Numbers,
  stats: { mean: Numbers; rstd: Numbers },
  affine: { gamma: Numbers; beta: Numbers },
  { B, F }: MatrixShape,
): Bounded {
  const { value, bound } = bounded(B * F);
  for (let i = 0; i < B * F; i++) {
    const f = i % F;
    const scaled = affine.gamma[f]! * (x[i]! - stats.mean[f]!) * stats.rstd[f]!;
    value[i] = scaled + affine.beta[f]!;
    bound[i] = 5 * U * (Math.abs(scaled) + Math.abs(affine.beta[f]!)) + TINY;
  }
  return { value, bound };
}

/** y = gamma (x - running mean) / sqrt(running variance + eps) + beta, as at evaluation. */
export function batchnormEval(
  x: Numbers,
  running: { mean: Numbers; variance: Numbers },
  affine: { gamma: Numbers; beta: Numbers },
  { B, F, eps }: MatrixShape & { eps: number },
): Bounded {
  const { value, bound } = bounded(B * F);
  for (let i = 0; i < B * F; i++) {
    const f = i % F;
    const rstd = 1 / Math.sqrt(running.variance[f]! + eps);
    const scaled = affine.gamma[f]! * (x[i]! - running.mean[f]!) * rstd;
    value[i] = scaled + affine.beta[f]!;
    // WGSL's 1 / sqrt() errs by up to 14 roundings, the other operations by 5.
    bound[i] = 20 * U * (Math.abs(scaled) + Math.abs(affine.beta[f]!)) + TINY;
  }
  return { value, bound };
}

/** dBeta = sum_b dY and dGamma = sum_b dY xhat, with xhat = (x - mean) rstd. */
export function batchnormBackwardSums(
  x: Numbers,
  stats: { mean: Numbers; rstd: Numbers },
  dY: Numbers,
  { B, F }: MatrixShape,
): { dGamma: Bounded; dBeta: Bounded } {
  const dGamma = bounded(F);
  const dBeta = bounded(F);
  for (let i = 0; i < B * F; i++) {
    const f = i % F;
    const xhat = (x[i]! - stats.mean[f]!) * stats.rstd[f]!;
    dBeta.value[f]! += dY[i]!;
    dBeta.bound[f]! += Math.abs(dY[i]!);
    dGamma.value[f]! += dY[i]! * xhat;
    dGamma.bound[f]! += Math.abs(dY[i]! * xhat);
  }
  for (let f = 0; f < F; f++) {
    dBeta.bound[f] = gamma(B) * dBeta.bound[f]! + B * TINY;
    dGamma.bound[f] = gamma(B + 3) * dGamma.bound[f]! + B * TINY;
  }
  return { dGamma, dBeta };
}

/** dX = gamma rstd (dY - dBeta / B - xhat dGamma / B). */
export function batchnormBackwardInput(
  x: Numbers,
  stats: { mean: Numbers; rstd: Numbers },
  gammaScale: Numbers,
  dY: Numbers,
  sums: { dGamma: Numbers; dBeta: Numbers },
  { B, F }: MatrixShape,
): Bounded {
  const { value, bound } = bounded(B * F);
  for (let i = 0; i < B * F; i++) {
    const f = i % F;
    const xhat = (x[i]! - stats.mean[f]!) * stats.rstd[f]!;
    const scale = gammaScale[f]! * stats.rstd[f]!;
    const viaMean = sums.dBeta[f]! / B;
    const viaRstd = (xhat * sums.dGamma[f]!) / B;
    value[i] = scale * (dY[i]! - viaMean - viaRstd);
    // The three terms may cancel, so the bound is by their sizes: at most 12 roundings each, divisions included.
    bound[i] = 12 * U * Math.abs(scale) * (Math.abs(dY[i]!) + Math.abs(viaMean) + Math.abs(viaRstd)) + TINY;
  }
  return { value, bound };
}
