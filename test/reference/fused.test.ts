import { describe, expect, it } from 'vitest';
import { adam } from '../../src/reference/adam.ts';
import { batchnormStats } from '../../src/reference/batchnorm.ts';
import { columnStats, masked, mergeStats, type Norm, rstdOf } from '../../src/reference/fused/normalise.ts';
import { times, transposedTimes } from '../../src/reference/fused/products.ts';
import { bitsOf, lossWord, softmaxXent } from '../../src/reference/fused/softmax.ts';
import { adamOfRounded } from '../../src/reference/fused/update.ts';
import { matmulNN, matmulTN } from '../../src/reference/matmul.ts';
import { type Bounded, exact, U } from '../../src/reference/twin.ts';
import { Random } from '../support/kernel.ts';

// What the twins of the fused kernels add to the others: bounds of what is computed from rounded numbers. Each must hold for
// whatever lies within the bounds that it is given, and for float32 arithmetic.

const random = new Random(2026);
const normal = (n: number) => Float64Array.from({ length: n }, () => random.normal());
const { fround } = Math;

/** Something within its bound: at an end of it, or between. */
const within = ({ value, bound }: Bounded): Float64Array =>
  value.map((x, i) => x + bound[i]! * [-1, 1, 2 * random.uniform() - 1][random.below(3)]!);

function expectWithin(got: ArrayLike<number>, { value, bound }: Bounded, slack = 0): void {
  const out = Array.from(got).filter(
    (x, i) => !(Math.abs(x - value[i]!) <= bound[i]! * (1 + slack) + 1e-300),
  );
  expect(out).toEqual([]);
}

describe('products of rounded factors', () => {
  const shape = { M: 5, K: 17, N: 4 };
  const rough = (n: number): Bounded => {
    const value = normal(n);
    return { value, bound: value.map((x) => 1e-3 * Math.abs(x)) };
  };

  it('of exact ones are those of the matrix twins', () => {
    const [a, at, b] = [exact(normal(5 * 17)), exact(normal(17 * 5)), exact(normal(17 * 4))];
    const pairs = [
      [times(a, b, shape), matmulNN(a.value, b.value, shape)],
      [transposedTimes(at, b, shape), matmulTN(at.value, b.value, shape)],
    ] as const;
    for (const [got, want] of pairs) {
      expectWithin(got.value, { value: want.value, bound: want.value.map(() => 1e-12) });
      expectWithin(got.bound, { value: want.bound, bound: want.bound.map((x) => 1e-9 * x) });
    }
  });

  it('stay in their bound wherever the factors are in theirs', () => {
    const [a, b] = [rough(5 * 17), rough(17 * 4)];
    const want = times(a, b, shape);
    for (let t = 0; t < 50; t++) expectWithin(times(exact(within(a)), exact(within(b)), shape).value, want);
  });
});

