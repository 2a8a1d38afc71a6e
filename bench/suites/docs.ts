import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { duration, significant } from '../../src/report/numbers.ts';
import { fusedOf, ladderOf } from './docs-kernels.ts';
import { committedRuns, RUN_TABLES } from './docs-runs.ts';
import { peerRates, stepAtPaper, stepRates, table } from './docs-steps.ts';
import type { KernelsResult } from './kernels.ts';
import type { OverheadResult } from './overhead.ts';
import { dispatchName, withSpread } from './overhead-table.ts';
import type { PeersResult } from './peers.ts';
import { isBusy, SUITES_VERSION, type SuitePart, type SuitesRecord } from './record.ts';
import type { StepResult } from './step.ts';
import type { Spread, SuiteResult } from './suite.ts';

// The tables of docs/07-performance.md are made from the records in bench/results, so that nobody types their numbers:
// `npm run bench:docs` writes them, and a test fails when they are not what the records say.

/** The records of one device, with the name of their file. */
export interface DeviceRecord {
  readonly slug: string;
  readonly record: SuitesRecord;
}

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));

/** Where the committed records are. */
const RESULTS = join(root, 'bench/results');

/** The page with the tables. */
export const PAGE = join(root, 'docs/07-performance.md');

/** The first page, which shows some of them. */
export const README = join(root, 'README.md');

/** The committed records of all devices, GPUs first. */
export function committedRecords(folder = RESULTS): DeviceRecord[] {
  const kind = ({ record }: DeviceRecord) => Object.values(record.suites)[0]?.device.kind === 'gpu';
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => ({
      slug: name.replace(/\.json$/, ''),
      record: JSON.parse(readFileSync(join(folder, name), 'utf8')) as SuitesRecord,
    }))
    .filter(({ record }) => record.suitesVersion === SUITES_VERSION)
    .sort((a, b) => Number(kind(b)) - Number(kind(a)));
}

/** One suite's part of one device. */
interface Part<R extends SuiteResult> {
  readonly slug: string;
  readonly part: SuitePart<R>;
}

function partsOf<R extends SuiteResult>(records: readonly DeviceRecord[], suite: string): Part<R>[] {
  return records.flatMap(({ slug, record }) => {
    const part = record.suites[suite] as SuitePart<R> | undefined;
    return part ? [{ slug, part }] : [];
  });
}

/** Where figures come from: a line for each device. */
const origins = (parts: readonly Part<SuiteResult>[]): string =>
  parts
    .map(({ slug, part: { device, commit, dawn, node, date, repeats, host } }) => {
      const software = device.kind === 'cpu' ? ', a CPU driver' : '';
      const busy = isBusy(host) ? `, while the machine was busy (a load of ${host.load.toFixed(1)})` : '';
      return (
        `- [${slug}](../bench/results/${slug}.json): ${device.name}, ${device.driver}${software}; ` +
        `commit \`${commit?.slice(0, 12) ?? 'unknown'}${commit?.endsWith('-dirty') ? '-dirty' : ''}\`, ` +
        `Dawn (webgpu ${dawn}), Node ${node}, ${date.slice(0, 10)}, ${repeats} repeats on ${host.cpus} processors${busy}`
      );
    })
    .join('\n');

const both = (a: Spread, b: Spread): string => duration(a.median + b.median);

/** A column for each device; `rows` are found by name in each. */
function byDevice<R extends SuiteResult, Row>(
  parts: readonly Part<R>[],
  head: string,
  rowsOf: (result: R) => readonly Row[],
  nameOf: (row: Row) => string,
  cell: (row: Row) => string,
): string {
  const names = [...new Set(parts.flatMap(({ part }) => rowsOf(part.result).map(nameOf)))];
  const rows = names.map((name) => [
    name,
    ...parts.map(({ part }) => {
      const row = rowsOf(part.result).find((candidate) => nameOf(candidate) === name);
      return row === undefined ? '-' : cell(row);
    }),
  ]);
  return table([head, ...parts.map(({ slug }) => slug)], rows);
}

