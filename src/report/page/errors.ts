import { type Axis, figure, type Line } from '../figures/plot.ts';
import { stylesOf } from '../figures/style.ts';
import { type Group, ruleOf, splitBy } from './groups.ts';
import {
  type Block,
  caveats,
  experiments,
  fileName,
  headline,
  madeOn,
  type namer,
  type Section,
} from './section.ts';
import { type Summary, standing, summarize } from './statistics.ts';
import { labels, lateSentences } from './words.ts';

/** What test error is drawn over. */
interface Abscissa {
  readonly of: (g: Group) => number;
  readonly axis: (values: readonly number[]) => Axis;
  /** The experiment without what varies here. */
  readonly rest: (g: Group) => unknown;
  readonly words: (value: number) => string;
}

const DEPTH: Abscissa = {
  of: (g) => g.layers,
  axis: (values) => ({
    label: 'layers with weights (number)',
    domain: [values[0]! - 0.3, values.at(-1)! + 0.3],
    ticks: values,
    format: String,
  }),
  rest: (g) => g.p,
  words: (value) => `${value} layers`,
};

const PROBABILITY: Abscissa = {
  of: (g) => g.p,
  axis: (values) => ({
    label: 'update probability of a layer (share of steps), log scale',
    log: true,
    domain: [values[0]! / 1.25, values.at(-1)! * 1.25],
    ticks: values,
    format: String,
  }),
  rest: (g) => g.layers,
  words: (value) => `p = ${value}`,
};

/** Test error in percent, of each seed. */
const errorOf = (g: Group): Summary => summarize(g.runs.map((r) => 100 * (1 - r.run.test!.accuracy)));

const shown = (s: Summary): string => `${s.mean.toFixed(2)} %`;

/**
 * Groups that are one line: all but what is drawn over is the same. Schedules that have the same late, or nothing,
 * learn the same: runs of them are one line, unless there are several at one place.
 */
const linesOf = (set: readonly Group[], { of }: Abscissa): Group[][] =>
  splitBy(set, (g) => [ruleOf(g), g.late]).flatMap((line) =>
    new Set(line.map(of)).size === line.length ? [line] : splitBy(line, (g) => g.variant.schedule),
  );

/** What lines are called: of a line over several schedules, with all of them. */
const namesOf = (lines: readonly Group[][]): string[] =>
  labels(
    lines.map((line) => {
      const schedules = [...new Set(line.map((g) => g.variant.schedule!))].sort();
      return { ...line[0]!, variant: { ...line[0]!.variant, schedule: schedules.join(' and ') } };
    }),
  );

/** The order of the methods at one place, from the largest error; ~ where seeds overlap, ? where their spread is unknown. */
function order(at: readonly Group[], names: ReadonlyMap<Group, string>): string {
  const sorted = [...at].sort((a, b) => errorOf(b).mean - errorOf(a).mean);
  return sorted
    .map((g, i) => {
      const text = `${names.get(g)} ${shown(errorOf(g))}`;
      if (i === 0) return text;
      const sign = { within: '~', unknown: '≥', above: '>', below: '>' }[
        standing(errorOf(sorted[i - 1]!), errorOf(g))
      ];
      return `${sign} ${text}`;
    })
    .join(' ');
}

function sentencesOf(set: readonly Group[], over: Abscissa, values: readonly number[]): string[] {
  const lines = linesOf(set, over);
  const lineNames = namesOf(lines);
  const names = new Map(lines.flatMap((line, i) => line.map((g) => [g, lineNames[i]!] as const)));
  const changes = lines.flatMap((line, i) => {
    const sorted = [...line].sort((a, b) => over.of(a) - over.of(b));
    const [low, high] = [sorted[0]!, sorted.at(-1)!];
    if (low === high) return [];
    // From shallow to deep, but from all updates to few.
    const [from, to] = over === DEPTH ? [low, high] : [high, low];
    const [before, after] = [errorOf(from), errorOf(to)];
    const change = {
      above: 'rises',
      below: 'falls',
      within: 'stays within the spread of the seeds:',
      unknown: 'goes (one seed: spread not known)',
    }[standing(after, before)];
    return [
      `${lineNames[i]} ${change} from ${shown(before)} at ${over.words(over.of(from))} to ${shown(after)} at ${over.words(over.of(to))}`,
    ];
  });
  const orders = values
    .map((value) => ({ value, at: set.filter((g) => over.of(g) === value) }))
    .filter(({ at }) => at.length > 1)
    .map(({ value, at }) => `${over.words(value)}: ${order(at, names)}`);
  const key = orders.some((text) => text.includes('~')) ? ' (~: within the spread of the seeds)' : '';
  const unknown = orders.some((text) => text.includes('≥')) ? ' (≥: one seed, spread not known)' : '';
  return [
    ...(changes.length > 0 ? [`Test error of ${changes.join('; of ')}.`] : []),
    ...(orders.length > 0 ? [`Order by error${key}${unknown}: ${orders.join('; ')}.`] : []),
  ];
}

