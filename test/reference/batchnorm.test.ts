import { describe, expect, it } from 'vitest';
import { Random } from '../../src/data/random.ts';
import * as twin from '../../src/reference/batchnorm.ts';
import { dot, expectGradient, normals64 } from '../support/gradients.ts';

const OPTIONS = { eps: 1e-5, momentum: 0.1 };

interface Shape {
  readonly B: number;
  readonly F: number;
}

function statsOf(x: Float64Array, { B, F }: Shape): { mean: Float64Array; rstd: Float64Array } {
  const zeros = new Float64Array(F);
  const { mean, rstd } = twin.batchnormStats(x, zeros, zeros, { B, F, ...OPTIONS });
  return { mean: mean.value, rstd: rstd.value };
}

const forward = (x: Float64Array, gamma: Float64Array, beta: Float64Array, shape: Shape) =>
  twin.batchnormForward(x, statsOf(x, shape), { gamma, beta }, shape).value;

/**
 * At most the third derivative by one element x_i of sum_b |u_b gamma xhat_b|, for columns with |xhat| <= 4.
 *
 * With s the variance plus eps, s' = 2 (x_i - mean) / B and s'' <= 2 / B, so for a = |xhat_i| rstd / B the second and
 * third derivatives of rstd are at most rstd (3 a^2 + rstd^2 / B) and rstd (15 a^3 + 9 a rstd^2 / B); a distance
 * x_b - mean has a first derivative of at most 1 and no further one.
 */
function thirdDerivative(rstd: number, weight: number, B: number): number {
  const a = (4 * rstd) / B;
  const third = 4 * (15 * a ** 3 + (9 * a * rstd ** 2) / B);
  const second = 3 * rstd * (3 * a ** 2 + rstd ** 2 / B);
  return weight * (third + second);
}

describe.each([
  [2, 1],
  [3, 5],
  [7, 2],
  [17, 3],
])('batch norm backward, B = %i, F = %i, seed = 10 B + F', (B, F) => {
  const random = new Random(10 * B + F);
  const shape = { B, F };
  const x = normals64(random, B * F).map((v, i) => 2 * (i % F) + v);
  const gamma = normals64(random, F).map((v) => 1 + v / 2);
  const beta = normals64(random, F);
  const upstream = normals64(random, B * F);
  const stats = statsOf(x, shape);
  const sums = twin.batchnormBackwardSums(x, stats, upstream, shape);
  const given = { dGamma: sums.dGamma.value, dBeta: sums.dBeta.value };
  const dX = twin.batchnormBackwardInput(x, stats, gamma, upstream, given, shape).value;

  const y = forward(x, gamma, beta, shape);
  const weight = upstream.reduce((sum, u, i) => sum + Math.abs(u * gamma[i % F]!), 0);
  const size = upstream.reduce((sum, u, i) => sum + Math.abs(u) * (Math.abs(y[i]!) + 8), 0);
  const error = {
    thirdDerivative: thirdDerivative(1.1 * Math.max(...stats.rstd), weight, B),
    // The sum of B F products, a mean and a variance of B numbers each, and what is done with them.
    terms: B * F + 2 * B + 12,
    // Distances from a mean up to 10 are rounded like numbers of that size.
    size: size * 10 * Math.max(1, ...stats.rstd),
  };

  it('by the input, which reaches the loss through itself, the mean and the deviation', () => {
    expectGradient('dX', dX, x, (v) => dot(upstream, forward(v, gamma, beta, shape)), error);
  });

  it('by the input it is not what it would be with the statistics held fixed', () => {
    const direct = upstream.map((u, i) => u * gamma[i % F]! * stats.rstd[i % F]!);
    const loss = (v: Float64Array) => dot(upstream, forward(v, gamma, beta, shape));
    expect(() => expectGradient('dX', direct, x, loss, error)).toThrow('dX');
    const held = (v: Float64Array) =>
      dot(upstream, twin.batchnormForward(v, stats, { gamma, beta }, shape).value);
    expectGradient('dX with fixed statistics', direct, x, held, error);
  });

  it('by gamma and beta', () => {
    const byGamma = (v: Float64Array) => dot(upstream, forward(x, v, beta, shape));
    const byBeta = (v: Float64Array) => dot(upstream, forward(x, gamma, v, shape));
    expectGradient('dGamma', given.dGamma, gamma, byGamma, error);
    expectGradient('dBeta', given.dBeta, beta, byBeta, error);
  });

  it('columns of dX add up to 0, and are at right angles to xhat but for eps', () => {
    for (let f = 0; f < F; f++) {
      let sum = 0;
      let along = 0;
      let scale = 0;
      for (let b = 0; b < B; b++) {
        const i = b * F + f;
        sum += dX[i]!;
        along += dX[i]! * (x[i]! - stats.mean[f]!) * stats.rstd[f]!;
        scale += Math.abs(gamma[f]! * stats.rstd[f]! * upstream[i]!);
      }
      expect(Math.abs(sum)).toBeLessThan(1e-12 * scale);
      // sum xhat^2 = B (1 - eps rstd^2), not B.
      const missing = OPTIONS.eps * stats.rstd[f]! ** 2;
      expect(Math.abs(along)).toBeLessThan(16 * (missing + 1e-12) * scale);
    }
  });
});

