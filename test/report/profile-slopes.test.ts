import { describe, expect, it } from 'vitest';
import { spreadOf } from '../../src/report/profile/rows.ts';
import { fromSlopes, slopeSentences } from '../../src/report/profile/slopes.ts';
import { methodSentences } from '../../src/report/profile/tables.ts';
import { methodProfile } from './profile-data.ts';

describe('slopes of the wall clock', () => {
  it('are times in seconds', () => {
    expect(fromSlopes([3000, 1000, 2000])).toEqual({
      seconds: spreadOf([1e-6, 2e-6, 3e-6]),
      slopes: { pairs: 3, notPositive: 0 },
    });
  });

  it('that are not positive are in no quantile, and counted', () => {
    const { seconds, slopes } = fromSlopes([3000, -9000, 1000, 0, 2000]);
    expect(seconds).toEqual(spreadOf([1e-6, 2e-6, 3e-6]));
    expect(slopes).toEqual({ pairs: 5, notPositive: 2 });
  });

  it('are no time where half of them are none', () => {
    expect(fromSlopes([3000, -9000, 1000, -1]).seconds).toBeNull();
    expect(fromSlopes([-5])).toEqual({ seconds: null, slopes: { pairs: 1, notPositive: 1 } });
  });
});

it('what is said of slopes is how many were left out', () => {
  expect(slopeSentences({ pairs: 35, notPositive: 0 })).toEqual([]);
  expect(slopeSentences({ pairs: 35, notPositive: 1 })).toEqual([
    '1 of 35 slopes was not positive, which is below the noise of the wall clock, and left out.',
  ]);
  const method = methodProfile(undefined, { timestamps: null, slopes: { pairs: 30, notPositive: 4 } });
  expect(methodSentences(method)).toEqual([expect.stringMatching(/^4 of 30 slopes were not positive/)]);
});