describe("tiles' statistics merged", () => {
  const [B, F] = [70, 3];
  const INPUTS: Readonly<Record<string, (z: number) => number>> = {
    'mean 0': (z) => z,
    'mean 1000': (z) => 1000 + z,
    'mean -30, deviation 0.001': (z) => -30 + z / 1000,
    constant: () => 0.7,
  };

  it.each(Object.keys(INPUTS))('%s: those of the whole column, and in float32 within their bound', (name) => {
    const z = exact(normal(B * F).map((x) => fround(INPUTS[name]!(x))));
    const rows = [32, 32, 6];
    const tiles = new Float64Array(2 * F * rows.length);
    rows.forEach((n, t) => {
      const { mean, squares } = columnStats(z, F, 32 * t, 32 * t + n);
      tiles.set(mean.value.map(fround), 2 * F * t);
      tiles.set(squares.value.map(fround), 2 * F * t + F);
    });
    const got = mergeStats(tiles, F, rows);
    const zero = new Float64Array(F);
    const whole = batchnormStats(z.value, zero, zero, { B, F, eps: 1e-5, momentum: 1 });
    for (let f = 0; f < F; f++) {
      const size = Math.abs(whole.mean.value[f]!);
      expect(Math.abs(got.mean.value[f]! - whole.mean.value[f]!)).toBeLessThanOrEqual(2 * U * size);
      // A few roundings of what is merged, however many rows there were.
      expect(got.mean.bound[f]).toBeLessThan(30 * U * (size + 1));

      // As the kernel computes it, in float32.
      let [count, mean, squares] = [0, 0, 0];
      rows.forEach((n, t) => {
        const delta = fround(tiles[2 * F * t + f]! - mean);
        const more = fround(fround(delta * delta) * fround((count * n) / (count + n)));
        mean = fround(mean + fround(delta * fround(n / (count + n))));
        squares = fround(squares + fround(tiles[2 * F * t + F + f]! + more));
        count += n;
      });
      const rstd = fround(1 / fround(Math.sqrt(fround(fround(squares / B) + fround(1e-5)))));
      const one = (x: Bounded) => ({ value: x.value.subarray(f, f + 1), bound: x.bound.subarray(f, f + 1) });
      expectWithin([mean], one(got.mean));
      expectWithin([squares], one(got.squares));
      expectWithin([rstd], one(rstdOf(got.squares, B, fround(1e-5))));
    }
  });
});

describe('Adam of a rounded gradient', () => {
  const n = 400;
  const numbers = {
    B: 32,
    beta1: fround(0.9),
    beta2: fround(0.999),
    stepSize: fround(1e-3),
    epsHat: fround(1e-9),
  };
  // Gradients of every size against their own error and their history, and some with none.
  const scale = (i: number) => 10 ** -(i % 9);
  const gradient: Bounded = {
    value: normal(n).map((x, i) => x * scale(i)),
    bound: normal(n).map((x) => 1e-5 * Math.abs(x)),
  };
  const p = normal(n);
  const m = normal(n).map((x, i) => (i % 3 === 0 ? 0 : x * scale(i + 4)));
  const v = normal(n).map((x, i) => (i % 3 === 0 ? 0 : (x * scale(i + 4)) ** 2));

  it('is that of an exact one, where it is exact', () => {
    const got = adamOfRounded(exact(gradient.value), p, m, v, numbers);
    const want = adam(gradient.value, p, m, v, { ...numbers, scale: 1 / 32 });
    for (const key of ['p', 'm', 'v'] as const) {
      expectWithin(got[key].value, {
        value: want[key].value,
        bound: want[key].value.map((x) => 1e-14 * Math.abs(x)),
      });
      // The division by the batch size is 5 roundings where the product with its inverse is one.
      expect(Math.max(...got[key].bound.map((x, i) => x / want[key].bound[i]!))).toBeLessThan(6);
    }
  });

  it('stays in its bound wherever the gradient is in its own, in float32 too', () => {
    const want = adamOfRounded(gradient, p.map(fround), m.map(fround), v.map(fround), numbers);
    const { B, beta1, beta2, stepSize, epsHat } = numbers;
    for (let t = 0; t < 50; t++) {
      const got = { p: new Float64Array(n), m: new Float64Array(n), v: new Float64Array(n) };
      within(gradient).forEach((exactly, i) => {
        const g = fround(fround(exactly) / B);
        const newM = fround(fround(beta1 * fround(m[i]!)) + fround(fround(1 - beta1) * g));
        const newV = fround(fround(beta2 * fround(v[i]!)) + fround(fround(fround(1 - beta2) * g) * g));
        const below = fround(fround(Math.sqrt(newV)) + epsHat);
        got.m[i] = newM;
        got.v[i] = newV;
        got.p[i] = fround(fround(p[i]!) - fround(fround(stepSize * newM) / below));
      });
      // Rounding `exactly` to float32 is no part of the bound.
      for (const key of ['p', 'm', 'v'] as const) expectWithin(got[key], want[key], 1e-2);
    }
  });

  it('never moves further than the history and the averages allow', () => {
    const { p: moved } = adamOfRounded(
      { value: new Float64Array(n), bound: new Float64Array(n).fill(1) },
      p,
      m,
      v,
      numbers,
    );
    const none = moved.bound.filter((_, i) => i % 3 === 0);
    expect(Math.max(...none)).toBeLessThan(1.01 * numbers.stepSize * (0.1 / Math.sqrt(0.001)));
  });
});

