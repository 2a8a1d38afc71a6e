import { describe, expect, it } from 'vitest';
import { confoundSection } from '../../src/report/page/confound.ts';
import { curvesSection } from '../../src/report/page/curves.ts';
import { probabilitySection } from '../../src/report/page/errors.ts';
import { resultsSection, summary } from '../../src/report/page/results.ts';
import { headline, namer, type Section } from '../../src/report/page/section.ts';
import { labels } from '../../src/report/page/words.ts';
import type { BenchRecord } from '../../src/report/record.ts';
import { grouped, made, type Wanted } from './report-records.ts';

/** What every cell of a sweep with `--schedule wave` is asked for. */
const ASKED = { schedule: 'wave', waveStages: 3 } as const;
const LATE = { gradient: 0, target: 1 };

/** Runs of a method at both probabilities, of the schedules that they had in the end. */
const fallenBack = (method: string, all: string, seeds: readonly number[] = [1, 2]): BenchRecord[] =>
  [1, 0.2].flatMap((p) =>
    seeds.map((seed) => {
      const schedule = p === 1 ? all : 'layered';
      const run: Wanted['run'] = {
        schedule,
        ...(schedule !== 'wave' && { scheduleNote: 'they update every layer in every step' }),
        ...(schedule === 'wave' && { staleness: LATE }),
      };
      return made({ method, p, seed, config: ASKED, run });
    }),
  );

const confound = [...fallenBack('bp', 'fused'), ...fallenBack('cdni', 'wave')];
const layered = ['bp', 'cdni'].flatMap((method) => fallenBack(method, 'layered'));
const sentencesOf = ({ blocks }: Section): string => blocks.flatMap((block) => block.sentences).join('\n');
const rowsOf = ({ blocks }: Section): string[] =>
  blocks[0]!.table!.rows.map((row) =>
    row
      .slice(0, 4)
      .map((cell) => cell.text)
      .join(', '),
  );

