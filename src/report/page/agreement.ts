import type { LayerDiagnosis } from '../../train/diagnose.ts';
import { type Axis, figure, type Line, type Panel } from '../figures/plot.ts';
import { styleAt, stylesOf } from '../figures/style.ts';
import { count } from '../numbers.ts';
import { type Group, splitBy } from './groups.ts';
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
import { type Summary, summarize } from './statistics.ts';
import { labels, lateSentences } from './words.ts';

type Namer = ReturnType<typeof namer>;

/** What is drawn of a layer's gradients. None of them has a unit. */
const MEASURES = [
  {
    title: 'Direction: cosine',
    label: 'cosine (-1 to 1, no unit)',
    of: (at: LayerDiagnosis) => at.cosine,
    least: 0,
    most: 1,
  },
  {
    title: 'Signs that agree',
    label: 'share of elements (%)',
    of: (at: LayerDiagnosis) => (at.signAgreement === null ? null : 100 * at.signAgreement),
    least: 0,
    most: 100,
  },
  {
    title: "Predictor's error",
    label: '|SG - true| / |true| (no unit)',
    of: (at: LayerDiagnosis) => at.relativeError,
    least: 0,
    most: 1,
  },
  {
    title: 'Dead units',
    label: 'share of units (%)',
    of: (at: LayerDiagnosis) => 100 * at.deadUnits,
    least: 0,
    most: 10,
  },
] as const;

type Measure = (typeof MEASURES)[number];

/** Steps that every seed was looked at. */
const stepsOf = (g: Group): number[] => {
  const [first = [], ...others] = g.runs.map((r) => (r.run.diagnostics ?? []).map((d) => d.step));
  return first.filter((step) => others.every((other) => other.includes(step)));
};

/** A measure at a step and layer, over the seeds that have it. */
function at(g: Group, step: number, layer: number, { of }: Pick<Measure, 'of'>): Summary {
  const found = g.runs.map((r) => {
    const diagnosis = r.run.diagnostics?.find((d) => d.step === step);
    const one = diagnosis?.layers.find((l) => l.layer === layer);
    return one ? of(one) : null;
  });
  return summarize(found.filter((value): value is number => value !== null && Number.isFinite(value)));
}

const layersOf = (g: Group): number[] => g.runs[0]!.run.diagnostics!.at(-1)!.layers.map((l) => l.layer);

const point = (x: number, s: Summary) => ({
  x,
  y: s.mean,
  ...(s.n > 1 && { low: s.min, high: s.max }),
});

const yAxis = ({ label, least, most }: Measure, lines: readonly Line[]): Axis => {
  const values = lines.flatMap((line) => line.points.flatMap((p) => [p.low ?? p.y, p.high ?? p.y]));
  const [low, high] = [Math.min(least, ...values), Math.max(most, ...values)];
  return { label, domain: [low < least ? low - 0.05 * (high - low) : low, high], ticks: 5 };
};

function byLayer(id: string, title: string, set: readonly Group[]) {
  const names = labels(set);
  const styles = stylesOf(set.map((g) => g.method));
  const layers = [...new Set(set.flatMap(layersOf))].sort((a, b) => a - b);
  const x: Axis = {
    label: 'hidden layer (number, 1 is the lowest)',
    domain: [layers[0]! - 0.3, layers.at(-1)! + 0.3],
    ticks: layers,
    format: String,
  };
  const panels = MEASURES.map((measure): Panel => {
    const lines = set.map(
      (g, i): Line => ({
        name: names[i]!,
        style: styles[i]!,
        points: layersOf(g)
          .map((layer) => ({ layer, s: at(g, stepsOf(g).at(-1)!, layer, measure) }))
          .filter(({ s }) => s.n > 0)
          .map(({ layer, s }) => point(layer, s)),
      }),
    );
    return { title: measure.title, x, y: yAxis(measure, lines), lines, range: 'bar' };
  });
  const description = `Cosine, sign agreement and relative error of synthetic against true gradients, and dead units, by hidden layer, for ${names.join('; ')}.`;
  return figure({ id, title, description, panels, columns: 2, note: madeOn(set) });
}

