import { describe, expect, it } from 'vitest';
import { againstBackprop, confoundSentence } from '../../src/report/page/compare.ts';
import { type Group, groupRuns, labels, sibling } from '../../src/report/page/groups.ts';
import { warnings } from '../../src/report/page/provenance.ts';
import { confoundSection, resultsSection, summary } from '../../src/report/page/results.ts';
import { caveats, namer, unlikePaper } from '../../src/report/page/section.ts';
import type { BenchRecord } from '../../src/report/record.ts';
import { CPU, GPU, made, type Wanted } from './report-records.ts';

const found = (records: readonly BenchRecord[]) =>
  records.map((record, i) => ({ path: `${i}.json`, record }));

const grouped = (records: readonly BenchRecord[]) =>
  groupRuns(found(records).flatMap(({ path, record }) => record.runs.map((run) => ({ run, record, path }))));

/** A group with one run for each time of a step. */
function group(
  method: string,
  secondsPerStep: readonly number[],
  other: Omit<Wanted, 'method' | 'seed'> & { accuracy?: readonly number[]; updates?: number } = {},
): Group {
  const { accuracy = secondsPerStep.map(() => 0.97), updates = 4 * (other.p ?? 1), ...wanted } = other;
  const steps = 50_000;
  const records = secondsPerStep.map((seconds, i) =>
    made({
      ...wanted,
      method,
      seed: i + 1,
      run: {
        stepsPerSecond: 1 / seconds,
        trainSeconds: seconds * steps,
        layerUpdatesPerSecond: updates / seconds,
        test: { loss: 0.1, accuracy: accuracy[i]!, samples: 10_000 },
        ...wanted.run,
      },
    }),
  );
  return grouped(records).groups[0]!;
}

const name = (g: Group): string => g.title;
const bp = (times: readonly number[], accuracy?: readonly number[]) =>
  group('bp', times, { ...(accuracy && { accuracy }) });
const compare = (other: Group, to: Group) => againstBackprop(other, to, name);

