import { expect, it } from 'vitest';
import { CostEstimate, expandGrid, scaleLengths } from '../../bench/sweep-grid.ts';
import { tinyConfig } from '../support/cli.ts';

it('takes every method with every value and every seed, seeds outermost, methods innermost', () => {
  const axes = [
    { name: 'layers', values: [3, 4] },
    { name: 'sg-labels', values: [true, false] },
  ];
  const points = expandGrid(['bp', 'cdni'], [1, 7], axes);
  const ids = points.map((point) => point.id);
  expect(ids.slice(0, 8)).toEqual([
    'bp-layers=3-sg-labels=on-seed=1',
    'cdni-layers=3-sg-labels=on-seed=1',
    'bp-layers=3-sg-labels=off-seed=1',
    'cdni-layers=3-sg-labels=off-seed=1',
    'bp-layers=4-sg-labels=on-seed=1',
    'cdni-layers=4-sg-labels=on-seed=1',
    'bp-layers=4-sg-labels=off-seed=1',
    'cdni-layers=4-sg-labels=off-seed=1',
  ]);
  expect(ids.slice(8)).toEqual(ids.slice(0, 8).map((id) => id.replace('seed=1', 'seed=7')));
  expect(points[13]).toMatchObject({
    method: 'cdni',
    seed: 7,
    set: { layers: 4, 'sg-labels': true },
  });
});

it('is the methods and seeds alone without axes', () => {
  expect(expandGrid(['no-bp'], [1, 2], []).map((point) => point.id)).toEqual([
    'no-bp-seed=1',
    'no-bp-seed=2',
  ]);
});

it('writes numbers as the shortest text that is that number', () => {
  const values = [3e-5, 1e-7, 0.5];
  expect(expandGrid(['bp'], [1], [{ name: 'lr', values }]).map((point) => point.id)).toEqual([
    'bp-lr=0.00003-seed=1',
    'bp-lr=1e-7-seed=1',
    'bp-lr=0.5-seed=1',
  ]);
});

it.each([
  [0.01, { steps: 5_000, lrDrops: [3_000, 4_000], evalEvery: 50 }],
  [1, { steps: 500_000, lrDrops: [300_000, 400_000], evalEvery: 5_000 }],
  [1.3e-5, { steps: 7, lrDrops: [4, 5], evalEvery: 1 }],
  [1e-9, { steps: 1, lrDrops: [1, 1], evalEvery: 1 }],
])('scales by %f', (scale, expected) => {
  const protocol = { steps: 500_000, lrDrops: [300_000, 400_000], evalEvery: 5_000 };
  expect(scaleLengths(protocol, scale)).toEqual(expected);
});

it('estimates what is left from cells of the same sort, else from the mean of all', () => {
  const estimate = new CostEstimate();
  const bp = tinyConfig({ methods: ['bp'], steps: 10 });
  const cdni = tinyConfig({ methods: ['cdni'], steps: 10 });
  expect(estimate.left([bp])).toBeNaN();
  expect(estimate.left([])).toBe(0);
  estimate.learn(bp, { status: 'finished' }, 2);
  estimate.learn(cdni, { status: 'failed' }, 1000);
  estimate.learn(cdni, { status: 'finished' }, 6);
  // Another seed and three times the steps: three times as long.
  const later = tinyConfig({ methods: ['bp'], seed: 9, steps: 30 });
  const unknown = tinyConfig({ methods: ['dni'], steps: 10 });
  expect(estimate.left([later])).toBeCloseTo(6, 10);
  expect(estimate.left([later, cdni, unknown])).toBeCloseTo(6 + 6 + 4, 10);
});