describe('runs that fell back to another schedule', () => {
  it('are called by the one they had', () => {
    const section = resultsSection(grouped(confound).groups, namer());
    expect(section.blocks[0]!.table!.head.slice(0, 4)).toEqual(['method', 'p', 'schedule', 'late, in steps']);
    expect(rowsOf(section)).toEqual([
      'backprop, 1, fused, nothing',
      'cDNI, 1, wave, targets by 1',
      'backprop, 0.2, layered, nothing',
      'cDNI, 0.2, layered, nothing',
    ]);
  });

  it('are those that were asked for it', () => {
    const asked = fallenBack('bp', 'layered', [1]);
    const unasked = [1, 0.2].map((p) => made({ method: 'bp', p, seed: 2 }));
    expect(grouped([...asked, ...unasked]).groups.map((g) => g.seeds)).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  it('are taken apart like others, where all are of one schedule', () => {
    const { blocks } = confoundSection(grouped(layered).groups, namer());
    expect(blocks.map((block) => block.table!.id)).toEqual(['table-confound-50000-steps']);
    expect(blocks[0]!.table!.head).not.toContain('schedule');
    expect(blocks[0]!.sentences[0]).not.toContain('schedule');
  });

  it('are taken apart over two schedules where there is nothing better, and nothing is made of it', () => {
    const section = confoundSection(grouped(confound).groups, namer());
    expect(section.blocks.map((block) => block.table!.id)).toEqual([
      'table-confound-50000-steps-fused-layered-wave',
    ]);
    expect(rowsOf(section)).toHaveLength(4);
    const [sentence] = section.blocks[0]!.sentences;
    expect(sentence).toMatch(/^cDNI at p = 0\.2 does /);
    expect(sentence).toContain('and from another schedule (layered instead of wave)');
    expect(sentence).toContain('cannot be told from these runs, since their schedules differ');
    expect(sentence).toMatch(/backprop does \S+ times its steps \(layered instead of fused\)/);
    expect(sentence).not.toMatch(/all of the gain|a part of the gain|no gain/);
  });

  it('are left out of that where the same rule is there with one schedule', () => {
    const { blocks } = confoundSection(grouped([...layered, ...confound]).groups, namer());
    expect(blocks.map((block) => block.table!.id)).toEqual(['table-confound-50000-steps']);
  });

  it('gain nothing from unlocking that the schedule may have brought', () => {
    const quick = { stepsPerSecond: 1e5, layerUpdatesPerSecond: 4e5, schedule: 'fused' };
    const runs = [1, 2].flatMap((seed) => [
      made({ method: 'bp', seed }),
      made({ method: 'cdni', seed, run: quick }),
    ]);
    const text = sentencesOf(resultsSection(grouped(runs).groups, namer()));
    expect(text).toContain('cDNI, fused: a step is ');
    expect(text).toContain('one of backprop, layered');
    expect(text).toContain('The schedules are not the same (fused and layered): the gain may be from that');
  });

  it('are one line over update probabilities, unless something of them is late', () => {
    const { blocks } = probabilitySection(grouped(confound).groups, namer());
    expect(blocks[0]!.sentences[0]).toMatch(/^Test error of backprop /);
    expect(blocks[0]!.sentences[0]).not.toContain('cDNI');
    expect(blocks[0]!.sentences).toContain(
      'cDNI is not drawn, since its runs are not alike: late are targets by 1 at p = 1, nothing at p = 0.2.',
    );
    const both = probabilitySection(
      grouped([...fallenBack('bp', 'fused'), ...fallenBack('cdni', 'layered')]).groups,
      namer(),
    );
    expect(both.blocks[0]!.sentences[0]).toMatch(/backprop, fused and layered .*cDNI, layered /);
  });
});

describe('what comes late', () => {
  it('has no column where nothing does', () => {
    const { blocks } = resultsSection(grouped(layered).groups, namer());
    expect(blocks[0]!.table!.head).not.toContain('late, in steps');
  });

  it('has a column where it is the same in all rows', () => {
    const run = { schedule: 'wave', staleness: LATE };
    const section = resultsSection(grouped([made({ method: 'cdni', run })]).groups, namer());
    expect(section.blocks[0]!.table!.head.slice(0, 2)).toEqual(['method', 'late, in steps']);
    expect(section.blocks[0]!.table!.csv).toContain(',targets by 1,');
  });

  const LATE_TARGETS = 'its predictors learn from targets one step late.';

  it('is said wherever accuracies are compared', () => {
    const { groups } = grouped(confound);
    expect(summary(groups)[0]).toContain(LATE_TARGETS);
    for (const section of [resultsSection, confoundSection])
      expect(sentencesOf(section(groups, namer()))).toContain(LATE_TARGETS);
    const { blocks } = curvesSection(groups, namer());
    expect(blocks.map(({ sentences }) => sentences.join().includes(LATE_TARGETS))).toEqual([
      true,
      true,
      // At p = 0.2 nothing is.
      false,
      false,
    ]);
  });

  it('of the wave of one dispatch, gradients are too', () => {
    const run = { schedule: 'wave-1', staleness: { gradient: 2, target: 3 } };
    const { groups } = grouped([made({ method: 'bp' }), made({ method: 'cdni', run })]);
    expect(summary(groups)[0]).toContain(
      'its layers learn from gradients 2 steps late and its predictors from targets 3 steps late.',
    );
  });
});

describe('headings and names of files', () => {
  const titles = (records: readonly BenchRecord[]) => {
    const { groups } = grouped(records);
    return groups.map((g) => headline([g], groups));
  };

  it('leave out drops behind the last step, and what other lengths have', () => {
    const scaled = made({ method: 'bp', config: { lrDrops: [60_000, 80_000] } });
    expect(titles([made({ method: 'cdni' }), scaled])).toEqual(['50,000 steps', '50,000 steps']);
    expect(titles([made({ method: 'bp' }), made({ method: 'bp', steps: 500_000 })])).toEqual([
      '50,000 steps',
      '500,000 steps',
    ]);
  });

  it('say in words what differs', () => {
    const other = { lr: 1e-3, lrDrops: [30_000, 40_000], trainSamples: 5000, hidden: 64 };
    expect(titles([made({ method: 'bp' }), made({ method: 'bp', config: other })])).toEqual([
      '50,000 steps, 256 hidden units, learning rate 3e-5, train accuracy of 55,000 samples',
      '50,000 steps, 64 hidden units, learning rate 1e-3, train accuracy of 5,000 samples, ' +
        'learning rate divided by 10 at step 30,000 and 40,000',
    ]);
  });

  it('tell schedules and options apart', () => {
    const names = (records: readonly BenchRecord[]) =>
      curvesSection(grouped(records).groups, namer()).blocks.map(({ figure }) => figure!.id);
    const stem = 'figure-curves-50000-steps-4-layers-p-1';
    const fused = made({ method: 'cdni', run: { schedule: 'fused' } });
    const wave = made({ method: 'cdni', run: { schedule: 'wave' }, config: { lr: 1e-3 } });
    expect(names([fused, wave])).toEqual([
      `${stem}-learning-rate-3e-5-fused-over-steps`,
      `${stem}-learning-rate-3e-5-fused-over-seconds`,
      `${stem}-learning-rate-1e-3-wave-over-steps`,
      `${stem}-learning-rate-1e-3-wave-over-seconds`,
    ]);
  });

  it('name rules that differ in their predictors', () => {
    const kinds = [{ sgHidden: 0 }, { sgHidden: 2, sgWidth: 1024 }, { sgLabels: false }, { sgLr: 1e-4 }];
    const { groups } = grouped(kinds.map((config) => made({ method: 'cdni', config })));
    expect(labels(groups).sort()).toEqual([
      'cDNI, linear predictors',
      'cDNI, predictors of 2 hidden layers, predictors 1,024 wide',
      'cDNI, predictors without labels',
      "cDNI, predictors' learning rate 1e-4",
    ]);
  });
});

it('one number is rounded in one way, in tables and in sentences', () => {
  const run = (accuracy: number) => ({ test: { loss: 0.1, accuracy, samples: 10_000 } });
  const runs = [0.6351, 0.649].map((accuracy, i) =>
    made({ method: 'cdni', seed: i + 1, run: run(accuracy) }),
  );
  const bps = [1, 2].map((seed) => made({ method: 'bp', seed }));
  const [block] = resultsSection(grouped([...bps, ...runs]).groups, namer()).blocks;
  const shown = /\((\d+\.\d\d) % against/.exec(block!.sentences[0]!)![1]!;
  expect(block!.table!.rows[1]!.at(-1)!.text.startsWith(`${shown} ± `)).toBe(true);
});
