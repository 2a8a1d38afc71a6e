import { count, percent, significant } from '../numbers.ts';
import type { Group, Options } from './groups.ts';
import { GOAL, type Summary } from './statistics.ts';
import { differing, optionName, optionValue } from './words.ts';

/** What stands in a place of a table: a text, and a smaller one below it. */
export interface Cell {
  readonly text: string;
  readonly below?: string;
}

/** A table, to be read and to be computed with. */
export interface Table {
  /** Also the name of its file. */
  readonly id: string;
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** How many of the first columns are names rather than numbers. */
  readonly names: number;
  readonly csv: string;
}

/** Comma-separated values, as RFC 4180 has them. */
export function toCsv(rows: readonly (readonly (string | number | null)[])[]): string {
  const cell = (value: string | number | null): string => {
    if (value === null || (typeof value === 'number' && !Number.isFinite(value))) return '';
    const text = String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${rows.map((row) => row.map(cell).join(',')).join('\n')}\n`;
}

/** Mean over seeds in a unit, with the standard deviation, and the range below it. */
function spreadCell(s: Summary, unit: string, show: (value: number) => string): Cell {
  if (s.n === 0) return { text: '-' };
  if (s.n === 1) return { text: `${show(s.mean)} ${unit}` };
  return {
    text: `${show(s.mean)} ± ${show(s.sd)} ${unit}`,
    below: s.min === s.max ? `all ${show(s.min)}` : `${show(s.min)} to ${show(s.max)}`,
  };
}

/** Rounded as sentences have it, so that one number is never shown as two. */
const accuracy = (s: Summary): Cell => spreadCell(s, '%', (share) => percent(share).replace(' %', ''));

/** Times in a unit, with three digits of the mean. */
function timeCell(s: Summary, { name, size }: TimeUnit): Cell {
  const digits = s.mean > 0 ? Math.floor(Math.log10(s.mean / size)) : 0;
  const decimals = Math.min(6, Math.max(0, 2 - digits));
  const format = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return spreadCell(s, name, (seconds) => (seconds / size).toLocaleString('en-US', format));
}

/** The unit for a column of times: that which suits the least of them. */
function unitFor(all: readonly Summary[]): TimeUnit {
  return timeUnit(Math.min(...all.filter((s) => s.n > 0).map((s) => s.mean)));
}

/** A unit of time, and its size in seconds. */
interface TimeUnit {
  readonly name: string;
  readonly size: number;
}

/** The unit in which times about so many seconds are read well. */
export function timeUnit(seconds: number): TimeUnit {
  if (seconds >= 2 * 3600) return { name: 'h', size: 3600 };
  if (seconds >= 120) return { name: 'min', size: 60 };
  if (seconds >= 1) return { name: 's', size: 1 };
  return seconds >= 1e-3 ? { name: 'ms', size: 1e-3 } : { name: 'µs', size: 1e-6 };
}

/** Thousands, millions, ... as MACs are given in. */
const macs = (value: number): string => `${significant(value / 1e6, 4)} M`;

/** One decimal where an average is no whole number. */
const perStep = (value: number): string =>
  Number.isInteger(value) ? count(value) : significant(value, value >= 100 ? 4 : 3);

/** A column of numbers: its head, its cell, and its columns in the CSV. */
interface Measure {
  readonly head: string;
  readonly csv: string;
  readonly of: (group: Group) => Summary;
  readonly cell: (summary: Summary, group: Group, column: readonly Summary[]) => Cell;
}

const time: Measure['cell'] = (s, _, column) => timeCell(s, unitFor(column));

const meanOnly =
  (show: (value: number) => string) =>
  (s: Summary): Cell => ({ text: s.n === 0 ? '-' : show(s.mean) });

const MEASURES = {
  training: { head: 'training time', csv: 'train_seconds', of: (g) => g.trainSeconds, cell: time },
  step: { head: 'time a step', csv: 'seconds_per_step', of: (g) => g.secondsPerStep, cell: time },
  update: {
    head: 'time a layer update',
    csv: 'seconds_per_layer_update',
    of: (g) => g.secondsPerLayerUpdate,
    cell: time,
  },
  updates: {
    head: 'layer updates a step',
    csv: 'layer_updates_per_step',
    of: (g) => g.updatesPerStep,
    cell: meanOnly((value) => String(Number(significant(value)))),
  },
  macs: { head: 'MACs a step', csv: 'macs_per_step', of: (g) => g.macsPerStep, cell: meanOnly(macs) },
  dispatches: {
    head: 'dispatches a step',
    csv: 'dispatches_per_step',
    of: (g) => g.dispatchesPerStep,
    cell: meanOnly(perStep),
  },
  trainAccuracy: {
    head: 'train accuracy',
    csv: 'train_accuracy',
    of: (g) => g.trainAccuracy,
    cell: accuracy,
  },
  testAccuracy: { head: 'test accuracy', csv: 'test_accuracy', of: (g) => g.testAccuracy, cell: accuracy },
  goal: {
    head: `time to ${100 * GOAL} % validation`,
    csv: 'seconds_to_97_validation',
    of: (g) => g.secondsToGoal,
    cell: (s, g, column) => {
      const cell = time(s, g, column);
      if (s.n === 0 || s.n === g.runs.length) return cell;
      return { text: cell.text, below: `${s.n} of ${g.runs.length} seeds` };
    },
  },
} as const satisfies Record<string, Measure>;

/**
 * A table with a row for each group; options in which the groups differ have columns of their own, and so has what
 * comes late, where anything does.
 */
export function groupTable(
  id: string,
  title: string,
  groups: readonly Group[],
  columns: readonly (keyof typeof MEASURES)[],
  always: readonly string[] = [],
): Table {
  const options = groups.map(
    (g): Options => ({ layers: String(g.layers), p: String(g.p), ...g.common, ...g.variant, late: g.late }),
  );
  const late = groups.some((g) => g.late !== 'nothing') ? ['late'] : [];
  const names = [...new Set([...always, ...differing(options), ...late])];
  const measures: Measure[] = columns.map((column) => MEASURES[column]);
  const summaries = measures.map((m) => groups.map(m.of));
  return {
    id,
    title,
    names: 1 + names.length,
    head: ['method', ...names.map(optionName), 'seeds', ...measures.map((m) => m.head)],
    rows: groups.map((g, i) => [
      { text: g.title },
      ...names.map((name) => {
        const value = options[i]![name];
        return { text: value === undefined ? '-' : optionValue(name, value) };
      }),
      { text: count(g.seeds.length) },
      ...measures.map((m, k) => m.cell(m.of(g), g, summaries[k]!)),
    ]),
    csv: toCsv([
      [
        'method',
        ...names,
        'steps',
        'device',
        'seeds',
        ...measures.flatMap((m) => ['n', 'mean', 'sd', 'min', 'max'].map((s) => `${m.csv}_${s}`)),
      ],
      ...groups.map((g, i) => [
        g.method,
        ...names.map((name) => options[i]![name] ?? null),
        g.steps,
        g.device,
        g.seeds.join(' '),
        ...measures.flatMap((m) => {
          const { n, mean, sd, min, max } = m.of(g);
          return [n, mean, sd, min, max];
        }),
      ]),
    ]),
  };
}
