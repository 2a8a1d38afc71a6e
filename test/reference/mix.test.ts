import { describe, expect, it } from 'vitest';
import { mix } from '../../src/reference/mix.ts';

describe('the mix twin', () => {
  it('is the weighted mean, by hand', () => {
    expect([...mix([4, -8, 1], [0, 4, 1], 0.25).value]).toEqual([1, 1, 1]);
    expect([...mix([4, -8, 1], [0, 4, 1], 0.75).value]).toEqual([3, -5, 1]);
  });

  it('is one of the two at the ends, exactly, whatever the other one holds', () => {
    const ordinary = [1, -0, 0, 3e38, -1 / 3, Number.POSITIVE_INFINITY];
    for (const other of [0, -1, Number.POSITIVE_INFINITY, Number.NaN]) {
      const others = ordinary.map(() => other);
      for (const { value, bound } of [mix(ordinary, others, 1), mix(others, ordinary, 0)]) {
        expect([...value]).toEqual(ordinary);
        expect([...bound]).toEqual([0, 0, 0, 0, 0, 0]);
      }
    }
  });

  it('lies between the two, and has a bound that three roundings of each term keep', () => {
    const [a, b] = [Float64Array.of(1, 5, -2), Float64Array.of(2, -5, -2.5)];
    for (const lambda of [0.1, 0.5, 0.9]) {
      const { value, bound } = mix(a, b, lambda);
      const rest = Math.fround(1 - lambda);
      value.forEach((y, i) => {
        expect(y).toBeGreaterThanOrEqual(Math.min(a[i]!, b[i]!));
        expect(y).toBeLessThanOrEqual(Math.max(a[i]!, b[i]!));
        const device = Math.fround(Math.fround(lambda * a[i]!) + Math.fround(rest * b[i]!));
        expect(Math.abs(device - y)).toBeLessThanOrEqual(bound[i]!);
      });
    }
  });
});
