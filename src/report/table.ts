import Table, { type TableConstructorOptions } from 'cli-table3';
import { rules } from '../train/rules.ts';
import { count, duration, percent, significant } from './numbers.ts';
import type { BenchRecord, RunRecord } from './record.ts';

/** The name of a method in tables and sentences. */
export const titleOf = (method: string): string => rules.get(method)?.title ?? method;

const score = (run: RunRecord, part: 'train' | 'test', what: 'accuracy' | 'loss'): string => {
  const found = run[part];
  if (!found) return '-';
  return what === 'accuracy' ? percent(found.accuracy) : found.loss.toFixed(4);
};

const ROWS: readonly (readonly [string, (run: RunRecord) => string])[] = [
  ['steps', (r) => (r.status === 'finished' ? count(r.steps) : `${count(r.steps)} (${r.status})`)],
  ['training only', (r) => duration(r.trainSeconds)],
  ['steps/s', (r) => significant(r.stepsPerSecond)],
  ['time a layer update', (r) => duration(1 / r.layerUpdatesPerSecond)],
  ['MACs a step', (r) => `${significant(r.macsPerStep / 1e6)} M`],
  ['dispatches a step', (r) => count(r.dispatchesPerStep)],
  ['train accuracy', (r) => score(r, 'train', 'accuracy')],
  ['train loss', (r) => score(r, 'train', 'loss')],
  ['test accuracy', (r) => score(r, 'test', 'accuracy')],
  ['test loss', (r) => score(r, 'test', 'loss')],
];

/** How every table looks: without colours, and without lines between rows. */
export const TABLE_STYLE: TableConstructorOptions = {
  style: { head: [], border: [] },
  chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
};

/** The paper's table: a column for each method. */
export function resultTable({ runs }: Pick<BenchRecord, 'runs'>): string {
  const table = new Table({
    ...TABLE_STYLE,
    head: ['', ...runs.map((run) => titleOf(run.method))],
    colAligns: ['left', ...runs.map(() => 'right' as const)],
  });
  for (const [name, cell] of ROWS) table.push([name, ...runs.map(cell)]);
  return table.toString();
}
