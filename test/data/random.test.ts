import { describe, expect, test } from 'vitest';
import { fmix32, Random, xoshiro128 } from '../../src/data/random.ts';
import { expectInputError } from './files.ts';

const take = <T>(count: number, draw: () => T): T[] => Array.from({ length: count }, draw);

describe('generator', () => {
  test('xoshiro128** gives the reference sequence of state 1, 2, 3, 4', () => {
    // From Blackman and Vigna's C code (version 1.1); the test of Rust's rand_xoshiro holds the same.
    const state = Uint32Array.of(1, 2, 3, 4);
    expect(take(10, () => xoshiro128(state))).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  test('fmix32 gives the published hashes of the empty string', () => {
    // MurmurHash3 x86_32 of '' is fmix32(seed).
    expect([0, 1, 0xffffffff].map(fmix32)).toEqual([0, 0x514e28b7, 0x81f16f39]);
  });

  // The golden values below were computed by an independent program in Python's unbounded integers.
  test.each([
    [0, [3809008728, 1133695204, 53579671, 2891528803, 139681546]],
    [42, [2837322924, 544945897, 479756282, 3500138142, 339756180]],
    [4294967295, [835879718, 1921286648, 2356205009, 1885780724, 980451116]],
  ])('seed %i gives its golden sequence', (seed, expected) => {
    const random = new Random(seed);
    expect(take(5, () => random.uint32())).toEqual(expected);
  });

  test('uniform and normal give their golden values', () => {
    const uniform = new Random(42);
    expect(take(3, () => uniform.uniform())).toEqual([
      0.6606157208001621, 0.1117019639532224, 0.0791056456144914,
    ]);
    const normal = new Random(42);
    expect(take(4, () => normal.normal())).toEqual([
      -1.9628608379046266, 0.11791818394798002, -0.49257449669909914, 0.04216519514031254,
    ]);
  });

  test.each([-1, 0.5, 2 ** 32, Number.NaN, Number.POSITIVE_INFINITY])('refuses seed %d', async (seed) => {
    await expectInputError(
      () => new Random(seed),
      `seed: expected an integer from 0 to 4294967295, found ${seed}`,
    );
  });
});

describe('distributions, within 5 standard errors of their expectation', () => {
  const n = 200_000;

  test('uniform: mean, variance, range', () => {
    const random = new Random(1);
    const x = take(n, () => random.uniform());
    expect(x.every((v) => v >= 0 && v < 1)).toBe(true);
    // Var(x) = 1/12; Var((x - 1/2)^2) = 1/80 - 1/144 = 1/180.
    expect(Math.abs(mean(x) - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(mean(x.map((v) => (v - 0.5) ** 2)) - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / n));
  });

  test('normal: first four moments and the tail', () => {
    const random = new Random(2);
    const x = take(n, () => random.normal());
    // Moments of x^k are E x^k and Var x^k = E x^2k - (E x^k)^2, with E x^2, x^4, x^6, x^8 = 1, 3, 15, 105.
    for (const [power, expected, variance] of [
      [1, 0, 1],
      [2, 1, 2],
      [3, 0, 15],
      [4, 3, 96],
    ]) {
      const moment = mean(x.map((v) => v ** power));
      expect(Math.abs(moment - expected), `moment ${power}`).toBeLessThan(5 * Math.sqrt(variance / n));
    }
    const tail = 0.0455002638963584; // P(|x| > 2)
    const found = x.filter((v) => Math.abs(v) > 2).length / n;
    expect(Math.abs(found - tail)).toBeLessThan(5 * Math.sqrt((tail * (1 - tail)) / n));
  });

  test.each([2, 3, 5, 7, 8, 10])('below(%i): every value equally often', (k) => {
    const random = new Random(3);
    const counts = new Array<number>(k).fill(0);
    for (let i = 0; i < n; i++) counts[random.below(k)]++;
    for (const count of counts) {
      expect(Math.abs(count / n - 1 / k)).toBeLessThan(5 * Math.sqrt(((1 / k) * (1 - 1 / k)) / n));
    }
  });

  test('below: its smallest and largest range, and what is out of it', () => {
    const random = new Random(4);
    expect(random.below(1)).toBe(0);
    const next = new Random(4).uint32();
    expect(new Random(4).below(2 ** 32)).toBe(next);
    for (const n of [0, -1, 1.5, 2 ** 32 + 1, Number.NaN]) expect(() => random.below(n)).toThrow(RangeError);
  });

  test('shuffle: a permutation, every order of four equally often', () => {
    const random = new Random(5);
    const large = random.shuffle(Uint32Array.from({ length: 1000 }, (_, i) => i));
    expect(Array.from(large)).not.toEqual(take(1000, () => 0).map((_, i) => i));
    expect(Array.from(large).sort((a, b) => a - b)).toEqual(take(1000, () => 0).map((_, i) => i));

    const trials = 48_000;
    const orders = new Map<string, number>();
    for (let i = 0; i < trials; i++) {
      const key = random.shuffle(Uint32Array.of(0, 1, 2, 3)).join();
      orders.set(key, (orders.get(key) ?? 0) + 1);
    }
    expect(orders.size).toBe(24);
    for (const count of orders.values()) {
      expect(Math.abs(count / trials - 1 / 24)).toBeLessThan(5 * Math.sqrt(((1 / 24) * (23 / 24)) / trials));
    }
    expect(Array.from(random.shuffle(new Uint32Array(0)))).toEqual([]);
  });
});

describe('fork', () => {
  test('golden values', () => {
    const text = new Random(42).fork('layer2');
    expect(take(4, () => text.uint32())).toEqual([2745067386, 1208623324, 1843281395, 3148605854]);
    const number = new Random(42).fork(2);
    expect(take(4, () => number.uint32())).toEqual([2118263838, 534592253, 411185295, 1269871971]);
  });

  test('does not depend on what was drawn before, and draws nothing', () => {
    const parent = new Random(6);
    const before = parent.fork('a').uint32();
    const fresh = new Random(6);
    expect(parent.uint32()).toBe(fresh.uint32());
    take(100, () => parent.normal());
    expect(parent.fork('a').uint32()).toBe(before);
  });

  test('every label, path and seed gives another stream', () => {
    const root = new Random(7);
    const streams = [
      root,
      ...['', '1', '2', '12', 'a', 'b', 'ab', 'é', 1, 2, 0, 97, 4294967295].map((label) => root.fork(label)),
      root.fork('a').fork('b'),
      root.fork('b').fork('a'),
      root.fork(1).fork(2),
      new Random(8).fork('a'),
    ];
    const firsts = streams.map((stream) => take(2, () => stream.uint32()).join());
    expect(new Set(firsts).size).toBe(streams.length);
  });

  test('streams of neighbouring labels are uncorrelated', () => {
    const n = 50_000;
    const root = new Random(9);
    const [a, b] = [root.fork(0), root.fork(1)];
    // Each product has mean 0 and variance 1.
    const products = take(n, () => a.normal() * b.normal());
    expect(Math.abs(mean(products))).toBeLessThan(5 / Math.sqrt(n));
  });

  test('refuses a number that is no 32-bit integer', () => {
    for (const label of [-1, 0.5, 2 ** 32, Number.NaN]) {
      expect(() => new Random(0).fork(label)).toThrow(RangeError);
    }
  });
});

function mean(x: number[]): number {
  return x.reduce((sum, v) => sum + v, 0) / x.length;
}
