import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { InputError } from '../../errors.ts';
import { type BenchRecord, SCHEMA_VERSION } from '../record.ts';
import type { SourceRun } from './groups.ts';

/** What was found in some folders. */
export interface Reading {
  readonly records: readonly { readonly path: string; readonly record: BenchRecord }[];
  readonly runs: readonly SourceRun[];
  /** A sentence for each file that is no record and is named like one. */
  readonly damaged: readonly string[];
}

const RECORD = 'record.json';
const SWEEP = 'sweep.json';
const CELLS = 'cells';

/** A file that may be a record. */
interface Candidate {
  readonly path: string;
  /** Whether its name and place say that it is one; else only its content can tell. */
  readonly named: boolean;
}

/** Every JSON file in a folder and in those inside it, in alphabetic order. */
async function candidates(folder: string, inSweep = false): Promise<Candidate[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const isSweep = entries.some((entry) => entry.isFile() && entry.name === SWEEP);
  const found: Candidate[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    if (entry.isDirectory()) found.push(...(await candidates(path, isSweep && entry.name === CELLS)));
    else if (entry.isFile() && entry.name.endsWith('.json') && entry.name !== SWEEP)
      found.push({ path, named: entry.name === RECORD || inSweep });
  }
  return found;
}

type Kind = 'string' | 'number' | 'boolean' | 'array' | 'object';

const kindOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;

/** Fields that this program reads, and what they must be; `?` where null is as good. */
const FIELDS = {
  record: {
    date: 'string',
    device: 'object',
    dawn: 'string',
    node: 'string',
    version: 'string',
    commit: 'string?',
    config: 'object',
    runs: 'array',
  },
  device: { kind: 'string', name: 'string', driver: 'string', backend: 'string', origin: 'string' },
  config: {
    preset: 'string',
    presetNote: 'string',
    steps: 'number',
    batch: 'number',
    hidden: 'number',
    layers: 'number',
    lr: 'number',
    lrDrops: 'array',
    data: 'object',
  },
  run: {
    method: 'string',
    schedule: 'string',
    seed: 'number',
    status: 'string',
    steps: 'number',
    trainSeconds: 'number',
    stepsPerSecond: 'number',
    layerUpdatesPerSecond: 'number',
    macsPerStep: 'number',
    dispatchesPerStep: 'number',
    train: 'object?',
    validation: 'object?',
    test: 'object?',
    curve: 'array',
  },
  score: { loss: 'number?', accuracy: 'number' },
  batches: { loss: 'number?', accuracy: 'number?' },
  point: { step: 'number', seconds: 'number', train: 'object', validation: 'object' },
} as const satisfies Record<string, Record<string, Kind | `${Kind}?`>>;

/** What is wrong with a part of a record, in a phrase; undefined when nothing is. */
function wrong(what: keyof typeof FIELDS, value: unknown, at: string): string | undefined {
  if (kindOf(value) !== 'object')
    return `expected an object${at && ` at ${at}`}, found ${value === undefined ? 'nothing' : kindOf(value)}`;
  for (const [name, wanted] of Object.entries(FIELDS[what])) {
    const found = (value as Record<string, unknown>)[name];
    const kind = wanted.replace('?', '');
    if (kindOf(found) === kind || (wanted.endsWith('?') && found === null)) continue;
    const here = at ? `${at}.${name}` : name;
    return `expected ${/^[ao]/.test(kind) ? 'an' : 'a'} ${kind} at ${here}, found ${found === undefined ? 'nothing' : kindOf(found)}`;
  }
  return undefined;
}

/** The first of some phrases. */
const first = <T>(all: readonly T[], look: (one: T, i: number) => string | undefined): string | undefined => {
  for (const [i, one] of all.entries()) {
    const found = look(one, i);
    if (found) return found;
  }
  return undefined;
};

function wrongRun(run: BenchRecord['runs'][number], at: string): string | undefined {
  const found = wrong('run', run, at);
  if (found) return found;
  const scores = (['train', 'validation', 'test'] as const).filter((part) => run[part] !== null);
  if (run.status === 'finished' && scores.length < 3)
    return `expected scores of a finished run at ${at}, found null`;
  return (
    first(scores, (part) => wrong('score', run[part], `${at}.${part}`)) ??
    first(
      run.curve,
      (point, i) =>
        wrong('point', point, `${at}.curve[${i}]`) ??
        wrong('batches', point.train, `${at}.curve[${i}].train`) ??
        wrong('score', point.validation, `${at}.curve[${i}].validation`),
    )
  );
}

