import { describe, expect, it } from 'vitest';
import { Random } from '../../src/data/random.ts';
import { momentum, sgd } from '../../src/reference/sgd.ts';
import { normals64 } from '../support/gradients.ts';

const N = 9;
const STEPS = 20;

/** Seeded gradients, each summed over a batch of 8, and a learning rate for each step. */
function run(seed: number) {
  const random = new Random(seed);
  return {
    p: normals64(random, N),
    gradients: Array.from({ length: STEPS }, () => normals64(random, N)),
    rate: (step: number) => 0.1 / (1 + step),
  };
}

/** Apart by at most some roundings of numbers of the sizes that were added up. */
function expectClose(got: Float64Array, want: Float64Array, what: string): void {
  got.forEach((value, i) => {
    // At most 4 roundings a step, of numbers below 32.
    expect(Math.abs(value - want[i]!), `${what}[${i}]`).toBeLessThan(4 * STEPS * 32 * 2 ** -53);
  });
}

describe(`${STEPS} steps`, () => {
  it('of the sgd twin are the textbook: p -= rate * mean gradient, seed 50', () => {
    const { p, gradients, rate } = run(50);
    const want = p.slice();
    let got = p;
    gradients.forEach((g, step) => {
      for (let i = 0; i < N; i++) want[i]! -= rate(step) * g[i]!;
      const summed = g.map((v) => 8 * v);
      got = sgd(summed, got, { scale: 1 / 8, stepSize: rate(step) }).value;
    });
    expectClose(got, want, 'p');
  });

  it('of the momentum twin are the textbook, unrolled: v_t = sum of mu^(t - s) g_s, seed 51', () => {
    const mu = 0.9;
    const { p, gradients, rate } = run(51);
    const want = p.slice();
    let got: { p: Float64Array; v: Float64Array } = { p, v: new Float64Array(N) };
    gradients.forEach((g, t) => {
      const v = new Float64Array(N);
      for (let i = 0; i < N; i++) {
        for (let s = 0; s <= t; s++) v[i]! += mu ** (t - s) * gradients[s]![i]!;
        want[i]! -= rate(t) * v[i]!;
      }
      const summed = g.map((x) => 8 * x);
      const next = momentum(summed, got.p, got.v, { scale: 1 / 8, mu, stepSize: rate(t) });
      got = { p: next.p.value, v: next.v.value };
      expectClose(got.v, v, `v after step ${t}`);
    });
    expectClose(got.p, want, 'p');
  });

  it('a steady gradient takes momentum to 1 / (1 - mu) times the speed of sgd', () => {
    let state: Record<'p' | 'v', Float64Array> = { p: Float64Array.of(0), v: Float64Array.of(0) };
    for (let t = 0; t < 400; t++) {
      const { p, v } = momentum([3], state.p, state.v, { scale: 1, mu: 0.9, stepSize: 0.01 });
      state = { p: p.value, v: v.value };
    }
    // 0.9^400 is below 1e-18.
    expect(Math.abs(state.v[0]! - 30)).toBeLessThan(1e-13);
  });

  it('without a gradient leave a parameter without velocity as it is', () => {
    const p = Float64Array.of(1, -2, 3);
    const zeros = new Float64Array(3);
    expect(sgd(zeros, p, { scale: 1, stepSize: 0.5 }).value).toEqual(p);
    const after = momentum(zeros, p, zeros, { scale: 1, mu: 0.9, stepSize: 0.5 });
    expect([after.p.value, after.v.value]).toEqual([p, zeros]);
  });
});

describe('the bounds', () => {
  it('hold where a device flushes every number below the smallest normal one to zero', () => {
    const tiny = 2 ** -126;
    const flush = (x: number) => (Math.abs(x) < tiny ? 0 : x);
    const sizes = [0.3, 0.95, 1, 1.05, 1.9, 3].map((s) => s * tiny);
    for (const stepSize of [1e-3, 1, 8]) {
      for (const g of sizes) {
        for (const v of sizes) {
          const k = { scale: 0.5, mu: 0.9, stepSize };
          const velocity = flush(flush(0.9 * flush(v)) + flush(0.5 * flush(g)));
          const twin = momentum([g], [0], [v], k);
          expect(Math.abs(velocity - twin.v.value[0]!)).toBeLessThanOrEqual(twin.v.bound[0]!);
          const moved = flush(-flush(stepSize * velocity));
          expect(Math.abs(moved - twin.p.value[0]!)).toBeLessThanOrEqual(twin.p.bound[0]!);
          const plain = sgd([g], [0], k);
          const step = flush(-flush(stepSize * flush(0.5 * flush(g))));
          expect(Math.abs(step - plain.value[0]!)).toBeLessThanOrEqual(plain.bound[0]!);
        }
      }
    }
  });
});