/** Which rules are in no line since what they have late is not the same everywhere. */
function unlike(alike: readonly Group[], drawn: readonly Group[], over: Abscissa): string[] {
  const out = alike.filter((g) => !drawn.some((other) => ruleOf(other) === ruleOf(g)));
  return splitBy(out, ruleOf).flatMap((rule) => {
    if (new Set(rule.map((g) => g.late)).size < 2) return [];
    const late = rule.map((g) => `${g.late} at ${over.words(over.of(g))}`);
    return [`${rule[0]!.title} is not drawn, since its runs are not alike: late are ${late.join(', ')}.`];
  });
}

function blocksOf(groups: readonly Group[], over: Abscissa, id: string, title: string, name: Namer): Block[] {
  return experiments(groups).flatMap((experiment) =>
    splitBy(experiment, over.rest).flatMap((alike): Block[] => {
      // One point is no line.
      const lines = linesOf(alike, over).filter((line) => new Set(line.map(over.of)).size > 1);
      const all = lines.flat();
      if (all.length === 0) return [];
      const values = [...new Set(all.map(over.of))].sort((a, b) => a - b);
      const names = namesOf(lines);
      const styles = stylesOf(lines.map((line) => line[0]!.method));
      const drawn = lines.map(
        (line, i): Line => ({
          name: names[i]!,
          style: styles[i]!,
          points: [...line]
            .sort((a, b) => over.of(a) - over.of(b))
            .map((g) => {
              const { mean, min, max, n } = errorOf(g);
              return { x: over.of(g), y: mean, ...(n > 1 && { low: min, high: max }) };
            }),
        }),
      );
      const most = Math.max(...drawn.flatMap((line) => line.points.map((p) => p.high ?? p.y)));
      const constant = over === DEPTH ? `p = ${all[0]!.p}` : `${all[0]!.layers} layers`;
      const heading = `${title}: ${headline(all, groups)}, ${constant}`;
      const made = figure({
        id: name(fileName(`${id}-${all[0]!.steps}-steps`, all, groups)),
        title: heading,
        description: `Test error in percent at ${values.map(over.words).join(', ')}, for ${names.join('; ')}.`,
        note: madeOn(all),
        columns: 1,
        panelHeight: 300,
        panels: [
          {
            title: 'Test error after the last step',
            x: over.axis(values),
            y: { label: 'test error (%)', domain: [0, 1.06 * most || 1], ticks: 6 },
            lines: drawn,
            range: 'bar',
          },
        ],
      });
      return [
        {
          figure: made,
          sentences: [
            ...sentencesOf(all, over, values),
            ...lateSentences(all),
            ...unlike(alike, all, over),
            ...caveats(all, { times: false }),
          ],
        },
      ];
    }),
  );
}

type Namer = ReturnType<typeof namer>;

/** Test error by the number of layers. */
export function depthSection(groups: readonly Group[], name: Namer): Section {
  const blocks = blocksOf(groups, DEPTH, 'figure-error-by-depth', 'Test error by depth', name);
  return {
    id: 'depth',
    title: 'Error by depth',
    about: 'Points are means over seeds, bars the range from the least to the largest.',
    blocks,
    ...(blocks.length === 0 && {
      missing:
        'No experiment has runs at several depths, alike otherwise: `syngrad sweep --experiment jaderberg-depth`',
    }),
  };
}

/** Test error by the update probability. */
export function probabilitySection(groups: readonly Group[], name: Namer): Section {
  const blocks = blocksOf(
    groups,
    PROBABILITY,
    'figure-error-by-update-probability',
    'Test error by update probability',
    name,
  );
  return {
    id: 'probability',
    title: 'Error by update probability',
    about:
      'All are after the same number of steps, so that a layer has had p times as many updates. Points are means over seeds, bars the range.',
    blocks,
    ...(blocks.length === 0 && {
      missing:
        'No experiment has runs at several update probabilities, alike otherwise: `syngrad sweep --experiment jaderberg-async`',
    }),
  };
}