describe('softmax of rounded logits', () => {
  const shape = { B: 40, C: 5 };
  const logits: Bounded = { value: normal(200), bound: normal(200).map((x) => 0.01 * Math.abs(x)) };
  const labels = Array.from({ length: 40 }, () => random.below(5));
  const want = softmaxXent(logits, labels, shape);

  it('stays in its bound wherever they are in theirs', () => {
    for (let t = 0; t < 50; t++) {
      const got = softmaxXent(exact(within(logits)), labels, shape);
      for (const key of ['loss', 'dLogits', 'correct'] as const) expectWithin(got[key].value, want[key]);
    }
  });

  it('is sure of the samples that are not near a tie', () => {
    expect(want.correct.bound.filter((x) => x === 0).length).toBeGreaterThan(30);
  });
});

describe('a loss as a word', () => {
  const cases = [
    [2.3, 1e-6],
    [1, 2 ** -24],
    [1e-3, 1e-9],
    [0, 0],
    [1e-9, 1e-7],
    [-1e-8, 1e-7],
  ] as const;

  it.each(cases)(
    'of %d, off by %d: no float within is out of its bound, and those well outside are',
    (value, bound) => {
      const word = lossWord({ value, bound });
      const distance = (x: number) => Math.abs(bitsOf(x) - word.value);
      for (let t = 0; t <= 100; t++) {
        const x = fround(value + bound * (t / 50 - 1));
        if (Math.abs(x - value) <= bound) expect(distance(x)).toBeLessThanOrEqual(word.bound);
      }
      if (value - 2 * bound <= 0) return;
      expect(distance(fround(value + 2 * bound + 2 * U * value))).toBeGreaterThan(word.bound);
      expect(distance(fround(value - 2 * bound - 2 * U * value))).toBeGreaterThan(word.bound);
    },
  );

  it('is any, of a loss that is not finite', () => {
    expect(lossWord({ value: Number.NaN, bound: 0 }).bound).toBe(Number.POSITIVE_INFINITY);
    expect(lossWord({ value: Number.POSITIVE_INFINITY, bound: 0 }).bound).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('ReLU where its argument is nearly 0', () => {
  const one = (x: number) => exact(Float64Array.of(x));
  const norm = (mean: Bounded): Norm => ({
    mean,
    rstd: one(1),
    gamma: Float64Array.of(1),
    beta: Float64Array.of(0),
  });
  const of = (z: number, off: number) =>
    masked(
      { value: Float64Array.of(3), bound: Float64Array.of(0.1) },
      Float64Array.of(z),
      norm({ value: Float64Array.of(1), bound: Float64Array.of(off) }),
      { B: 1, F: 1 },
      1,
    );

  it('may let a gradient through or not, and the sums have it or not', () => {
    for (const z of [1 + 1e-7, 1 - 1e-7]) {
      const { dn, sums } = of(z, 1e-6);
      expect(dn.value[0]).toBe(z > 1 ? 3 : 0);
      expect(dn.bound[0]).toBeCloseTo(3.1, 9);
      expect(sums.bound[0]).toBeGreaterThan(3);
    }
  });

  it('is sure a little further off', () => {
    expect(of(1 + 1e-5, 1e-6).dn).toEqual({ value: Float64Array.of(3), bound: Float64Array.of(0.1) });
    expect(of(1 - 1e-5, 1e-6).dn).toEqual({ value: Float64Array.of(0), bound: Float64Array.of(0) });
  });
});