describe('a method against backprop', () => {
  it('slower: says by how much, with how much work, and that unlocking gained nothing', () => {
    const text = compare(group('cdni', [2e-3, 2.02e-3]), bp([1e-3, 1.02e-3]));
    expect(text).toContain(
      "cDNI: a step takes 1.99 times as long as one of backprop (beyond the seeds' spread).",
    );
    expect(text).toContain(
      'with 1.51 times the multiply-adds, with every layer updated in every step by both',
    );
    expect(text).toContain('no gain from unlocking here');
    expect(text).not.toContain('the gain is from');
  });

  it('faster with every layer updated: the gain is from unlocking', () => {
    const text = compare(group('cdni', [1e-3, 1.02e-3]), bp([2e-3, 2.02e-3]));
    expect(text).toContain('is 1.99 times as fast as one of backprop');
    expect(text).toContain('the gain is from unlocking.');
  });

  it('faster by skipped updates: the gain is called that', () => {
    const text = compare(group('no-bp', [1e-3, 1.01e-3], { updates: 1 }), bp([2e-3, 2.01e-3]));
    expect(text).toContain('It updates 1 layer a step, backprop 4: gained by skipped updates');
    expect(text).toContain('a layer update of it takes 2 times as long as one of backprop');
    expect(text).not.toContain('from unlocking');
  });

  it('faster where both skip alike: not from skipping more, and not from unlocking either', () => {
    const skipping = { p: 0.2 };
    const text = compare(group('cdni', [1e-3, 1.02e-3], skipping), group('bp', [2e-3, 2.02e-3], skipping));
    expect(text).toContain('Both skip updates (0.8 and 0.8 layers a step are updated)');
    expect(text).not.toContain('the gain is from unlocking');
  });

  it.each(['fa', 'dfa', 'delayed-bp'])(
    'faster by %s, which unlocks nothing: not from unlocking',
    (method) => {
      const like = group('cdni', [1e-3, 1.02e-3]);
      const text = compare({ ...like, method }, bp([2e-3, 2.02e-3]));
      expect(text).toContain('neither from unlocking nor from skipped updates');
    },
  );

  it('faster with a share of the true gradient: it waits for that, so that nothing is unlocked', () => {
    const text = compare(group('cdni', [1e-3, 1.02e-3], { config: { lambda: 0.5 } }), bp([2e-3, 2.02e-3]));
    expect(text).toContain('neither from unlocking nor from skipped updates');
  });

  it('faster with less work: may be from that', () => {
    const text = compare(group('cdni', [1e-3, 1.02e-3], { run: { macsPerStep: 1e6 } }), bp([2e-3, 2.02e-3]));
    expect(text).toContain('the gain may be from less work, not from unlocking');
  });

  it('equal within three in a hundred: takes as long, and nothing is gained', () => {
    const text = compare(group('cdni', [0.98e-3, 1e-3]), bp([1e-3, 1.01e-3]));
    expect(text).toContain('a step takes as long as one of backprop');
    expect(text).toContain('no gain from unlocking here');
  });

  it('faster on average, but within the spread of the seeds: no gain', () => {
    const text = compare(group('cdni', [0.5e-3, 1.1e-3]), bp([1e-3, 1.4e-3]));
    expect(text).toContain("is 1.5 times as fast as one of backprop (within the seeds' spread)");
    expect(text).toContain('no gain from unlocking here');
  });

  it('one seed: the spread is not known', () => {
    const text = compare(group('cdni', [2e-3]), bp([1e-3, 1.2e-3]));
    expect(text).toContain('with a single seed the spread is not known');
  });

  it('too short to tell why', () => {
    const short = { run: { trainSeconds: 0.9 } };
    expect(compare(group('cdni', [1e-3], short), group('bp', [2e-3], short))).toContain(
      'Less than 1 s of training is too short to tell why.',
    );
  });

  it.each([
    [
      [0.96, 0.962],
      [0.97, 0.972],
      '1.00 points lower than that of backprop (96.10 % against 97.10 %; beyond',
    ],
    [
      [0.98, 0.982],
      [0.97, 0.972],
      '1.00 points higher than that of backprop (98.10 % against 97.10 %; beyond',
    ],
    [
      [0.96, 0.98],
      [0.961, 0.981],
      '0.10 points lower than that of backprop (97.00 % against 97.10 %; within',
    ],
    [[0.97, 0.972], [0.97, 0.972], 'the same as that of backprop (97.10 % against 97.10 %; within'],
  ])('test accuracies %j against %j', (mine, its, expected) => {
    const text = compare(group('cdni', [1e-3, 1e-3], { accuracy: mine }), bp([1e-3, 1e-3], its));
    expect(text).toContain(`Its test accuracy is ${expected}`);
  });
});

describe('unlocking and skipping apart', () => {
  const skipping = { p: 0.2 };
  const sentence = (rule: number, skipped: number) =>
    confoundSentence(
      bp([1e-3, 1.001e-3]),
      group('bp', [0.5e-3, 0.5005e-3], skipping),
      group('cdni', [rule * 1e-3, rule * 1.001e-3]),
      group('cdni', [rule * skipped * 1e-3, rule * skipped * 1.001e-3], skipping),
    );

  it('a rule that loses and gains by skipping: all of the gain is from skipped updates', () => {
    const text = sentence(2, 0.25);
    expect(text).toContain('cDNI at p = 0.2 does 2 times the steps a second of backprop at p = 1.');
    expect(text).toContain("This factor is 0.5 × 4: 0.5 is the rule's own (both at p = 1: a loss)");
    expect(text).toContain('all of the gain is from skipped updates, and none from unlocking');
    expect(text).toContain('Skipping alike, backprop does 2 times its steps.');
    // Half the time for a fifth of the updates.
    expect(text).toContain('takes 2.5 times as long as one of backprop at p = 1.');
  });

  it('a rule that gains by itself: both have a part', () => {
    const text = sentence(0.5, 0.5);
    expect(text).toContain('a gain with nothing skipped, from unlocking');
    expect(text).toContain("a part of the gain is the rule's own and a part is from skipped updates");
  });

  it('no gain whatever is skipped', () => {
    expect(sentence(4, 0.5)).toContain('Even with skipped updates there is no gain.');
  });

  it('in the section: rows at both probabilities, and what is needed where there are none', () => {
    const records = ['bp', 'cdni'].flatMap((method) =>
      [1, 0.2].flatMap((p) => [1, 2].map((seed) => made({ method, p, seed }))),
    );
    const { blocks, missing } = confoundSection(grouped(records).groups, namer());
    expect(blocks).toHaveLength(1);
    expect(blocks[0]!.table!.rows.map((row) => `${row[0]!.text} ${row[1]!.text}`)).toEqual([
      'backprop 1',
      'cDNI 1',
      'backprop 0.2',
      'cDNI 0.2',
    ]);
    expect(missing).toBeUndefined();
    const none = confoundSection(grouped([made({ method: 'bp' })]).groups, namer());
    expect(none).toMatchObject({ blocks: [], missing: expect.stringContaining('--experiment confound') });
  });
});

