import { expect, it } from 'vitest';
import type { BenchRecord, RunRecord } from '../../src/report/record.ts';
import { ratioSentences } from '../../src/report/sentences.ts';
import { resultTable } from '../../src/report/table.ts';
import { rules } from '../../src/train/rules.ts';

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

const record = (
  runs: RunRecord[],
  kind: 'gpu' | 'cpu' = 'gpu',
  config: Partial<BenchRecord['config']> = {},
) => ({ device: { kind }, config: { layers: 4, ...config }, runs }) as unknown as BenchRecord;

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

/** A run of 50,000 steps in which this many layers were updated. */
const updating = (
  method: string,
  stepsPerSecond: number,
  layerUpdates: number,
  part: Partial<RunRecord> = {},
) =>
  run(method, stepsPerSecond, {
    layerUpdates,
    layerUpdatesPerSecond: (stepsPerSecond * layerUpdates) / 50_000,
    ...part,
  });

it('a gain of a method that skips updates is from skipped updates, with the ratio per layer update', () => {
  expect(
    sentence(updating('bp', 1000, 200_000), updating('no-bp', 2500, 50_000, { macsPerStep: 100e6 })),
  ).toBe(
    'no backprop : backprop = 2.50 in steps/s: a step of no backprop is 2.50 times as fast as one of backprop, with ' +
      '0.500 times its multiply-adds and 1.00 of 4 layers updated a step (backprop: 4.00), so that a layer update takes ' +
      '1.60 times as long as one of backprop; the gain is from skipped updates (test accuracy +0.00 points after ' +
      '50,000 steps each).',
  );
});

