import Table, { type TableConstructorOptions } from 'cli-table3';
import { rules } from '../train/rules.ts';
import type { Staleness } from '../train/schedules/driver.ts';
import { count, duration, percent, significant } from './numbers.ts';
import type { BenchRecord, RunRecord } from './record.ts';

/** The name of a method in tables and sentences. */
export const titleOf = (method: string): string => rules.get(method)?.title ?? method;

const score = (run: RunRecord, part: 'train' | 'test', what: 'accuracy' | 'loss'): string => {
  const found = run[part];
  if (!found) return '-';
  return what === 'accuracy' ? percent(found.accuracy) : found.loss.toFixed(4);
};

/** Layers updated in a step, on average; 0 of a run that was never timed. */
export function updatesPerStep(run: RunRecord): number {
  const { layerUpdates, steps, status, stepsPerSecond, layerUpdatesPerSecond } = run;
  // The count of a failed run holds steps that were under way.
  if (layerUpdates !== undefined && steps > 0 && status !== 'failed') return layerUpdates / steps;
  // Records that are older than the count have rates only, whose quotient is off in its last bits.
  return stepsPerSecond > 0 ? Math.round((1e9 * layerUpdatesPerSecond) / stepsPerSecond) / 1e9 : 0;
}

/** A mean count: whole where every step has the same, or where its fraction is nothing to it. */
const mean = (value: number): string =>
  Number.isInteger(value) || value >= 1000 ? count(Math.round(value)) : significant(value, 4);

/** What of a run comes late, compared with the serial order, in steps: 'targets by 1'; 'nothing' where nothing does. */
export function lateness({ staleness }: Pick<RunRecord, 'staleness'>): string {
  if (!staleness) return 'nothing';
  const { gradient, target } = staleness;
  const targets = `targets by ${target}`;
  return gradient > 0 ? `gradients by ${gradient}, ${targets}` : targets;
}

/** A figure of a run: its name, whole and for narrow columns, and when it is left out. */
interface Figure {
  readonly name: string;
  readonly short?: string;
  readonly of: (run: RunRecord) => string;
  readonly worth?: (runs: readonly RunRecord[]) => boolean;
}

/** Whether it is worth saying: not when every step of every run updates the same layers. */
function differs(runs: readonly RunRecord[]): boolean {
  const found = runs.map(updatesPerStep).filter((updates) => updates > 0);
  return found.some((updates) => updates !== found[0] || !Number.isInteger(updates));
}

/** By how many steps something comes later than in the serial order; left out where nothing of it does. */
const late = (name: string, what: keyof Staleness): Figure => ({
  name: `${name} late, steps`,
  short: `${name}\nlate, steps`,
  of: ({ staleness }) => count(staleness?.[what] ?? 0),
  worth: (runs) => runs.some(({ staleness }) => (staleness?.[what] ?? 0) > 0),
});

const COSTS: readonly Figure[] = [
  {
    name: 'steps',
    of: (r) => (r.status === 'finished' ? count(r.steps) : `${count(r.steps)} (${r.status})`),
  },
  { name: 'training only', short: 'training\nonly', of: (r) => duration(r.trainSeconds) },
  { name: 'steps/s', of: (r) => significant(r.stepsPerSecond) },
  {
    name: 'time a layer update',
    short: 'time a\nlayer update',
    of: (r) => duration(1 / r.layerUpdatesPerSecond),
  },
  {
    name: 'layer updates a step',
    short: 'updates\na step',
    of: (r) => mean(updatesPerStep(r)),
    worth: differs,
  },
];

const WORK: readonly Figure[] = [
  { name: 'schedule', of: (r) => r.schedule },
  late('gradients', 'gradient'),
  late('targets', 'target'),
  { name: 'MACs a step', short: 'MACs\na step', of: (r) => `${significant(r.macsPerStep / 1e6)} M` },
  { name: 'dispatches a step', short: 'dispatches\na step', of: (r) => mean(r.dispatchesPerStep) },
  {
    name: 'idle steps',
    short: 'idle\nsteps',
    of: ({ idleSteps }) => (idleSteps === undefined ? '-' : count(idleSteps)),
    worth: (runs) => runs.some(({ idleSteps = 0 }) => idleSteps > 0),
  },
];

const SCORES: readonly Figure[] = [
  { name: 'train accuracy', short: 'train\naccuracy', of: (r) => score(r, 'train', 'accuracy') },
  { name: 'train loss', short: 'train\nloss', of: (r) => score(r, 'train', 'loss') },
  { name: 'test accuracy', short: 'test\naccuracy', of: (r) => score(r, 'test', 'accuracy') },
  { name: 'test loss', short: 'test\nloss', of: (r) => score(r, 'test', 'loss') },
];

/** How every table looks: without colours, and without lines between rows. */
export const TABLE_STYLE: TableConstructorOptions = {
  style: { head: [], border: [] },
  chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
};

/** Characters of a line that every terminal has room for. */
const WIDTH = 100;

const right = (columns: readonly unknown[]) => ['left' as const, ...columns.map(() => 'right' as const)];

const worth = (figures: readonly Figure[], runs: readonly RunRecord[]): Figure[] =>
  figures.filter((figure) => figure.worth?.(runs) ?? true);

/** A column for each method. */
function upright(runs: readonly RunRecord[]): string {
  const head = ['', ...runs.map((run) => titleOf(run.method))];
  const table = new Table({ ...TABLE_STYLE, head, colAligns: right(runs) });
  for (const { name, of } of worth([...COSTS, ...WORK, ...SCORES], runs))
    table.push([name, ...runs.map((run) => of(run))]);
  return table.toString();
}

/** A row for each method. */
function lying(figures: readonly Figure[], runs: readonly RunRecord[]): string {
  const shown = worth(figures, runs);
  const head = ['', ...shown.map(({ name, short }) => short ?? name)];
  const table = new Table({ ...TABLE_STYLE, head, colAligns: right(shown) });
  for (const run of runs) table.push([titleOf(run.method), ...shown.map(({ of }) => of(run))]);
  return table.toString();
}

/** The paper's table: a column for each method; where that is too wide, a row for each, in two tables or three. */
export function resultTable({ runs }: Pick<BenchRecord, 'runs'>): string {
  const fits = (table: string) => table.indexOf('\n') <= WIDTH;
  const table = upright(runs);
  if (fits(table)) return table;
  const rest = lying([...WORK, ...SCORES], runs);
  return [lying(COSTS, runs), ...(fits(rest) ? [rest] : [lying(WORK, runs), lying(SCORES, runs)])].join('\n');
}
