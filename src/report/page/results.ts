import { hasSyntheticGradients } from '../claims.ts';
import { accuracySentence, againstBackprop, layersOf, plain, slowness, timeRatio } from './compare.ts';
import { type Group, sibling, timedTogether } from './groups.ts';
import {
  caveats,
  experiments,
  fileName,
  headline,
  listed,
  type namer,
  type Section,
  unlikePaper,
} from './section.ts';
import { groupTable } from './tables.ts';
import { labels } from './words.ts';

type Namer = ReturnType<typeof namer>;

/** Layers with weights of the paper's network. */
const PAPER_LAYERS = 4;

/** Which of the paper's tables a number of steps is. */
const PAPER_TABLES = new Map([
  [50_000, 'Table 1 of Bisong 2017'],
  [100_000, 'Table 2 of Bisong 2017'],
]);

/**
 * Of an experiment with several depths or update probabilities, the part that is nearest to the papers' network with
 * all updates: the other depths and probabilities have sections of their own.
 */
function main(set: readonly Group[]): Group[] {
  const far = (g: Group) => Math.abs(g.layers - PAPER_LAYERS) + 100 * (1 - g.p);
  const nearest = Math.min(...set.map(far));
  return set.filter((g) => far(g) === nearest);
}

/** The paper's tables: time and accuracy of each method, one table for each number of steps and device. */
export function resultsSection(groups: readonly Group[], name: Namer): Section {
  const blocks = experiments(groups).map((set) => {
    const asPaper = unlikePaper(set).length === 0;
    const paper = asPaper ? PAPER_TABLES.get(set[0]!.steps) : undefined;
    const scaled = asPaper ? undefined : 'Not a table of the paper';
    const title = [paper ?? scaled, headline(set, groups)].filter((part) => part !== undefined).join(': ');
    const columns = ['training', 'step', 'trainAccuracy', 'testAccuracy'] as const;
    const id = name(fileName(`table-results-${set[0]!.steps}-steps`, set, groups));
    const table = groupTable(id, title, set, columns);
    const names = labels(set);
    const nameOf = (g: Group) => names[set.indexOf(g)]!;
    const compared = main(set).flatMap((g) => {
      const bp = g.method === 'bp' ? undefined : sibling(set, g, 'bp');
      return bp ? [againstBackprop(g, bp, nameOf)] : [];
    });
    const alone =
      compared.length > 0 || set.every((g) => g.method === 'bp')
        ? []
        : ['There is no run of backprop in the same experiment, so that nothing can be said of gains.'];
    return { table, sentences: [...compared, ...alone, ...caveats(set, { times: true })] };
  });
  const lacking = [...PAPER_TABLES].filter(
    ([steps]) => !groups.some((g) => g.steps === steps && unlikePaper([g]).length === 0),
  );
  const needed = lacking.map(
    ([steps, paper]) => `${paper} (\`syngrad sweep --experiment bisong-${steps / 1000}k\`)`,
  );
  return {
    id: 'results',
    title: 'Time and accuracy',
    about:
      'Mean over seeds ± standard deviation, and the range below it. Times are of training alone; accuracies are those after the last step.',
    blocks,
    ...(needed.length > 0 && { missing: `No record has the steps of ${listed(needed)}.` }),
  };
}

/** The answer to the paper's claim, as far as these records go: a sentence for each experiment that has one. */
export function summary(groups: readonly Group[]): string[] {
  return experiments(groups).flatMap((set) => {
    const pairs = main(set).flatMap((g) => {
      const bp = hasSyntheticGradients(g.method) && g.p === 1 ? sibling(set, g, 'bp') : undefined;
      const timed = bp && timedTogether([g, bp]);
      return timed ? [{ g, bp, ratio: timeRatio(...timed) }] : [];
    });
    const best = pairs.sort((a, b) => a.ratio - b.ratio)[0];
    if (!best) return [];
    const { g, bp, ratio } = best;
    const [mine, its] = labels([g, bp]) as [string, string];
    const fastest = pairs.length > 1 ? `the fastest synthetic-gradient rule, ${mine},` : mine;
    const skipping = set
      .filter((one) => one.p < 1 && one.method === g.method && sibling([g], one, g.method, { p: 1 }) === g)
      .flatMap((one) => timedTogether([one, bp])?.[0] ?? [])
      .sort((a, b) => a.secondsPerStep.mean - b.secondsPerStep.mean)[0];
    const otherSchedule =
      skipping && skipping.variant.schedule !== g.variant.schedule ? `, ${skipping.variant.schedule}` : '';
    const also = skipping
      ? ` With updates skipped (p = ${skipping.p}${otherSchedule}), a step of it ${slowness(timeRatio(...timedTogether([skipping, bp])!))} one of backprop, but updates ${layersOf(skipping.updatesPerStep.mean)} instead of ${plain(bp.updatesPerStep.mean)}.`
      : '';
    const cpu = g.kind === 'cpu' ? ' On a CPU driver: this says nothing about GPUs.' : '';
    const claim =
      ratio <= 1 / 3 ? 'so much the paper claims' : 'the paper claims that it is more than 3 times as fast';
    const accuracy = accuracySentence(g, bp, 'test accuracy', (one) => one.testAccuracy);
    return [
      `${headline(set, groups)}, ${g.layers} layers, every layer updated in every step: a step of ${fastest} ` +
        `${slowness(ratio)} one of ${its} (${claim}). ${accuracy ?? ''}${also}${cpu}`,
    ];
  });
}