it('a gain beyond that is not all from skipped updates', () => {
  expect(sentence(updating('bp', 1000, 200_000), updating('cdni', 2500, 100_000))).toMatch(
    /2\.00 of 4 layers updated a step \(backprop: 4\.00\), so that a layer update is 1\.25 times as fast as one of backprop; skipped updates are a part of the gain, and not all of it \(/,
  );
});

it('a few updates that are missing are told, and explain no gain', () => {
  // The delay line of 4 layers, until the first gradients have come: 6 + 4 + 2 updates.
  expect(sentence(updating('bp', 1000, 200_000), updating('delayed-bp', 1200, 199_988))).toMatch(
    /every layer updated in every step by both, but for a few; the gain is not from skipped updates/,
  );
  expect(sentence(updating('bp', 1000, 200_000), updating('delayed-bp', 990, 199_988))).toMatch(
    /every layer updated in every step by both, but for a few; no speed-up here \(/,
  );
});

it('with updates skipped by both, a gain is not called one from unlocking', () => {
  const found = sentence(updating('bp', 2000, 40_000), updating('cdni', 3000, 40_000));
  expect(found).toMatch(
    /0\.800 of 4 layers updated a step \(backprop: 0\.800\), so that a layer update is 1\.50 times/,
  );
  expect(found).toMatch(/; updates are skipped, so that this is no gain from unlocking alone \(/);
  expect(found).not.toContain('every layer');
});

it('dgl unlocks without synthetic gradients', () => {
  const same = { macsPerStep: 200e6 };
  const found = sentence(run('bp', 1000, same), run('dgl', 1500, same));
  expect(found).toMatch(/; the gain is from unlocking, since nothing is skipped/);
  expect(found).not.toMatch(/synthetic/i);
});

it.each(['dfa', 'fa', 'delayed-bp'])('%s has no synthetic gradients, and no words of them', (method) => {
  const same = { macsPerStep: 200e6 };
  const faster = sentence(run('bp', 1000), run(method, 1500, same));
  const slower = sentence(run('bp', 1000), run(method, 700, same));
  const lighter = sentence(run('bp', 1000), run(method, 1500, { macsPerStep: 150e6 }));
  expect(faster).toMatch(/; the gain is not from skipped updates, since nothing is skipped \(/);
  expect(slower).toMatch(/; no speed-up here \(/);
  expect(lighter).toMatch(/; nothing is skipped, and there is less to compute \(/);
  for (const text of [faster, slower, lighter]) expect(text).not.toMatch(/unlock|synthetic/);
});

it('a mixture with the true gradient waits for it, so that nothing is unlocked', () => {
  const mixed = (method: string, speed: number) =>
    ratioSentences(record([run('bp', 1000), run(method, speed)], 'gpu', { lambda: 0.5 }))[0]!;
  expect(mixed('cdni', 1500)).toMatch(/; the gain is not from skipped updates, since nothing is skipped \(/);
  expect(mixed('cdni', 700)).toMatch(/; no speed-up here \(/);
  // Which does not heed it.
  expect(mixed('unlocked', 1500)).toMatch(/; the gain is from unlocking, since nothing is skipped \(/);
});

it('says nothing of updates that never happened', () => {
  const never = updating('cdni', 1000, 0);
  expect(sentence(updating('bp', 1000, 200_000), never)).toMatch(
    /and 0\.00 of 4 layers updated a step \(backprop: 4\.00\); no speed-up here/,
  );
});

it('takes the rate of a record that has no count', () => {
  // 4 x 1 / 3 x 3 is 4 but for its last bits.
  const rate = 1000 / 3;
  expect(sentence(run('bp', 1000), run('cdni', rate, { layerUpdatesPerSecond: (rate * 12) / 3 }))).toMatch(
    /and every layer updated in every step by both; no speed-up from unlocking here/,
  );
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
      '│ schedule            │  layered │    layered │',
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

it('has rows for what is skipped, where anything is', () => {
  const half = updating('bp', 1000, 100_000, { idleSteps: 3_125, dispatchesPerStep: 37.06251 });
  const names = (runs: RunRecord[]) =>
    resultTable({ runs })
      .split('\n')
      .map((line) => line.split('│').map((cell) => cell.trim()));
  expect(names([half]).slice(6, 10)).toEqual([
    ['', 'schedule', 'layered', ''],
    ['', 'MACs a step', '200 M', ''],
    ['', 'dispatches a step', '37.06', ''],
    ['', 'idle steps', '3,125', ''],
  ]);
  const both = names([updating('bp', 1000, 200_000), updating('no-bp', 2000, 50_000)]).flat();
  expect(both).toContain('layer updates a step');
  expect(both).not.toContain('idle steps');
  expect(names([updating('bp', 1000, 70_001)]).flat()).toContain('1.400');
});

it('names schedules that differ, and what is late', () => {
  const [bp, cdni] = [
    run('bp', 1000, { schedule: 'fused' }),
    run('cdni', 625, { schedule: 'wave-1', staleness: { gradient: 2, target: 3 } }),
  ];
  const text = sentence(bp, cdni);
  expect(text).toMatch(/^cDNI, wave-1 : backprop, fused = 0\.625 in steps\/s: /);
  expect(text).toContain('after 50,000 steps each, with gradients 2 steps late and targets 3 steps late)');
  const rows = resultTable({ runs: [bp, cdni] }).split('\n');
  expect(rows).toContainEqual(expect.stringMatching(/^│ schedule +│ +fused │ +wave-1 │$/));
  expect(rows).toContainEqual(expect.stringMatching(/^│ gradients late, steps +│ +0 │ +2 │$/));
  expect(rows).toContainEqual(expect.stringMatching(/^│ targets late, steps +│ +0 │ +3 │$/));
  // Nothing is said of what no run has.
  expect(sentence(bp, run('cdni', 625, { schedule: 'fused' }))).toMatch(/^cDNI : backprop = /);
  expect(resultTable({ runs: [bp] })).not.toContain('late');
});

it('is no wider than 100 columns for all methods at once, and has all figures', () => {
  const runs = [...rules.keys()].map((method, i) =>
    updating(method, 1 / (3 + i), 12_345 + i, {
      steps: 500_000,
      status: 'interrupted',
      trainSeconds: 359_000,
      idleSteps: 123_456,
      macsPerStep: 14_171_648 * 256,
      dispatchesPerStep: 1191.25,
      ...(i % 2 === 1 && { schedule: 'wave-1', staleness: { gradient: 2, target: 3 } }),
    }),
  );
  const table = resultTable({ runs });
  expect(Math.max(...table.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  for (const rule of rules.values())
    expect(table.split('\n').filter((line) => line.startsWith(`│ ${rule.title} `))).toHaveLength(3);
  const flat = table.replaceAll(/[│\s]+/g, ' ');
  for (const figure of [
    '500,000 (interrupted)',
    '99 h 43 min',
    '3,630 M',
    '1,191',
    '123,456',
    '98.00 %',
    '97.64 %',
  ])
    expect(flat).toContain(figure);
  // Fewer lie beside each other.
  const few = resultTable({ runs: runs.slice(0, 3) });
  expect(few.split('\n')[1]).toMatch(/^│ +│ +backprop │ +DNI │ +cDNI │$/);
  expect(few.indexOf('\n')).toBeLessThanOrEqual(100);
});
