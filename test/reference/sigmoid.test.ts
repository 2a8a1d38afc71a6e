import { describe, expect, it } from 'vitest';
import { Random } from '../../src/data/random.ts';
import { sigmoidBackward, sigmoidForward } from '../../src/reference/sigmoid.ts';
import { dot, expectGradient, normals64 } from '../support/gradients.ts';

describe('the sigmoid twin', () => {
  it('is (1 + tanh(x / 2)) / 2, of numbers of every size, seed 40', () => {
    const random = new Random(40);
    for (const size of [1e-6, 1, 10]) {
      const x = normals64(random, 50).map((v) => size * v);
      sigmoidForward(x).value.forEach((y, i) => {
        // Some ten roundings of numbers up to 1.
        expect(Math.abs(y - (1 + Math.tanh(x[i]! / 2)) / 2), `x = ${x[i]}`).toBeLessThan(10 * 2 ** -53);
      });
    }
  });

  it('and its mirror image add up to 1', () => {
    const x = normals64(new Random(41), 50).map((v) => 4 * v);
    const mirrored = sigmoidForward(x.map((v) => -v)).value;
    sigmoidForward(x).value.forEach((y, i) => {
      expect(Math.abs(y + mirrored[i]! - 1)).toBeLessThan(4 * 2 ** -53);
    });
  });

  it('is right where exp(x) or exp(-x) overflows', () => {
    const inf = Number.POSITIVE_INFINITY;
    const { value } = sigmoidForward([0, -0, 800, inf, -inf, Number.NaN]);
    expect([...value]).toEqual([0.5, 0.5, 1, 1, 0, Number.NaN]);
    const [small] = sigmoidForward([-700]).value;
    // exp(-700), of which 1 + exp(-700) takes nothing away.
    expect(small).toBe(Math.exp(-700));
  });

  it('has a bound that is positive and small wherever x is finite', () => {
    const x = [0, 1, -1, 20, -20, 88, -88, 1e30, -1e30];
    const { value, bound } = sigmoidForward(x);
    bound.forEach((b, i) => {
      expect(b, `x = ${x[i]}`).toBeGreaterThan(0);
      // 2 (3 + 2 |x|) + 7 roundings of a normal number, at most; below that, what may be flushed.
      const roundings = 2 * (3 + 2 * Math.min(Math.abs(x[i]!), 88)) + 7;
      expect(b, `x = ${x[i]}`).toBeLessThanOrEqual(roundings * 2 ** -24 * value[i]! + 2 ** -125);
    });
  });

  it.each([1, 7, 40])('sigmoid_backward is the gradient of sigmoid_forward, n = %i (also the seed)', (n) => {
    const random = new Random(n);
    const x = normals64(random, n).map((v) => 3 * v);
    const upstream = normals64(random, n);
    const y = sigmoidForward(x).value;
    const loss = (v: Float64Array) => dot(upstream, sigmoidForward(v).value);
    // The third derivative s (1 - s) (1 - 6 s + 6 s^2) is largest at s = 1/2: 1/8.
    const most = Math.max(...upstream.map(Math.abs));
    const size = dot(upstream.map(Math.abs), y) + n;
    const error = { thirdDerivative: most / 8, terms: n + 6, size };
    expectGradient('dX', sigmoidBackward(y, upstream).value, x, loss, error);
  });
});
