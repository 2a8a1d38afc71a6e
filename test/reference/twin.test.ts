import { describe, expect, it } from 'vitest';
import { compare } from '../../src/gpu/check.ts';
import { columnSum } from '../../src/reference/bias.ts';
import { gatherBytes, gatherFloats, gatherLabels } from '../../src/reference/gather.ts';
import { matmulNN } from '../../src/reference/matmul.ts';
import { argmax, correctCount, finiteFlag, lossMean, stepAdvance } from '../../src/reference/metrics.ts';
import { reluBackward, reluForward } from '../../src/reference/relu.ts';
import { bounded, exact, gamma, TINY, U } from '../../src/reference/twin.ts';

const { fround } = Math;

describe('gamma(k)', () => {
  it('is k u / (1 - k u)', () => {
    expect(gamma(0)).toBe(0);
    expect(gamma(1)).toBe(2 ** -24 / (1 - 2 ** -24));
    expect(gamma(2 ** 23)).toBe(1);
    expect(gamma(784)).toBeGreaterThan(784 * U);
  });

  it('covers j + k roundings by the product of those that cover j and k (Higham, lemma 3.3)', () => {
    for (const [j, k] of [
      [1, 1],
      [3, 1000],
      [784, 256],
    ] as const) {
      expect(gamma(j) + gamma(k) + gamma(j) * gamma(k)).toBeLessThanOrEqual(gamma(j + k));
    }
  });

  it('U and TINY are those of float32', () => {
    expect(fround(1 + U)).toBe(1);
    expect(fround(1 + U * 1.000001)).toBe(1 + 2 * U);
    expect(new Float32Array(Uint32Array.of(0x00800000).buffer)[0]).toBe(TINY);
  });
});

describe('the bound of a sum', () => {
  const K = 1000;
  // Each of the small ones is just too small to change a float32 sum of 1.
  const terms = Float64Array.from({ length: K }, (_, i) => (i === 0 ? 1 : fround(0.999 * U)));

  /** In float32, one after another. */
  const inOrder = (values: Float64Array) => values.reduce((sum, v) => fround(sum + v), 0);

  it('holds where every rounding errs by all it can, and is not much wider than that', () => {
    const want = columnSum(terms, { B: K, F: 1 });
    const got = Float64Array.of(inOrder(terms));
    expect(got[0]).toBe(1);
    const { out, worst } = compare(got, want);
    expect(out).toBe(0);
    expect(worst).toBeGreaterThan(0.99);
  });

  it('is the same for a product that is such a sum', () => {
    const ones = new Float64Array(K).fill(1);
    const { out, worst } = compare(Float64Array.of(1), matmulNN(terms, ones, { M: 1, K, N: 1 }));
    expect(out).toBe(0);
    expect(worst).toBeGreaterThan(0.99);
  });

  it('is too tight for a term that was forgotten', () => {
    const values = Float64Array.from({ length: K }, (_, i) => fround(Math.sin(i + 1)));
    const want = columnSum(values, { B: K, F: 1 });
    expect(compare(Float64Array.of(inOrder(values)), want).out).toBe(0);
    expect(compare(Float64Array.of(inOrder(values.subarray(1))), want).out).toBe(1);
  });
});

describe('results', () => {
  it('exact: any value, a bound of 0', () => {
    const value = Float64Array.of(1, Number.NaN, 3);
    expect(exact(value)).toEqual({ value, bound: new Float64Array(3) });
  });

  it('bounded: room of its own for each', () => {
    const { value, bound } = bounded(2);
    value[0] = 1;
    expect([...bound]).toEqual([0, 0]);
  });
});

describe('twins by hand', () => {
  it('relu passes NaN and infinity, and stops the gradient at 0', () => {
    const x = [-1, -0, 0, 2, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const y = reluForward(x).value;
    expect([...y].map((v) => v + 0)).toEqual([0, 0, 0, 2, Number.NaN, Number.POSITIVE_INFINITY, 0]);
    expect([...reluBackward([0, 1e-300, 5], [7, 8, -9]).value]).toEqual([0, 8, -9]);
  });

  it('gather_bytes and gather_labels read little-endian words', () => {
    const words = Uint32Array.of(0x04030201, 0xff000005, 0x14131211, 0xff000015);
    const shape = { B: 2, I: 5, words: 2, scale: 0.5 };
    const { value } = gatherBytes(words, [0, 0, 1, 0], 1, shape);
    expect([...value]).toEqual([8.5, 9, 9.5, 10, 10.5, 0.5, 1, 1.5, 2, 2.5]);
    expect([...gatherLabels(words, [7, 4, 1, 0], 0, { B: 4 }).value]).toEqual([255, 5, 2, 1]);
    expect([...gatherLabels(words, [7, 4, 1, 0], 1, { B: 2 }).value]).toEqual([2, 1]);
  });

  it("gather_floats takes the step's rows", () => {
    const shape = { B: 1, I: 2, scale: 10 };
    expect([...gatherFloats([1, 2, 3, 4, 5, 6], [0, 2, 1], 1, shape).value]).toEqual([50, 60]);
  });

  it('argmax takes the first of equals', () => {
    expect(argmax([9, 1, 3, 3, 2], 1, 4)).toBe(1);
    expect(argmax([5, 5], 0, 2)).toBe(0);
    expect(argmax([1, 2, 3], 0, 3)).toBe(2);
  });

  it('correct_count, loss_mean: one row changes', () => {
    const logits = [0, 1, 1, 0, 3, 3];
    const count = correctCount(logits, [1, 0, 1], 1, [7, 8, 9], { B: 3, C: 2 });
    expect([...count.value]).toEqual([7, 2, 9]);
    const mean = lossMean([1, 2, 6], 2, [10, 11, 12]);
    expect([...mean.value]).toEqual([10, 11, 3]);
    expect([...mean.bound].map((b) => b > 0)).toEqual([false, false, true]);
  });

  it('finite_flag goes up and stays up; step_advance stops then', () => {
    expect(finiteFlag([1, -2e38, 0], 0).value[0]).toBe(0);
    expect(finiteFlag([1, Number.NaN], 0).value[0]).toBe(1);
    expect(finiteFlag([Number.NEGATIVE_INFINITY], 0).value[0]).toBe(1);
    expect(finiteFlag([1], 1).value[0]).toBe(1);
    expect(stepAdvance(0, 4).value[0]).toBe(5);
    expect(stepAdvance(1, 4).value[0]).toBe(4);
  });
});
