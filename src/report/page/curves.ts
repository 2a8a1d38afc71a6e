import type { CurvePoint } from '../../train/run.ts';
import { type Axis, figure, type Line, type Panel } from '../figures/plot.ts';
import { stylesOf } from '../figures/style.ts';
import { count, percent } from '../numbers.ts';
import { accuracySentence } from './compare.ts';
import { type Group, isOneSession, splitBy } from './groups.ts';
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
import { meanCurve, summarize } from './statistics.ts';
import { timeUnit } from './tables.ts';
import { logTicks, niceBelow } from './ticks.ts';
import { labels, lateSentences } from './words.ts';

/** What is drawn of a point, as on the axis. */
const VALUES = {
  accuracy: {
    label: 'accuracy (%)',
    of: (part: 'train' | 'validation') => (point: CurvePoint) =>
      point[part].accuracy === null ? null : 100 * point[part].accuracy,
  },
  loss: {
    label: 'cross-entropy (nats)',
    of: (part: 'train' | 'validation') => (point: CurvePoint) => point[part].loss,
  },
} as const;

/** No digits that only floating point has put there. */
const format = (value: number): string => String(Number(value.toPrecision(3)));

const PARTS = { train: 'training batches', validation: 'validation data' } as const;

/** Ratio of the largest to the smallest loss from which on a logarithmic axis shows more. */
const LOG_FROM = 6;

function yAxis(what: keyof typeof VALUES, lines: readonly Line[]): Axis {
  const values = lines.flatMap((line) => line.points.flatMap((p) => [p.y, p.low ?? p.y, p.high ?? p.y]));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const { label } = VALUES[what];
  if (what === 'loss' && low > 0 && high / low >= LOG_FROM) {
    const domain = [niceBelow(low), 1 / niceBelow(1 / high)] as const;
    return { label: `${label}, log scale`, log: true, domain, ticks: logTicks(...domain), format };
  }
  const pad = 0.04 * (high - low || 1);
  const most = what === 'accuracy' ? Math.min(100, high + pad) : high + pad;
  return { label, domain: [Math.max(0, low - pad), most], ticks: 5 };
}

/** Accuracy and loss on training and validation data: four small multiples over steps or over seconds. */
function curveFigure(id: string, title: string, set: readonly Group[], over: 'steps' | 'seconds') {
  const names = labels(set);
  const styles = stylesOf(set.map((g) => g.method));
  const longest = Math.max(...set.map((g) => g.trainSeconds.mean));
  const { name: unit, size } = timeUnit(longest);
  const x: Axis =
    over === 'steps'
      ? { label: 'training steps', domain: [0, Math.max(...set.map((g) => g.steps))], ticks: 6 }
      : { label: `training time (${unit})`, domain: [0, longest / size], ticks: 6 };
  const panels = (['accuracy', 'loss'] as const).flatMap((what) => {
    const drawn = (['train', 'validation'] as const).map((part) =>
      set.map((g, i): Line => {
        const curves = g.runs.map((r) => r.run.curve);
        const points = meanCurve(curves, VALUES[what].of(part)).map(({ step, seconds, value }) => ({
          x: over === 'steps' ? step : seconds / size,
          y: value.mean,
          ...(value.n > 1 && { low: value.min, high: value.max }),
        }));
        return { name: names[i]!, style: styles[i]!, points };
      }),
    );
    // One scale for both parts, so that they can be compared.
    const y = yAxis(what, drawn.flat());
    return (['train', 'validation'] as const).map(
      (part, k): Panel => ({
        title: `${what === 'accuracy' ? 'Accuracy' : 'Loss'} on ${PARTS[part]}`,
        x,
        y,
        lines: drawn[k]!,
        range: 'band',
      }),
    );
  });
  const description =
    `Accuracy in percent and cross-entropy in nats, on training batches and on validation data, ` +
    `over ${over === 'steps' ? 'training steps' : `training time in ${unit}`}, for ${names.join('; ')}.`;
  return figure({ id, title, description, panels, columns: 2, note: madeOn(set) });
}

/** Who ends where, from the validation curves' last points. */
function overSteps(set: readonly Group[]): string[] {
  const names = labels(set);
  const bp = set.find((g) => g.method === 'bp');
  const last = (g: Group) => summarize(g.runs.map((r) => r.run.validation!.accuracy));
  return set.flatMap((g, i) => {
    if (!bp || g === bp) return [];
    const sentence = accuracySentence(g, bp, 'validation accuracy at the end', last);
    return sentence ? [`${names[i]}: ${sentence.replace(/^Its/, 'its')}`] : [];
  });
}

/** Where each stands when the first has done all its steps. */
function overSeconds(set: readonly Group[]): string[] {
  if (set.length < 2) return [];
  const names = labels(set);
  const first = set.reduce((a, b) => (a.trainSeconds.mean <= b.trainSeconds.mean ? a : b));
  const end = first.trainSeconds.mean;
  const { name: unit, size } = timeUnit(end);
  const at = set.map((g, i) => {
    const curve = meanCurve(
      g.runs.map((r) => r.run.curve),
      (point) => point.validation.accuracy,
    );
    const reached = g === first ? curve.at(-1) : curve.findLast((point) => point.seconds <= end);
    return reached
      ? `${names[i]} ${percent(reached.value.mean)} (step ${count(reached.step)})`
      : `${names[i]} not yet evaluated`;
  });
  const time = `${(end / size).toPrecision(3)} ${unit}`;
  return [
    `After ${time}, when the first of them (${names[set.indexOf(first)]}) has done its ${count(first.steps)} steps, validation accuracies are: ${at.join(', ')}.`,
  ];
}

/** How near an experiment is to the papers': their network and all updates first. */
const distance = (g: Group): number => Math.abs(g.layers - 4) + 10 * (1 - g.p);

/** The learning curves, a pair of figures for each experiment. */
export function curvesSection(groups: readonly Group[], name: ReturnType<typeof namer>): Section {
  const blocks: Block[] = [];
  for (const set of experiments(groups)) {
    const parts = splitBy(set, (g) => [g.layers, g.p]).sort((a, b) => distance(a[0]!) - distance(b[0]!));
    parts.forEach((part, i) => {
      const { layers, p } = part[0]!;
      const of = `${headline(part, groups)}, ${layers} layers${parts.length > 1 ? `, p = ${p}` : ''}`;
      const stem = `figure-curves-${part[0]!.steps}-steps-${layers}-layers-p-${p}`;
      const id = (over: string) => name(fileName(stem, part, groups, over));
      const shared = i === 0 ? {} : { folded: `Curves: ${of}` };
      const steps = curveFigure(id('over-steps'), `Learning curves over steps: ${of}`, part, 'steps');
      blocks.push({
        figure: steps,
        sentences: [...overSteps(part), ...caveats(part, { times: false })],
        ...shared,
      });
      // Seconds of different records have no axis in common.
      if (!isOneSession(part)) return;
      const time = curveFigure(id('over-seconds'), `Learning curves over time: ${of}`, part, 'seconds');
      blocks.push({
        figure: time,
        sentences: [...overSeconds(part), ...lateSentences(part), ...caveats(part, { times: true })],
        ...shared,
      });
    });
  }
  return {
    id: 'curves',
    title: 'Learning curves',
    about:
      'Lines are means over seeds, shaded bands their range. Training accuracy and loss are of the batches as they were seen, before each update; time is of training alone.',
    blocks,
  };
}
