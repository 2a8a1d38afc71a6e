import { expect, it } from 'vitest';
import type { BenchRecord, RunRecord } from '../../src/report/record.ts';
import { ratioSentences } from '../../src/report/sentences.ts';
import { resultTable } from '../../src/report/table.ts';

const score = (accuracy: number) => ({ loss: 0.25, accuracy, samples: 10_000 });

function run(method: string, stepsPerSecond: number, part: Partial<RunRecord> = {}): RunRecord {
  const steps = 50_000;
  return {
    method,
    schedule: 'layered',
    seed: 1,
    status: 'finished',
    error: null,
    steps,
    trainSeconds: steps / stepsPerSecond,
    stepsPerSecond,
    layerUpdatesPerSecond: 4 * stepsPerSecond,
    macsPerStep: method === 'bp' ? 200e6 : 300e6,
    dispatchesPerStep: 50,
    train: score(0.98),
    validation: score(0.97),
    test: score(0.9764),
    curve: [],
    ...part,
  };
}

const record = (runs: RunRecord[], kind: 'gpu' | 'cpu' = 'gpu') =>
  ({ device: { kind }, runs }) as unknown as BenchRecord;

const sentence = (bp: RunRecord, cdni: RunRecord, kind?: 'gpu' | 'cpu'): string => {
  const found = ratioSentences(record([bp, cdni], kind));
  expect(found).toHaveLength(1);
  return found[0]!;
};

it('slower', () => {
  expect(sentence(run('bp', 1000), run('cdni', 625, { test: score(0.9695) }))).toBe(
    'cDNI : backprop = 0.625 in steps/s: a step of cDNI takes 1.60 times as long as one of backprop, with 1.50 times ' +
      'its multiply-adds and every layer updated in every step by both; no speed-up from unlocking here ' +
      '(test accuracy -0.69 points after 50,000 steps each).',
  );
});

it('faster', () => {
  expect(sentence(run('bp', 1000), run('cdni', 1550, { test: score(0.9864) }))).toBe(
    'cDNI : backprop = 1.55 in steps/s: a step of cDNI is 1.55 times as fast as one of backprop, with 1.50 times ' +
      'its multiply-adds and every layer updated in every step by both; the gain is from unlocking, since nothing is ' +
      'skipped (test accuracy +1.00 points after 50,000 steps each).',
  );
});

it('equal, as far as can be told', () => {
  for (const other of [975, 1000, 1025]) {
    expect(sentence(run('bp', 1000), run('cdni', other))).toMatch(
      /: a step of cDNI is as fast as one of backprop, .*; no speed-up from unlocking here \(test accuracy \+0\.00 points/,
    );
  }
});

it('says nothing of the cause after less than a second', () => {
  const short = { steps: 300, trainSeconds: 0.3 };
  expect(sentence(run('bp', 1000, short), run('cdni', 1500, { steps: 300, trainSeconds: 0.2 }))).toMatch(
    /; less than 1 s of training is too short to tell why \(test accuracy/,
  );
  expect(sentence(run('bp', 1000), run('cdni', 1500, short))).toMatch(/; less than 1 s of training/);
});

it('says that a CPU driver says nothing about GPUs', () => {
  const [bp, cdni] = [run('bp', 10), run('cdni', 7)];
  expect(sentence(bp, cdni, 'cpu')).toMatch(/\. On a CPU driver: this says nothing about GPUs\.$/);
  expect(sentence(bp, cdni, 'gpu')).not.toMatch(/CPU/);
});

it('compares speeds after an interruption, but no accuracies', () => {
  const interrupted = run('cdni', 500, { status: 'interrupted', steps: 10_000, test: null });
  expect(sentence(run('bp', 1000), interrupted)).toMatch(/ takes 2\.00 times as long .*unlocking here\.$/);
});

it('says so when the numbers of steps differ', () => {
  expect(sentence(run('bp', 1000), run('cdni', 500, { steps: 10 }))).toMatch(
    /\(test accuracy \+0\.00 points after unequal numbers of steps\)\.$/,
  );
});

it('says nothing without backprop, without another method, or of a run that failed or never began', () => {
  expect(ratioSentences(record([]))).toEqual([]);
  expect(ratioSentences(record([run('bp', 1000)]))).toEqual([]);
  expect(ratioSentences(record([run('cdni', 1000)]))).toEqual([]);
  expect(ratioSentences(record([run('bp', 1000), run('cdni', 900, { status: 'failed' })]))).toEqual([]);
  const never = { status: 'interrupted', steps: 0, trainSeconds: 0 } as const;
  expect(ratioSentences(record([run('bp', 1000), run('cdni', 0, never)]))).toEqual([]);
});

it('compares each method with backprop, wherever that stands', () => {
  const found = ratioSentences(record([run('cdni', 500), run('bp', 1000), run('other', 2000)]));
  expect(found.map((text) => text.split(':', 2).join(':'))).toEqual([
    'cDNI : backprop = 0.500 in steps/s',
    'other : backprop = 2.00 in steps/s',
  ]);
});

it('the table has a column for each method and a row for each figure of the paper', () => {
  const cdni = run('cdni', 0, {
    status: 'failed',
    steps: 0,
    layerUpdatesPerSecond: 0,
    train: null,
    test: null,
  });
  expect(resultTable({ runs: [run('bp', 1250), cdni] })).toBe(
    [
      '┌─────────────────────┬──────────┬────────────┐',
      '│                     │ backprop │       cDNI │',
      '│ steps               │   50,000 │ 0 (failed) │',
      '│ training only       │   40.0 s │          - │',
      '│ steps/s             │    1,250 │       0.00 │',
      '│ time a layer update │   200 us │          - │',
      '│ MACs a step         │    200 M │      300 M │',
      '│ dispatches a step   │       50 │         50 │',
      '│ train accuracy      │  98.00 % │          - │',
      '│ train loss          │   0.2500 │          - │',
      '│ test accuracy       │  97.64 % │          - │',
      '│ test loss           │   0.2500 │          - │',
      '└─────────────────────┴──────────┴────────────┘',
    ].join('\n'),
  );
});
