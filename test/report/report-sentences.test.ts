import { describe, expect, it } from 'vitest';
import { againstBackprop } from '../../src/report/page/compare.ts';
import { confoundSection, confoundSentence } from '../../src/report/page/confound.ts';
import type { Group } from '../../src/report/page/groups.ts';
import { namer } from '../../src/report/page/section.ts';
import { group, grouped, made, name } from './report-records.ts';

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
    expect(text).toContain('a layer update of it takes 2.00 times as long as one of backprop');
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
    expect(text).toContain("is 1.50 times as fast as one of backprop (within the seeds' spread)");
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
    expect(text).toContain('cDNI at p = 0.2 does 2.00 times the steps a second of backprop at p = 1.');
    expect(text).toContain("This factor is 0.500 × 4.00: 0.500 is the rule's own (both at p = 1: a loss)");
    expect(text).toContain('all of the gain is from skipped updates, and none from unlocking');
    expect(text).toContain('Skipping alike, backprop does 2.00 times its steps.');
    // Half the time for a fifth of the updates.
    expect(text).toContain('takes 2.50 times as long as one of backprop at p = 1.');
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
