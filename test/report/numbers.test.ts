import { expect, it } from 'vitest';
import { count, duration, percent, significant } from '../../src/report/numbers.ts';

it.each([
  [0, '0.00'],
  [0.012345, '0.0123'],
  [1.005, '1.00'],
  [9.999, '10.0'],
  [12.345, '12.3'],
  [999.4, '999'],
  [999.6, '1,000'],
  [1234, '1,230'],
  [1234567, '1,230,000'],
  [1e-9, '1.00e-9'],
  [3e15, '3.00e+15'],
  [-1234, '-1,230'],
  [Number.NaN, 'NaN'],
  [Number.POSITIVE_INFINITY, 'Infinity'],
])('significant(%d) is %s', (value, text) => {
  expect(significant(value)).toBe(text);
});

it('takes the number of digits', () => {
  expect(significant(1234.5, 2)).toBe('1,200');
  expect(significant(0.5, 1)).toBe('0.5');
});

it.each([
  [0, '0 s'],
  [2e-7, '0.200 us'],
  [3.456e-5, '34.6 us'],
  [0.0123, '12.3 ms'],
  [1, '1.00 s'],
  [59.94, '59.9 s'],
  [119.4, '119 s'],
  [120, '2 min 0 s'],
  [179.6, '3 min 0 s'],
  [3599.4, '59 min 59 s'],
  [3599.6, '1 h 0 min'],
  [7199, '2 h 0 min'],
  [9000, '2 h 30 min'],
  [360_000, '100 h 0 min'],
  [Number.POSITIVE_INFINITY, '-'],
  [Number.NaN, '-'],
])('duration(%d) is %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

it('a duration never says 60 minutes or 60 seconds beside a larger unit', () => {
  for (let seconds = 100; seconds < 20_000; seconds += 0.3) {
    expect(duration(seconds)).not.toMatch(/ 60 /);
  }
});

it('counts and shares', () => {
  expect(count(1234567)).toBe('1,234,567');
  expect(count(0)).toBe('0');
  expect(percent(0.9764)).toBe('97.64 %');
  expect(percent(1)).toBe('100.00 %');
});
