import { expect, it } from 'vitest';
import { meanCurve, secondsTo, standing, summarize } from '../../src/report/page/statistics.ts';
import { timeUnit } from '../../src/report/page/tables.ts';
import { logTicks } from '../../src/report/page/ticks.ts';

it('mean, standard deviation of the sample, and range', () => {
  // Squares about the mean 5: 9, 1, 1, 1, 0, 0, 4, 16 = 32, over 7.
  expect(summarize([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({
    n: 8,
    mean: 5,
    sd: Math.sqrt(32 / 7),
    min: 2,
    max: 9,
  });
  expect(summarize([3, 5])).toMatchObject({ mean: 4, sd: Math.SQRT2 });
});

it('one value has no spread, and none has nothing', () => {
  expect(summarize([7])).toEqual({ n: 1, mean: 7, sd: Number.NaN, min: 7, max: 7 });
  const nothing = { mean: Number.NaN, sd: Number.NaN, min: Number.NaN, max: Number.NaN };
  expect(summarize([])).toEqual({ n: 0, ...nothing });
});

it.each([
  [[1, 2], [3, 4], 'below'],
  [[3, 4], [1, 2], 'above'],
  [[1, 3], [2, 4], 'within'],
  [[1, 2], [2, 3], 'within'],
  [[1, 9], [4, 5], 'within'],
  [[1], [3, 4], 'unknown'],
  [[1, 2], [9], 'unknown'],
] as const)('%j stands %s %s', (a, b, expected) => {
  expect(standing(summarize(a), summarize(b))).toBe(expected);
});

const point = (step: number, accuracy: number, seconds = step / 10, loss: number | null = 1 - accuracy) => ({
  step,
  seconds,
  train: { loss: 1, accuracy: 0.5 },
  validation: { loss: loss as number, accuracy, samples: 100 },
});

it('time to an accuracy is that of the first evaluation at or above it, with nothing in between', () => {
  const curve = [point(10, 0.9), point(20, 0.969), point(30, 0.97), point(40, 0.96), point(50, 0.99)];
  expect(secondsTo(curve)).toBe(3);
  expect(secondsTo(curve, 0.9)).toBe(1);
  expect(secondsTo(curve, 0.98)).toBe(5);
  expect(secondsTo(curve, 0.991)).toBeUndefined();
  expect(secondsTo([])).toBeUndefined();
});

it('a mean curve has the steps that every seed has, at the mean of their seconds', () => {
  const one = [point(10, 0.5, 1), point(20, 0.7, 2), point(30, 0.8, 3)];
  const other = [point(10, 0.7, 2), point(30, 0.6, 7)];
  expect(meanCurve([one, other], (p) => p.validation.accuracy)).toEqual([
    { step: 10, seconds: 1.5, value: summarize([0.5, 0.7]) },
    { step: 30, seconds: 5, value: summarize([0.8, 0.6]) },
  ]);
});

it('a mean curve leaves out what is not finite in any seed', () => {
  const one = [point(10, 0.5), point(20, 0.7)];
  const other = [point(10, 0.5, 1, null), point(20, 0.7)];
  expect(meanCurve([one, other], (p) => p.validation.loss).map((p) => p.step)).toEqual([20]);
  expect(meanCurve([], () => 1)).toEqual([]);
});

it.each([
  [4e-6, 'µs'],
  [2e-3, 'ms'],
  [59, 's'],
  [119, 's'],
  [120, 'min'],
  [7199, 'min'],
  [7200, 'h'],
])('%d s are told in %s', (seconds, unit) => {
  expect(timeUnit(seconds).name).toBe(unit);
});

it('ticks of a logarithmic axis are 1, 2 and 5 of each decade, or 1 alone where there are many', () => {
  expect(logTicks(0.02, 0.5)).toEqual([0.02, 0.05, 0.1, 0.2, 0.5]);
  expect(logTicks(0.001, 20)).toEqual([0.001, 0.01, 0.1, 1, 10]);
});