describe('grouping', () => {
  it('puts runs together that differ in nothing but their seeds', () => {
    const { groups } = grouped([3, 1, 2].map((seed) => made({ method: 'bp', seed })));
    expect(groups.map((g) => g.seeds)).toEqual([[1, 2, 3]]);
  });

  it.each<[string, Partial<Wanted>]>([
    ['steps', { steps: 100_000 }],
    ['layers', { layers: 5 }],
    ['update probability', { p: 0.2 }],
    ['device', { device: CPU }],
    ['driver', { device: { ...GPU, driver: 'imaginary driver 1.2.4' } }],
    ['learning rate', { config: { lr: 1e-3 } }],
    ['batch', { config: { batch: 64 } }],
    ['predictor', { config: { sgHidden: 1 } }],
    ['schedule', { run: { schedule: 'fused' } }],
  ])('keeps runs of another %s apart', (_, other) => {
    const { groups } = grouped([made({ method: 'cdni' }), made({ method: 'cdni', seed: 2, ...other })]);
    expect(groups.map((g) => g.seeds.length)).toEqual([1, 1]);
  });

  it('takes an option that a method does not heed, or that says the usual, for nothing', () => {
    const { groups } = grouped([
      made({ method: 'bp' }),
      made({ method: 'bp', seed: 2, config: { sgHidden: 1, lambda: 0.5 } }),
      made({ method: 'bp', seed: 3, config: { optimizer: 'adam', sgWarmup: 0, sgWidth: null } }),
    ]);
    expect(groups.map((g) => g.seeds)).toEqual([[1, 2, 3]]);
  });

  it('counts the newest of several runs of one seed, and says so', () => {
    const again = made({ method: 'bp', date: '2026-02-01T00:00:00.000Z', run: { trainSeconds: 7 } });
    const { groups, leftOut } = grouped([again, made({ method: 'bp' })]);
    expect(groups).toHaveLength(1);
    expect(groups[0]!.trainSeconds.mean).toBe(7);
    expect(leftOut).toEqual([
      '1.json: backprop, seed 1, was run again later (0.json): the newer run counts.',
    ]);
  });

  it('leaves out runs that did not finish, and says so', () => {
    const { groups, leftOut } = grouped([made({ method: 'bp', run: { status: 'interrupted', steps: 12 } })]);
    expect(groups).toEqual([]);
    expect(leftOut).toEqual(['0.json: backprop, seed 1, interrupted at step 12: left out.']);
  });

  it('compares with backprop of the same experiment and device only', () => {
    const { groups } = grouped([
      made({ method: 'bp' }),
      made({ method: 'bp', device: CPU }),
      made({ method: 'bp', layers: 5 }),
      made({ method: 'cdni', config: { sgHidden: 1 } }),
      made({ method: 'cdni', layers: 6 }),
    ]);
    const at = (layers: number) => groups.find((g) => g.method === 'cdni' && g.layers === layers)!;
    expect(sibling(groups, at(4), 'bp')).toMatchObject({ layers: 4, kind: 'gpu' });
    expect(sibling(groups, at(6), 'bp')).toBeUndefined();
  });

  it('compares steps of one schedule, where there are such', () => {
    const { groups } = grouped([
      made({ method: 'bp' }),
      made({ method: 'bp', run: { schedule: 'fused' } }),
      made({ method: 'cdni', run: { schedule: 'fused' } }),
      made({ method: 'dni', run: { schedule: 'wave' } }),
    ]);
    const beside = (method: string) => sibling(groups, groups.find((g) => g.method === method)!, 'bp');
    expect(beside('cdni')!.variant).toEqual({ schedule: 'fused' });
    expect(beside('dni')!.variant).toEqual({});
  });

  it('names groups by what tells them apart, and by no more', () => {
    const { groups } = grouped([
      made({ method: 'bp' }),
      made({ method: 'cdni' }),
      made({ method: 'cdni', config: { sgHidden: 1 } }),
    ]);
    expect(labels(groups)).toEqual(['backprop', 'cDNI', 'cDNI, sg hidden 1']);
  });
});

