import { type Conventions, conventionsText, PYTORCH } from '../../nn/conventions.ts';
import { rules } from '../../train/rules.ts';
import type { BenchConfig, BenchRecord, RunRecord } from '../record.ts';
import { lateness, titleOf } from '../table.ts';
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
  /** What only some methods have: predictors, lambda; and the schedule of dispatches that was run. */
  readonly variant: Options;
  /** What comes later than in the serial order, in steps; 'nothing' where nothing does. */
  readonly late: string;
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
  // What was asked for; a method that has no such schedule ran another, and its run says which.
  'schedule',
  'waveStages',
]);

/** What is meant where a record says nothing: records of older versions do not have every field. */
const UNSAID: Readonly<Record<string, unknown>> = {
  ...{ optimizer: 'adam', lambda: 0, sgWarmup: 0 },
  ...{ conventions: 'pytorch', delay: 'pipelined' },
};

/** Whether an option belongs to the method rather than to the experiment. */
const isVariant = (name: string): boolean => /^sg[A-Z]/.test(name) || name === 'lambda' || name === 'delay';

/** Whether a method heeds an option; methods that are not known are taken to. */
function heeds(method: string, name: string, { sgHidden = null }: BenchConfig): boolean {
  const rule = rules.get(method);
  if (!rule || !isVariant(name)) return true;
  if (name === 'lambda') return rule.heeds.lambda;
  if (name === 'delay') return rule.delay !== undefined;
  // A linear predictor has no width.
  if (name === 'sgWidth')
    return rule.heeds.synthetic && (sgHidden === null ? rule.heeds.width === true : sgHidden > 0);
  // These are of all models beside the network, the others of synthetic-gradient models alone.
  return name === 'sgLr' || name === 'sgWarmup' ? rule.modelsOf !== undefined : rule.heeds.synthetic;
}

/** What a value comes to: drops of the learning rate that lie behind the last step never happen. */
function meaning(name: string, value: unknown, { steps }: BenchConfig): unknown {
  if (name === 'conventions' && value)
    return conventionsText({ ...PYTORCH, ...(value as Partial<Conventions>) });
  if (name !== 'lrDrops') return value;
  const drops = (value as readonly number[]).filter((step) => step < steps);
  return drops.length > 0 ? drops : undefined;
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function optionsOf(method: string, config: BenchConfig, keep: (name: string) => boolean): Options {
  const all = Object.entries(config as object).map(
    ([name, value]) => [name, meaning(name, value, config)] as const,
  );
  const found = all.filter(
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

const group = (runs: readonly SourceRun[]): Group => {
  const { run, record } = runs[0]!;
  const over = (value: (run: RunRecord) => number | undefined): Summary =>
    summarize(
      runs.map((r) => value(r.run)).filter((v): v is number => v !== undefined && Number.isFinite(v)),
    );
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
    variant: { ...optionsOf(run.method, record.config, isVariant), schedule: run.schedule },
    late: lateness(run),
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

/**
 * Where a run was timed: its record, or the sweep that its cell is of, by one commit. Only what was timed in turn in
 * one command can be compared in speed: between two, the machine, its load and the program may have been others.
 */
function sessionOf({ path, record }: SourceRun): string {
  const parts = path.split(/[\\/]/);
  return parts.at(-2) === 'cells' ? `${parts.slice(0, -2).join('/')} ${record.commit}` : path;
}

/** The runs of some groups that were timed beside runs of all the others, as groups; none where there are no such. */
export function timedTogether<const G extends readonly Group[]>(
  groups: G,
): { readonly [K in keyof G]: Group } | undefined {
  const sessions = groups.map(({ runs }) => new Set(runs.map(sessionOf)));
  const shared = groups.map((g) =>
    g.runs.filter((run) => sessions.every((session) => session.has(sessionOf(run)))),
  );
  if (shared.some((runs) => runs.length === 0)) return undefined;
  return groups.map((g, i) => {
    const { method, title, variant } = g;
    return { ...group(shared[i]!), method, title, variant };
  }) as unknown as { [K in keyof G]: Group };
}

/** Whether all runs of some groups were timed in turn in one command, so that their seconds have one axis. */
export const isOneSession = (groups: readonly Group[]): boolean =>
  new Set(groups.flatMap(({ runs }) => runs.map(sessionOf))).size === 1;

/** Splits into lists whose members agree in a key, in the order in which the keys come. */
export function splitBy<T>(all: readonly T[], key: (one: T) => unknown): T[][] {
  const bins = new Map<string, T[]>();
  for (const one of all) {
    const at = JSON.stringify(key(one));
    bins.set(at, [...(bins.get(at) ?? []), one]);
  }
  return [...bins.values()];
}

/** What makes a method's variant, but for how its steps are divided into dispatches. */
export function ruleOf({ method, variant }: Group): string {
  const { schedule: _, ...rest } = variant;
  return JSON.stringify([method, rest]);
}

/**
 * The group of a method among some, in the same experiment as `like` but for what `change` says. Of several, the one
 * whose steps are divided into dispatches as `like`'s are; where there is none, one of another schedule.
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
      (g.method !== like.method || ruleOf(g) === ruleOf(like)),
  );
  return found.find((g) => g.variant.schedule === like.variant.schedule) ?? found[0];
}