const rate = ({ median, p10, p90 }: Spread): string =>
  `${significant(median)} (${significant(p10)} to ${significant(p90)})`;

/** The same table for each device, one below the other, without those whose record is older than what it shows. */
function forEach<R extends SuiteResult>(
  parts: readonly Part<R>[],
  make: (result: R) => string | undefined,
  of = '',
): string {
  const tables = parts.flatMap(({ slug, part }) => {
    const made = make(part.result);
    return made === undefined ? [] : [`**${slug}**${of}\n\n${made}`];
  });
  return tables.length > 0 ? tables.join('\n\n') : 'No committed record has these figures yet.';
}

/** The tables by the name that their markers on the page have. */
export const TABLES: Readonly<Record<string, (records: readonly DeviceRecord[]) => string>> = {
  'overhead.origins': (records) => origins(partsOf(records, 'overhead')),
  'overhead.dispatches': (records) =>
    byDevice(
      partsOf<OverheadResult>(records, 'overhead'),
      'one more dispatch in a pass',
      ({ dispatches }) => dispatches,
      dispatchName,
      ({ total }) => withSpread(total),
    ),
  'overhead.host': (records) =>
    byDevice(
      partsOf<OverheadResult>(records, 'overhead'),
      'of which the JavaScript thread',
      ({ dispatches }) => dispatches,
      dispatchName,
      ({ encode, submit }) => both(encode, submit),
    ),
  'overhead.device': (records) =>
    byDevice(
      partsOf<OverheadResult>(records, 'overhead'),
      'and the device',
      ({ dispatches }) => dispatches,
      dispatchName,
      ({ device }) => (device ? duration(device.median) : '-'),
    ),
  'overhead.others': (records) =>
    byDevice(
      partsOf<OverheadResult>(records, 'overhead'),
      'one more',
      ({ others }) => others,
      ({ what }) => what,
      ({ seconds }) => withSpread(seconds),
    ),
  'kernels.origins': (records) => origins(partsOf(records, 'kernels')),
  'kernels.peaks': (records) =>
    table(
      ['device', 'GFLOP/s', 'GB/s'],
      partsOf<KernelsResult>(records, 'kernels').map(({ slug, part: { result } }) => [
        slug,
        rate(result.peaks.spread.gflops),
        rate(result.peaks.spread.gbs),
      ]),
    ),
  'kernels.ladder': (records) =>
    forEach(
      partsOf<KernelsResult>(records, 'kernels'),
      ladderOf,
      ': medians, and what they are of the peak in brackets',
    ),
  'kernels.fused': (records) => forEach(partsOf<KernelsResult>(records, 'kernels'), fusedOf),
  'step.origins': (records) => origins(partsOf(records, 'step')),
  'step.paper': (records) => forEach(partsOf<StepResult>(records, 'step'), stepAtPaper),
  'step.rates': (records) => forEach(partsOf<StepResult>(records, 'step'), stepRates),
  'peers.origins': (records) => origins(partsOf(records, 'peers')),
  'peers.rates': (records) => forEach(partsOf<PeersResult>(records, 'peers'), peerRates),
};

/** The page with each table between its markers made anew. */
export function withTables(page: string, records: readonly DeviceRecord[]): string {
  return page.replace(
    /(<!-- table ([\w.-]+) -->\n)[\s\S]*?(<!-- end \2 -->)/g,
    (_, begin: string, name: string, end: string) => {
      const [ofSuites, ofRuns] = [TABLES[name], RUN_TABLES[name]];
      const made = ofSuites?.(records) ?? ofRuns?.(committedRuns(RESULTS));
      if (made === undefined) throw new Error(`there is no table '${name}'`);
      return `${begin}\n${made}\n\n${end}`;
    },
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const page of [PAGE, README]) {
    writeFileSync(page, withTables(readFileSync(page, 'utf8'), committedRecords()));
  }
}
