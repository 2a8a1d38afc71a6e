import { count } from '../numbers.ts';
import type { BenchRecord } from '../record.ts';
import { deviceOf, type Group, splitBy } from './groups.ts';
import { listed, type namer, type Section, shortCommit } from './section.ts';
import { type Table, toCsv } from './tables.ts';
import { optionName, optionText } from './words.ts';

/** A record, and where it lies. */
export interface Found {
  readonly path: string;
  readonly record: BenchRecord;
}

const table = (id: string, title: string, head: readonly string[], rows: readonly string[][]): Table => ({
  id,
  title,
  names: head.length,
  head,
  rows: rows.map((row) => row.map((text) => ({ text }))),
  csv: toCsv([head, ...rows]),
});

const unique = (values: readonly string[]): string[] => [...new Set(values)].sort();

function environments(found: readonly Found[], id: string): Table {
  const sets = splitBy(found, ({ record: r }) => [r.device, r.dawn, r.node, r.version, r.commit]);
  const rows = sets.map((set) => {
    const { device, dawn, node, version, commit } = set[0]!.record;
    const dates = set.map((f) => f.record.date).sort();
    const days = unique(dates.map((date) => date.slice(0, 10)));
    return [
      device.name,
      device.kind === 'cpu' ? 'CPU driver' : 'GPU',
      device.driver || '-',
      device.backend,
      dawn,
      node,
      version,
      commit === null ? 'none' : shortCommit(commit),
      days.length === 1 ? days[0]! : `${days[0]} to ${days.at(-1)}`,
      count(set.reduce((sum, f) => sum + f.record.runs.length, 0)),
    ];
  });
  const head = [
    'device',
    'kind',
    'driver',
    'backend',
    'Dawn',
    'Node',
    'syngrad',
    'commit',
    'date (UTC)',
    'runs',
  ];
  return table(id, 'Devices, versions and commits', head, rows);
}

/** What stands in a table of its own. */
const ELSEWHERE = new Set(['methods', 'seed', 'presetNote', 'data']);

/** An option as it was asked for, whether or not a run could have it. */
function asked(name: string, value: unknown): string {
  if (name === 'schedule') return `schedule asked for ${value}`;
  if (Array.isArray(value) && value.length === 0) return `${optionName(name)} none`;
  return optionText(name, typeof value === 'string' ? value : JSON.stringify(value));
}

function configurations(found: readonly Found[], id: string): Table {
  const sets = splitBy(found, ({ record: { config } }) =>
    Object.entries(config).filter(([name]) => !['methods', 'seed'].includes(name)),
  );
  const rows = sets.map((set) => {
    const { config } = set[0]!.record;
    const { name, train, validation, test } = config.data;
    const options = Object.entries(config)
      .filter(([key, value]) => !ELSEWHERE.has(key) && key !== 'preset' && value !== null)
      .map(([key, value]) => asked(key, value));
    const runs = set.flatMap((f) => f.record.runs);
    return [
      config.preset,
      config.presetNote,
      unique(runs.map((run) => run.method)).join(', '),
      unique(runs.map((run) => String(run.seed))).join(', '),
      options.join('; '),
      `${name}: ${[train, validation, test].map(count).join(' + ')}`,
    ];
  });
  const head = ['preset', 'what it is', 'methods', 'seeds', 'options', 'data (train + validation + test)'];
  return table(id, 'Configurations', head, rows);
}

/** What was computed with what, by which program, when. */
export function provenanceSection(found: readonly Found[], name: ReturnType<typeof namer>): Section {
  return {
    id: 'provenance',
    title: 'Provenance',
    about: `From ${count(found.length)} ${found.length === 1 ? 'record' : 'records'}.`,
    blocks: [
      { table: environments(found, name('table-environments')), sentences: [] },
      { table: configurations(found, name('table-configurations')), sentences: [] },
    ],
  };
}

/** What a reader must know before anything else, each as a sentence. */
export function warnings(found: readonly Found[], groups: readonly Group[]): string[] {
  const records = found.map((f) => f.record);
  const devices = unique(records.map(deviceOf));
  const commits = unique(records.map((r) => r.commit ?? 'none'));
  const dawns = unique(records.map((r) => r.dawn));
  const notes: string[] = [];
  if (devices.length > 1)
    notes.push(
      `MIXED DEVICES: these records are of ${devices.length} devices: ${devices.join('; ')}. Each has tables and figures of its own; times of different devices are never averaged together.`,
    );
  const mixed = groups.filter((g) => g.commits.length > 1).length;
  if (commits.length > 1)
    notes.push(
      `MIXED COMMITS: these records are of ${commits.length} commits: ${commits.map(shortCommit).join(', ')}.${
        mixed > 0 ? ` ${mixed} ${mixed === 1 ? 'row averages' : 'rows average'} over runs of several.` : ''
      }`,
    );
  if (dawns.length > 1) notes.push(`Several versions of Dawn: ${dawns.join(', ')}.`);
  if (commits.some((commit) => commit.endsWith('-dirty')))
    notes.push('Some runs are of a checkout with changes that no commit holds (-dirty).');
  const cpus = unique(records.filter((r) => r.device.kind === 'cpu').map((r) => r.device.name));
  if (cpus.length > 0)
    notes.push(
      `${listed(cpus)} ${cpus.length === 1 ? 'is a CPU driver' : 'are CPU drivers'}: these times say nothing about GPUs.`,
    );
  const small = unique(
    records.filter((r) => ['quick', 'smoke'].includes(r.config.preset)).map((r) => r.config.preset),
  );
  if (small.length > 0)
    notes.push(
      `Some runs are of the ${small.length === 1 ? 'preset' : 'presets'} ${listed(small)}: much shorter than the papers' experiments, and at another learning rate unless options changed it.`,
    );
  return notes;
}