describe('what has to be known', () => {
  it('devices and commits are mixed loudly, and times of two devices never meet', () => {
    const records = [
      made({ method: 'bp' }),
      made({ method: 'bp', seed: 2, device: CPU, commit: 'f'.repeat(40) }),
    ];
    const { groups } = grouped(records);
    const notes = warnings(found(records), groups).join('\n');
    expect(notes).toContain('MIXED DEVICES: these records are of 2 devices');
    expect(notes).toContain('MIXED COMMITS: these records are of 2 commits: 0123456, fffffff.');
    expect(notes).toContain('llvmpipe (imaginary) is a CPU driver: these times say nothing about GPUs.');
    expect(groups.map((g) => g.trainSeconds.n)).toEqual([1, 1]);
    const { blocks } = resultsSection(groups, namer());
    expect(blocks.map((block) => block.table!.title)).toEqual([
      'Table 1 of Bisong 2017: 50,000 steps, on Imaginary GPU 9000',
      'Table 1 of Bisong 2017: 50,000 steps, on llvmpipe (imaginary)',
    ]);
    expect(blocks.map((block) => block.sentences.some((text) => text.includes('CPU driver')))).toEqual([
      false,
      true,
    ]);
  });

  it('a row over runs of two commits is told of', () => {
    const records = [made({ method: 'bp' }), made({ method: 'bp', seed: 2, commit: null })];
    const { groups } = grouped(records);
    expect(warnings(found(records), groups).join('\n')).toContain('1 row averages over runs of several.');
    expect(caveats(groups, { times: true }).join('\n')).toContain('2 commits (0123456, no commit)');
    expect(caveats(groups, { times: false })).toEqual([]);
  });

  it("nothing is said of the papers' own experiment on a GPU at one commit", () => {
    const records = [made({ method: 'bp' })];
    expect(warnings(found(records), grouped(records).groups)).toEqual([]);
    expect(caveats(grouped(records).groups, { times: true })).toEqual([]);
  });

  it('scaled-down and quick runs are called so', () => {
    const records = [made({ method: 'bp', steps: 500, config: { lr: 1e-3, preset: 'quick', hidden: 32 } })];
    const { groups } = grouped(records);
    expect(unlikePaper(groups)).toEqual([
      '500 steps instead of 50,000, 100,000 or 500,000',
      'hidden units 32 instead of 256',
      'learning rate 0.001 instead of 3e-5',
    ]);
    expect(warnings(found(records), groups).join()).toContain('of the preset quick: much shorter');
    const { blocks, missing } = resultsSection(groups, namer());
    expect(blocks[0]!.table!.title).toBe('Not a table of the paper: 500 steps');
    expect(blocks[0]!.sentences.join()).toContain("Not the papers' experiment: 500 steps");
    expect(missing).toContain('`syngrad sweep --experiment bisong-50k`');
  });
});

describe('the answer', () => {
  const runs = (cdni: number) =>
    [1, 2].flatMap((seed) => [
      made({ method: 'bp', seed, run: { stepsPerSecond: 1000 + seed } }),
      made({ method: 'cdni', seed, run: { stepsPerSecond: cdni + seed } }),
    ]);

  it('slower than the claim', () => {
    const [text, ...others] = summary(grouped(runs(500)).groups);
    expect(text).toContain('a step of cDNI takes 2 times as long as one of backprop');
    expect(text).toContain('the paper claims that it is more than 3 times as fast');
    expect(others).toEqual([]);
  });

  it('as fast as the claim', () => {
    const [text] = summary(grouped(runs(4000)).groups);
    expect(text).toContain('is 4 times as fast as one of backprop (so much the paper claims)');
  });

  it('on a CPU driver', () => {
    const cpu = runs(500).map((record) => ({ ...record, device: CPU }));
    expect(summary(grouped(cpu).groups)[0]).toContain('this says nothing about GPUs');
  });

  it('none without backprop or without synthetic gradients', () => {
    expect(summary(grouped([made({ method: 'cdni' })]).groups)).toEqual([]);
    expect(summary(grouped([made({ method: 'bp' })]).groups)).toEqual([]);
  });
});
