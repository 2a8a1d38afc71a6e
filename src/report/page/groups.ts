import { rules } from '../../train/rules.ts';
import type { BenchConfig, BenchRecord, RunRecord } from '../record.ts';
import { titleOf } from '../table.ts';
import { type Summary, secondsTo, summarize } from './statistics.ts';

/** A run, with the record that it stands in. */
export interface SourceRun {
  readonly run: RunRecord;
  readonly record: BenchRecord;
  readonly path: string;
}

/** Options of a run by name, each as the text that is compared and shown. */
export type Options = Readonly<Record<string, string>>;

/** Runs that are alike but for their seeds: a row of a table, a line of a figure. */
export interface Group {
  readonly method: string;
  readonly title: string;
  readonly steps: number;
  readonly layers: number;
  /** Update probability. */
  readonly p: number;
  /** What they computed on. */
  readonly device: string;
  readonly deviceName: string;
  readonly kind: 'gpu' | 'cpu';
  /** What all methods can share: batch, network, learning rate, data, ...; steps, layers and p are not in it. */
  readonly common: Options;
  /** What only some methods have: predictors, lambda, the schedule of dispatches. */
  readonly variant: Options;
  readonly runs: readonly SourceRun[];
  readonly seeds: readonly number[];
  readonly commits: readonly string[];
  readonly trainSeconds: Summary;
  readonly secondsPerStep: Summary;
  readonly secondsPerLayerUpdate: Summary;
  /** Layers updated in a step, on average. */
  readonly updatesPerStep: Summary;
  /** Share of the steps in which nothing is updated; of the runs that tell. */
  readonly idleShare: Summary;
  readonly macsPerStep: Summary;
  readonly dispatchesPerStep: Summary;
  readonly trainAccuracy: Summary;
  readonly testAccuracy: Summary;
  /** Over the seeds that got there. */
  readonly secondsToGoal: Summary;
}

/** Not part of what was computed, or told elsewhere. */
const ASIDE = new Set([
  'preset',
  'presetNote',
  'methods',
  'steps',
  'layers',
  'updateProbability',
  'seed',
  'evalEvery',
  'diagnose',
]);

/** What is meant where a record says nothing: records of older versions do not have every field. */
const UNSAID: Readonly<Record<string, unknown>> = { optimizer: 'adam', lambda: 0, sgWarmup: 0 };

/** Whether an option belongs to the method rather than to the experiment. */
const isVariant = (name: string): boolean => /^sg[A-Z]/.test(name) || name === 'lambda';