describe('batch norm forward', () => {
  const [B, F] = [50, 3];
  const shape = { B, F };
  const x = normals64(new Random(7), B * F).map((v, i) => 1000 * (i % F) + v);

  it('has columns of mean 0 and variance 1 before gamma and beta, seed 7', () => {
    const ones = new Float64Array(F).fill(1);
    const y = forward(x, ones, new Float64Array(F), shape);
    const { rstd } = statsOf(x, shape);
    for (let f = 0; f < F; f++) {
      const column = Array.from({ length: B }, (_, b) => y[b * F + f]!);
      expect(Math.abs(dot(column, new Array(B).fill(1)) / B)).toBeLessThan(1e-11);
      expect(Math.abs(dot(column, column) / B - (1 - OPTIONS.eps * rstd[f]! ** 2))).toBeLessThan(1e-11);
    }
  });

  it('at evaluation equals that of training when the running statistics are those of the batch, seed 7', () => {
    const { mean, rstd } = statsOf(x, shape);
    const affine = { gamma: Float64Array.of(2, -1, 0.5), beta: Float64Array.of(1, 2, 3) };
    const variance = rstd.map((r) => r ** -2 - OPTIONS.eps);
    const trained = twin.batchnormForward(x, { mean, rstd }, affine, shape).value;
    const evaluated = twin.batchnormEval(x, { mean, variance }, affine, { ...shape, eps: OPTIONS.eps }).value;
    evaluated.forEach((v, i) => {
      expect(Math.abs(v - trained[i]!)).toBeLessThan(1e-12);
    });
  });

  it('a batch of one has no gradient by its input: all of it goes to the mean', () => {
    const one = { B: 1, F: 2 };
    const sample = Float64Array.of(3, -8);
    const dY = Float64Array.of(0.7, -1.3);
    const stats = statsOf(sample, one);
    const sums = twin.batchnormBackwardSums(sample, stats, dY, one);
    const given = { dGamma: sums.dGamma.value, dBeta: sums.dBeta.value };
    const { value } = twin.batchnormBackwardInput(sample, stats, Float64Array.of(1, 2), dY, given, one);
    expect([...value].map(Math.abs)).toEqual([0, 0]);
  });

  it('the running statistics move by the momentum, with the unbiased variance', () => {
    const column = Float64Array.of(1, -1, 1, -1, 6);
    const shape = { B: 5, F: 1, eps: 0, momentum: 0.25 };
    const s = twin.batchnormStats(column, Float64Array.of(4), Float64Array.of(2), shape);
    // mean 6/5, squares 40 - 36/5
    expect(s.mean.value[0]).toBeCloseTo(1.2, 14);
    expect(s.runningMean.value[0]).toBeCloseTo(4 + 0.25 * (1.2 - 4), 14);
    expect(s.runningVar.value[0]).toBeCloseTo(2 + 0.25 * (32.8 / 4 - 2), 14);
    expect(s.rstd.value[0]).toBeCloseTo(1 / Math.sqrt(32.8 / 5), 14);
  });
});
