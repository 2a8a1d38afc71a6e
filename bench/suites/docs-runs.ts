import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { significant } from '../../src/report/numbers.ts';
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

/** The tables by the name that their markers have. */
export const RUN_TABLES: Readonly<Record<string, (runs: readonly CommittedRun[]) => string>> = {
  // Table 1 of Bisong 2017: its length and its learning rate.
  'runs.paper': (runs) => accuracies(runs.filter(({ record }) => record.config.preset === 'bisong-50k')),
  // The same rule in every schedule, for a short time at a high learning rate.
  'runs.lateness': (runs) =>
    accuracies(runs.filter(({ record, run }) => run.method === 'cdni' && record.config.steps === 1000)),
};
