import { describe, expect, it } from 'vitest';
import { sibling } from '../../src/report/page/groups.ts';
import { warnings } from '../../src/report/page/provenance.ts';
import { resultsSection, summary } from '../../src/report/page/results.ts';
import { caveats, namer, unlikePaper } from '../../src/report/page/section.ts';
import { labels } from '../../src/report/page/words.ts';
import { CPU, found, GPU, grouped, made, type Wanted } from './report-records.ts';

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
      'sweep/cells/1.json: backprop, seed 1, was run again later (sweep/cells/0.json): the newer run counts.',
    ]);
  });

  it('leaves out runs that did not finish, and says so', () => {
    const { groups, leftOut } = grouped([made({ method: 'bp', run: { status: 'interrupted', steps: 12 } })]);
    expect(groups).toEqual([]);
    expect(leftOut).toEqual(['sweep/cells/0.json: backprop, seed 1, interrupted at step 12: left out.']);
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
    // None has its schedule: the first will do.
    expect(beside('dni')!.variant.schedule).toBe('fused');
  });

  it('names groups by what tells them apart, and by no more', () => {
    const { groups } = grouped([
      made({ method: 'bp' }),
      made({ method: 'cdni' }),
      made({ method: 'cdni', config: { sgHidden: 1 } }),
    ]);
    expect(labels(groups)).toEqual(['backprop', 'cDNI', 'cDNI, predictors of 1 hidden layer']);
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
      'learning rate 1e-3 instead of 3e-5',
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
    expect(text).toContain('a step of cDNI takes 2.00 times as long as one of backprop');
    expect(text).toContain('the paper claims that it is more than 3 times as fast');
    expect(others).toEqual([]);
  });

  it('as fast as the claim', () => {
    const [text] = summary(grouped(runs(4000)).groups);
    expect(text).toContain('is 4.00 times as fast as one of backprop (so much the paper claims)');
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
