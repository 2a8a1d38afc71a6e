import { hasSyntheticGradients } from '../claims.ts';
import {
  accuracySentence,
  againstBackprop,
  confoundSentence,
  differs,
  plain,
  slowness,
  timeRatio,
} from './compare.ts';
import { type Group, labels, sibling, splitBy } from './groups.ts';
import { caveats, experiments, headline, listed, type namer, type Section, unlikePaper } from './section.ts';
import { GOAL } from './statistics.ts';
import { groupTable } from './tables.ts';

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
    const table = groupTable(name(`table-results-${set[0]!.steps}-steps`), title, set, columns);
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

/** Skipping is told from unlocking at this update probability, where it is there; else at the smallest. */
const SKIPPING = 0.2;

/** SG and BP with every layer updated and with most updates skipped. */
export function confoundSection(groups: readonly Group[], name: Namer): Section {
  const blocks = [];
  for (const set of experiments(groups)) {
    for (const same of splitBy(set, (g) => [g.layers, g.variant.schedule])) {
      const bps = same.filter((g) => g.method === 'bp');
      const bp = bps.find((g) => g.p === 1);
      const skipping = bps.find((g) => g.p === SKIPPING) ?? bps.filter((g) => g.p < 1).at(-1);
      if (!bp || !skipping) continue;
      const pairs = same
        .filter((g) => g.p === 1 && hasSyntheticGradients(g.method))
        .flatMap((sg) => {
          const other = sibling(same, sg, sg.method, { p: skipping.p });
          return other ? [[sg, other] as const] : [];
        });
      if (pairs.length === 0) continue;
      const rows = [bp, ...pairs.map(([sg]) => sg), skipping, ...pairs.map(([, other]) => other)];
      const columns = ['step', 'update', 'updates', 'macs', 'dispatches', 'testAccuracy', 'goal'] as const;
      const title = `Unlocking and skipping apart: ${headline(set, groups)}, ${bp.layers} layers`;
      const table = groupTable(name(`table-confound-${bp.steps}-steps`), title, rows, columns, ['p']);
      const titles = labels(pairs.map(([sg]) => sg));
      const sentences = pairs.map(([sg, other], i) =>
        confoundSentence(bp, skipping, { ...sg, title: titles[i]! }, other),
      );
      blocks.push({
        table,
        sentences: [...sentences, goalSentence(rows), ...caveats(rows, { times: true })],
      });
    }
  }
  return {
    id: 'confound',
    title: 'Where the gain comes from',
    about: `With update probability p, each layer is updated in a step with that chance only, and work that no update needs is left out. Time to ${100 * GOAL} % is the training time at the first evaluation at or above that validation accuracy.`,
    blocks,
    ...(blocks.length === 0 && {
      missing:
        'No experiment has backprop and a synthetic-gradient rule both at p = 1 and at a smaller p: `syngrad sweep --experiment confound`',
    }),
  };
}

/** Who got to the goal first. */
function goalSentence(rows: readonly Group[]): string {
  const names = labels(rows, ['p']);
  const goal = `${100 * GOAL} % validation accuracy`;
  const there = rows
    .map((g, i) => ({ name: `${names[i]} at p = ${g.p}`, g }))
    .filter(({ g }) => g.secondsToGoal.n === g.runs.length)
    .sort((a, b) => a.g.secondsToGoal.mean - b.g.secondsToGoal.mean);
  const [first, second] = there;
  if (!first) return `None of them got to ${goal} with every seed.`;
  const time = `${plain(first.g.secondsToGoal.mean)} s`;
  if (!second) return `Only ${first.name} got to ${goal} with every seed, in ${time}.`;
  const of = (g: Group) => g.secondsToGoal;
  const lead = differs(second.g, first.g, of)
    ? `${plain(timeRatio(second.g, first.g, of))} times as quick as`
    : 'no different from';
  return `To ${goal}, ${first.name} was the first (${time}), ${lead} the next, ${second.name}.`;
}

/** The answer to the paper's claim, as far as these records go: a sentence for each experiment that has one. */
export function summary(groups: readonly Group[]): string[] {
  return experiments(groups).flatMap((set) => {
    const pairs = main(set).flatMap((g) => {
      const bp = hasSyntheticGradients(g.method) && g.p === 1 ? sibling(set, g, 'bp') : undefined;
      return bp ? [{ g, bp, ratio: timeRatio(g, bp) }] : [];
    });
    const best = pairs.sort((a, b) => a.ratio - b.ratio)[0];
    if (!best) return [];
    const { g, bp, ratio } = best;
    const fastest = pairs.length > 1 ? `the fastest synthetic-gradient rule, ${g.title},` : g.title;
    const skipping = set
      .filter((one) => one.p < 1 && one.method === g.method && sibling([g], one, g.method, { p: 1 }) === g)
      .sort((a, b) => a.secondsPerStep.mean - b.secondsPerStep.mean)[0];
    const also = skipping
      ? ` With updates skipped (p = ${skipping.p}), a step of it ${slowness(timeRatio(skipping, bp))} one of backprop, but updates ${plain(skipping.updatesPerStep.mean)} layers instead of ${plain(bp.updatesPerStep.mean)}.`
      : '';
    const cpu = g.kind === 'cpu' ? ' On a CPU driver: this says nothing about GPUs.' : '';
    const claim =
      ratio <= 1 / 3 ? 'so much the paper claims' : 'the paper claims that it is more than 3 times as fast';
    const accuracy = accuracySentence(g, bp, 'test accuracy', (one) => one.testAccuracy);
    return [
      `${headline(set, groups)}, ${g.layers} layers, every layer updated in every step: a step of ${fastest} ` +
        `${slowness(ratio)} one of backprop (${claim}). ${accuracy ?? ''}${also}${cpu}`,
    ];
  });
}