/** Whether a method heeds an option; methods that are not known are taken to. */
function heeds(method: string, name: string, { sgHidden = null }: BenchConfig): boolean {
  const rule = rules.get(method);
  if (!rule || !isVariant(name)) return true;
  if (name === 'lambda') return rule.heeds.lambda;
  // A linear predictor has no width.
  if (name === 'sgWidth')
    return rule.heeds.synthetic && (sgHidden === null ? rule.heeds.width === true : sgHidden > 0);
  // These are of all models beside the network, the others of synthetic-gradient models alone.
  return name === 'sgLr' || name === 'sgWarmup' ? rule.modelsOf !== undefined : rule.heeds.synthetic;
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function optionsOf(method: string, config: BenchConfig, keep: (name: string) => boolean): Options {
  const found = Object.entries(config as object).filter(
    ([name, value]) =>
      !ASIDE.has(name) &&
      keep(name) &&
      heeds(method, name, config) &&
      value !== undefined &&
      value !== null &&
      value !== UNSAID[name] &&
      asText(value) !== '{}',
  );
  return Object.fromEntries(found.sort().map(([name, value]) => [name, asText(value)]));
}

/** The update probability of a configuration. */
export const probabilityOf = (config: BenchConfig): number => config.updateProbability ?? 1;

/** What a device is called where devices are told apart. */
export const deviceOf = ({ device }: BenchRecord): string =>
  [device.name, device.driver, device.backend].filter((part) => part !== '').join(', ');

const methodRank = (method: string): number => {
  const at = [...rules.keys()].indexOf(method);
  return at < 0 ? rules.size : at;
};

/** Options in which some things differ: a name for each. */
export function differing(all: readonly Options[]): string[] {
  const names = new Set(all.flatMap((options) => Object.keys(options)));
  return [...names].filter((name) => new Set(all.map((options) => options[name])).size > 1);
}

const group = (runs: readonly SourceRun[]): Group => {
  const { run, record } = runs[0]!;
  const over = (value: (run: RunRecord) => number | undefined): Summary =>
    summarize(
      runs.map((r) => value(r.run)).filter((v): v is number => v !== undefined && Number.isFinite(v)),
    );
  const schedule: Options = run.schedule === 'layered' ? {} : { schedule: run.schedule };
  return {
    method: run.method,
    title: titleOf(run.method),
    steps: run.steps,
    layers: record.config.layers,
    p: probabilityOf(record.config),
    device: deviceOf(record),
    deviceName: record.device.name,
    kind: record.device.kind,
    common: optionsOf(run.method, record.config, (name) => !isVariant(name)),
    variant: { ...optionsOf(run.method, record.config, isVariant), ...schedule },
    runs,
    seeds: runs.map((r) => r.run.seed),
    commits: [...new Set(runs.map((r) => r.record.commit ?? 'no commit'))],
    trainSeconds: over((r) => r.trainSeconds),
    secondsPerStep: over((r) => 1 / r.stepsPerSecond),
    secondsPerLayerUpdate: over((r) => 1 / r.layerUpdatesPerSecond),
    updatesPerStep: over((r) => r.layerUpdatesPerSecond / r.stepsPerSecond),
    idleShare: over((r) => (r.idleSteps === undefined ? undefined : r.idleSteps / r.steps)),
    macsPerStep: over((r) => r.macsPerStep),
    dispatchesPerStep: over((r) => r.dispatchesPerStep),
    trainAccuracy: over((r) => r.train?.accuracy),
    testAccuracy: over((r) => r.test?.accuracy),
    secondsToGoal: over((r) => secondsTo(r.curve)),
  };
};

const keyOf = ({ run, record }: SourceRun): string =>
  JSON.stringify([
    run.method,
    run.schedule,
    run.steps,
    record.config.layers,
    probabilityOf(record.config),
    deviceOf(record),
    record.device.kind,
    optionsOf(run.method, record.config, () => true),
  ]);

/** What is drawn and tabled, and what is not, with the reason. */
export interface Grouped {
  readonly groups: readonly Group[];
  /** A sentence for each run that counts for nothing. */
  readonly leftOut: readonly string[];
}

/**
 * Finished runs, those alike but for their seeds together. Runs on different devices are never alike. Of runs with the
 * same seed, which end with the same network, the newest counts.
 */
export function groupRuns(sources: readonly SourceRun[]): Grouped {
  const leftOut: string[] = [];
  const bins = new Map<string, Map<number, SourceRun>>();
  const oldestFirst = [...sources].sort((a, b) => (a.record.date < b.record.date ? -1 : 1));
  for (const source of oldestFirst) {
    const { run, path } = source;
    if (run.status !== 'finished') {
      leftOut.push(
        `${path}: ${titleOf(run.method)}, seed ${run.seed}, ${run.status} at step ${run.steps}: left out.`,
      );
      continue;
    }
    if (!(run.stepsPerSecond > 0)) {
      leftOut.push(`${path}: ${titleOf(run.method)}, seed ${run.seed}, was not timed: left out.`);
      continue;
    }
    const key = keyOf(source);
    const bin = bins.get(key) ?? new Map<number, SourceRun>();
    bins.set(key, bin);
    const older = bin.get(run.seed);
    if (older) {
      leftOut.push(
        `${older.path}: ${titleOf(run.method)}, seed ${run.seed}, was run again later (${path}): the newer run counts.`,
      );
    }
    bin.set(run.seed, source);
  }
  const groups = [...bins.values()].map((bin) =>
    group([...bin.values()].sort((a, b) => a.run.seed - b.run.seed)),
  );
  groups.sort(
    (a, b) =>
      a.steps - b.steps ||
      a.layers - b.layers ||
      b.p - a.p ||
      methodRank(a.method) - methodRank(b.method) ||
      Object.keys(a.variant).length - Object.keys(b.variant).length ||
      (JSON.stringify(a.variant) < JSON.stringify(b.variant) ? -1 : 1),
  );
  return { groups, leftOut };
}

/** Splits into lists whose members agree in a key, in the order in which the keys come. */
export function splitBy<T>(all: readonly T[], key: (one: T) => unknown): T[][] {
  const bins = new Map<string, T[]>();
  for (const one of all) {
    const at = JSON.stringify(key(one));
    bins.set(at, [...(bins.get(at) ?? []), one]);
  }
  return [...bins.values()];
}

/**
 * The group of a method among some, in the same experiment as `like` but for what `change` says. Of several, the one
 * whose steps are divided into dispatches as `like`'s are.
 */
export function sibling(
  groups: readonly Group[],
  like: Group,
  method: string,
  change: Partial<Pick<Group, 'p' | 'layers'>> = {},
): Group | undefined {
  const found = groups.filter(
    (g) =>
      g.method === method &&
      g.device === like.device &&
      g.steps === like.steps &&
      g.layers === (change.layers ?? like.layers) &&
      g.p === (change.p ?? like.p) &&
      JSON.stringify(g.common) === JSON.stringify(like.common) &&
      (g.method !== like.method || JSON.stringify(g.variant) === JSON.stringify(like.variant)),
  );
  return found.find((g) => g.variant.schedule === like.variant.schedule) ?? found[0];
}

/** Names for the groups of one table or figure: the method, and what else tells them apart. */
export function labels(groups: readonly Group[], beside: readonly string[] = []): string[] {
  const all = groups.map((g) => ({
    ...g.common,
    ...g.variant,
    layers: String(g.layers),
    p: String(g.p),
    device: g.device,
    steps: String(g.steps),
  }));
  const names = differing(all).filter((name) => !beside.includes(name));
  const many = (g: Group) => groups.filter((other) => other.method === g.method).length > 1;
  return groups.map((g, i) => {
    if (!many(g)) return g.title;
    const parts = names.flatMap((name) => {
      const value = (all[i] as Options)[name];
      return value === undefined ? [] : [optionText(name, value)];
    });
    return [g.title, ...parts].join(', ');
  });
}

/** An option as it is read: '5 layers', 'p = 0.2', 'sg hidden 1'. */
export function optionText(name: string, value: string): string {
  if (name === 'data') return `data ${/"name":"([^"]*)"/.exec(value)?.[1] ?? value}`;
  if (name === 'layers') return `${value} layers`;
  if (name === 'p') return `p = ${value}`;
  if (name === 'device' || name === 'schedule') return value;
  return `${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} ${value.replace(/["{}]/g, '')}`;
}