/** What is wrong with a record, in a phrase; undefined when it can be reported on. */
export function problemOf(value: unknown): string | undefined {
  if (kindOf(value) !== 'object') return `expected a record, found ${kindOf(value)}`;
  const record = value as BenchRecord;
  const version: unknown = record.schemaVersion;
  if (typeof version === 'number' && version > SCHEMA_VERSION)
    return `it was written by a newer syngrad (schemaVersion ${version}; this one reads up to ${SCHEMA_VERSION})`;
  if (version !== SCHEMA_VERSION)
    return `expected schemaVersion ${SCHEMA_VERSION}, found ${JSON.stringify(version) ?? 'nothing'}`;
  return (
    wrong('record', record, '') ??
    wrong('device', record.device, 'device') ??
    wrong('config', record.config, 'config') ??
    first(record.runs, (run, i) => wrongRun(run, `runs[${i}]`))
  );
}

/** Whether a value means to be a record, by what no other file has. */
const looksLikeRecord = (value: unknown): boolean =>
  kindOf(value) === 'object' &&
  ['schemaVersion', 'config', 'runs'].every((name) => name in (value as object));

/** The record in a file, or what is wrong with it in a phrase; undefined for a file that means to be something else. */
async function readRecord({ path, named }: Candidate): Promise<BenchRecord | string | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    return named ? `it cannot be read (${(error as NodeJS.ErrnoException).code})` : undefined;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    if (!named) return undefined;
    return text.trim() === '' ? 'it is empty' : 'it is not JSON, or only a part of it';
  }
  if (!named && !looksLikeRecord(value)) return undefined;
  const problem = problemOf(value);
  if (problem) return problem;
  const record = value as BenchRecord;
  // As a benchmark leaves it that was stopped before its first run.
  return record.runs.length === 0 ? 'it holds no runs' : record;
}

/**
 * Reads every record in some folders and in the folders inside them: `record.json` of benchmarks, `cells/*.json`
 * beside the `sweep.json` of sweeps, and JSON files of other names that hold one. Damaged ones are told of and left
 * out; a record found twice counts once.
 *
 * @throws InputError when a folder cannot be read, or there is no record in any of them.
 */
export async function readRecords(folders: readonly string[]): Promise<Reading> {
  const files: Candidate[] = [];
  for (const folder of folders) {
    const found = await stat(folder).catch((error: NodeJS.ErrnoException) => error.code);
    if (typeof found === 'string' || found === undefined || !found.isDirectory()) {
      const reason = found === 'ENOENT' ? 'nothing' : typeof found === 'string' ? found : 'a file';
      throw new InputError(`report: expected a folder with records at ${folder}, found ${reason}`);
    }
    try {
      files.push(...(await candidates(folder)));
    } catch (error) {
      const { code, path } = error as NodeJS.ErrnoException;
      throw new InputError(
        `report: expected a folder with records, but ${path ?? folder} cannot be read (${code})`,
      );
    }
  }
  const records: { path: string; record: BenchRecord }[] = [];
  const damaged: string[] = [];
  const seen = new Set<string>();
  for (const file of files) {
    const path = relative('.', file.path);
    const read = await readRecord(file);
    if (read === undefined) continue;
    if (typeof read === 'string') {
      damaged.push(`${path}: skipped: ${read}.`);
      continue;
    }
    // The same folder given twice, or a copy of it.
    const text = JSON.stringify(read);
    if (seen.has(text)) continue;
    seen.add(text);
    records.push({ path, record: read });
  }
  if (records.length === 0) {
    const where = folders.join(', ');
    const found =
      damaged.length === 0 ? 'none' : `${damaged.length} that cannot be used (${damaged.join(' ')})`;
    throw new InputError(
      `report: expected records (${RECORD} or ${CELLS}/*.json) in ${where}, found ${found}`,
    );
  }
  const runs = records.flatMap(({ path, record }) => record.runs.map((run) => ({ run, record, path })));
  return { records, runs, damaged };
}
