import { isDeepStrictEqual } from 'node:util';
import { InputError } from '../src/errors.ts';
import type { Setting, SweepCell } from './sweep-grid.ts';

/** Version of the manifest's schema. Fields are added under the same number, and none is renamed or removed. */
export const MANIFEST_VERSION = 1;

/** What a sweep was asked to do, by the names of the command line. */
export interface SweepOptions {
  /** Name of the experiment; null for a grid of one's own. */
  readonly experiment: string | null;
  readonly preset: string;
  readonly methods: readonly string[];
  readonly seeds: readonly number[];
  /** Share of the protocol's steps, learning-rate drops and steps between evaluations; 1 is the whole protocol. */
  readonly scale: number;
  /** The values of every option that varies. */
  readonly set: Readonly<Record<string, readonly Setting[]>>;
  /** The options that are the same for all cells. */
  readonly fixed: Readonly<Record<string, unknown>>;
}

/** All that a sweep consists of: `sweep.json`, written before the first cell is run. */
export interface SweepManifest {
  readonly schemaVersion: typeof MANIFEST_VERSION;
  /** When it was begun, ISO 8601. */
  readonly date: string;
  /** Of syngrad. */
  readonly version: string;
  /** What it is, in a sentence. */
  readonly note: string;
  readonly options: SweepOptions;
  readonly cells: readonly SweepCell[];
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads a manifest. @throws InputError that names what is damaged */
export function parseManifest(path: string, text: string): SweepManifest {
  const refuse = (found: string): never => {
    throw new InputError(`${path}: expected the manifest of a sweep, found ${found}`);
  };
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return refuse('what is not JSON');
  }
  if (!isObject(content)) return refuse('no object');
  if (content.schemaVersion !== MANIFEST_VERSION)
    return refuse(`schemaVersion ${JSON.stringify(content.schemaVersion)} in place of ${MANIFEST_VERSION}`);
  const { options, cells } = content;
  if (!isObject(options) || !isObject(options.set) || !isObject(options.fixed)) return refuse('no options');
  if (!Array.isArray(cells) || cells.length === 0) return refuse('no cells');
  const isWhole = (cell: unknown) => isObject(cell) && typeof cell.id === 'string' && isObject(cell.config);
  if (!cells.every(isWhole)) return refuse('a cell without id or configuration');
  return content as unknown as SweepManifest;
}

/** Every option by its name on the command line, in the order in which a difference is told. */
function flat({ experiment, preset, methods, seeds, scale, set, fixed }: SweepOptions): Map<string, unknown> {
  const named = (prefix: string, values: Readonly<Record<string, unknown>>) =>
    Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value] as const);
  return new Map([
    ['--experiment', experiment ?? undefined],
    ['--preset', preset],
    ...named('--set ', set),
    ...named('--', fixed),
    ['--scale', scale],
    ['--methods', methods],
    ['--seeds', seeds],
  ]);
}

const shown = (value: unknown): string =>
  value === undefined
    ? 'not given'
    : Array.isArray(value) && value.length > 0
      ? value.join(',')
      : String(value);

/** How what a sweep was made by differs from what is wanted now, in half a sentence; undefined if it does not. */
export function differenceOf(made: SweepManifest, wanted: SweepManifest): string | undefined {
  const [then, now] = [flat(made.options), flat(wanted.options)];
  for (const name of new Set([...then.keys(), ...now.keys()])) {
    const [before, after] = [then.get(name), now.get(name)];
    if (isDeepStrictEqual(before, after)) continue;
    return `${name} was ${shown(before)} there and is ${shown(after)} now`;
  }
  const data = ({ cells }: SweepManifest) => cells[0]!.config.data;
  if (!isDeepStrictEqual(data(made), data(wanted))) {
    const { name, train, test } = data(made);
    const other = data(wanted);
    return `--data was ${name} (${train} training and ${test} test samples) there and is ${other.name} (${other.train} and ${other.test}) now`;
  }
  if (!isDeepStrictEqual(made.cells.map(withoutNote), wanted.cells.map(withoutNote))) {
    const before = made.version === wanted.version ? '' : ` ${made.version}`;
    return `the same options gave other cells in the syngrad${before} that made it`;
  }
  return undefined;
}

/** The words of a note may change from one version to the next. */
const withoutNote = ({ config, ...cell }: SweepCell) => ({ ...cell, config: { ...config, presetNote: '' } });