function overSteps(id: string, title: string, set: readonly Group[]) {
  const names = labels(set);
  const cosine = MEASURES[0];
  const drawn = set.map((g) =>
    layersOf(g).map(
      (layer, i): Line => ({
        name: `layer ${layer}`,
        style: styleAt(i),
        points: stepsOf(g)
          .map((step) => ({ step, s: at(g, step, layer, cosine) }))
          .filter(({ s }) => s.n > 0)
          .map(({ step, s }) => point(step, s)),
      }),
    ),
  );
  const y = yAxis(cosine, drawn.flat());
  const x: Axis = { label: 'training steps', domain: [0, set[0]!.steps], ticks: 5 };
  const panels = drawn.map((lines, i): Panel => ({ title: names[i]!, x, y, lines, range: 'band' }));
  const description = `Cosine between synthetic and true gradient over training steps, a line for each hidden layer, for ${names.join('; ')}.`;
  return figure({ id, title, description, panels, columns: 2, note: madeOn(set) });
}

function sentencesOf(set: readonly Group[]): string[] {
  const names = labels(set);
  return set.flatMap((g, i) => {
    const step = stepsOf(g).at(-1)!;
    const cosines = layersOf(g)
      .map((layer) => ({ layer, s: at(g, step, layer, MEASURES[0]) }))
      .filter(({ s }) => s.n > 0)
      .sort((a, b) => a.s.mean - b.s.mean);
    const [worst, best] = [cosines[0], cosines.at(-1)];
    if (!worst || !best) return [`${names[i]}: no cosine, since one of the gradients is zero everywhere.`];
    if (worst === best)
      return [`${names[i]}: at step ${count(step)} the cosine is ${best.s.mean.toFixed(2)}.`];
    return [
      `${names[i]}: at step ${count(step)} the synthetic gradient is nearest to the true one in layer ${best.layer} ` +
        `(cosine ${best.s.mean.toFixed(2)}) and farthest from it in layer ${worst.layer} (${worst.s.mean.toFixed(2)}).`,
    ];
  });
}

/** How synthetic gradients agree with true ones, by layer. */
export function agreementSection(groups: readonly Group[], name: Namer): Section {
  const diagnosed = groups.filter((g) => stepsOf(g).length > 0);
  const blocks = experiments(diagnosed).flatMap((set) =>
    splitBy(set, (g) => [g.layers, g.p]).flatMap((part): Block[] => {
      const { steps, layers, p } = part[0]!;
      const of = `${headline(part, groups)}, ${layers} layers${p === 1 ? '' : `, p = ${p}`}`;
      const stem = `figure-agreement-${steps}-steps-${layers}-layers${p === 1 ? '' : `-p-${p}`}`;
      const id = (end: string) => name(fileName(stem, part, groups, end));
      const notes = caveats(part, { times: false });
      const figures: Block[] = [
        {
          figure: byLayer(id('by-layer'), `Gradient agreement by layer at the end: ${of}`, part),
          sentences: [...sentencesOf(part), ...lateSentences(part), ...notes],
        },
      ];
      const several = part.filter((g) => stepsOf(g).length > 1);
      if (several.length > 0) {
        const title = `Gradient agreement over steps: ${of}`;
        figures.push({ figure: overSteps(id('over-steps'), title, several), sentences: [] });
      }
      return figures;
    }),
  );
  return {
    id: 'agreement',
    title: 'Gradient agreement',
    about:
      'How the synthetic gradient of a hidden layer compares with the true one, on a training batch passed through the whole network. (With lambda above 0 the layer learns from a mixture of the two; in a complete unlock, from synthesised inputs.) Points are means over seeds, bars and bands the range.',
    blocks,
    ...(blocks.length === 0 && {
      missing:
        'No run was diagnosed: `syngrad bench --methods cdni,dni --diagnose 1000`, or the same option on `syngrad sweep`',
    }),
  };
}
