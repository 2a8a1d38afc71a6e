import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { duration, significant } from '../../src/report/numbers.ts';
import type { BenchRecord, RunRecord } from '../../src/report/record.ts';
import { lateness } from '../../src/report/table.ts';
import { table } from './docs-steps.ts';

// Tables of README.md that committed runs of the benchmark fill.

/** A committed run, and the file that it is in. */
interface CommittedRun {
  readonly slug: string;
  readonly record: BenchRecord;
  readonly run: RunRecord;
}

/** The finished runs in a folder of records, by their files' names. */
export function committedRuns(folder: string): CommittedRun[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => {
      const record = JSON.parse(readFileSync(join(folder, name), 'utf8')) as BenchRecord;
      const runs = (record.runs ?? []).filter(({ status }) => status === 'finished');
      return runs.map((run) => ({ slug: name.replace(/\.json$/, ''), record, run }));
    });
}

const percent = (share: number | undefined): string =>
  share === undefined ? '-' : `${(100 * share).toFixed(2)} %`;

function accuracies(runs: readonly CommittedRun[]): string {
  return table(
    [
      'rule, schedule',
      'late, in steps',
      'steps',
      'train accuracy',
      'test accuracy',
      'test loss',
      'seed',
      'record',
    ],
    runs.map(({ slug, run }) => [
      `${run.method}, ${run.schedule}`,
      lateness(run),
      run.steps.toLocaleString('en-US'),
      percent(run.train?.accuracy),
      percent(run.test?.accuracy),
      run.test ? significant(run.test.loss) : '-',
      String(run.seed),
      `[${slug}](bench/results/${slug}.json)`,
    ]),
  );
}

/** What was made by which versions, each once. */
const versions = (runs: readonly CommittedRun[]): string[] => [
  ...new Set(
    runs.map(
      ({ record: { commit, dawn, node, date } }) =>
        `commit \`${commit?.slice(0, 12) ?? 'unknown'}${commit?.endsWith('-dirty') ? '-dirty' : ''}\`, ` +
        `Dawn (webgpu ${dawn}), Node ${node}, ${date.slice(0, 10)}`,
    ),
  ),
];

/** Rates of the runs of a record beside its backprop. */
function rates(runs: readonly CommittedRun[]): string {
  const rows = runs.map(({ slug, record, run }) => {
    const bp = record.runs.find(({ method }) => method === 'bp');
    return [
      record.device.driver.replace(/ \(LLVM.*/, ''),
      `${run.method}, ${run.schedule}`,
      significant(run.stepsPerSecond),
      duration(1 / run.layerUpdatesPerSecond),
      `${significant(run.macsPerStep / 1e6)} M`,
      significant(run.dispatchesPerStep),
      percent(run.test?.accuracy),
      bp && run !== bp ? significant(run.stepsPerSecond / bp.stepsPerSecond) : '',
      `[${slug}](bench/results/${slug}.json)`,
    ];
  });
  const head = [
    'driver',
    'rule, schedule',
    'steps/s',
    'time a layer update',
    'multiply-adds a step',
    'dispatches a step',
    'test accuracy',
    'steps/s : bp',
    'record',
  ];
  return `${table(head, rows)}\n\nBy ${versions(runs).join('; ')}.`;
}

/** The tables by the name that their markers have. */
export const RUN_TABLES: Readonly<Record<string, (runs: readonly CommittedRun[]) => string>> = {
  // What `npm run bench` does.
  'runs.quick': (runs) =>
    rates(runs.filter(({ record: { config } }) => config.preset === 'quick' && config.steps === 300)),
  // Table 1 of Bisong 2017: its length and its learning rate.
  'runs.paper': (runs) =>
    accuracies(
      runs
        .filter(({ record }) => record.config.preset === 'bisong-50k')
        .toSorted((a, b) => a.run.seed - b.run.seed),
    ),
  // The same rule in every schedule, for a short time at a high learning rate.
  'runs.lateness': (runs) =>
    accuracies(runs.filter(({ record, run }) => run.method === 'cdni' && record.config.steps === 1000)),
};
