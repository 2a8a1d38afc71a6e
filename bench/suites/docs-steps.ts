import { duration, significant } from '../../src/report/numbers.ts';
import type { PeersResult } from './peers.ts';
import type { StepResult } from './step.ts';
import type { MeasuredRun } from './step-table.ts';
import type { Spread } from './suite.ts';

// Tables of docs/07-performance.md that the suites `step` and `peers` fill.

/** A table as Markdown: its first column to the left, and others whose cells are not all figures, or nothing. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const isFigures = (column: number) =>
    column > 0 && rows.every((row) => /^[-\d]|^$/.test(row[column] ?? ''));
  return [head, head.map((_, i) => (isFigures(i) ? '---:' : '---')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
}

const spread = ({ median, p10, p90 }: Spread): string =>
  `${significant(median)} (${significant(p10)} to ${significant(p90)})`;

/** A row for each cell of the grid, a column for each variant: steps a second. */
export function stepRates({ cells }: StepResult): string {
  const names = [...new Set(cells.flatMap(({ runs }) => runs.map(({ name }) => name)))];
  return table(
    ['layers, batch', ...names, 'wave / bp fused'],
    cells.map(({ layers, batch, runs, waveToBp }) => [
      `${layers}, ${batch}`,
      ...names.map((name) => {
        const run = runs.find((candidate) => candidate.name === name);
        return run && 'stepsPerSecond' in run ? significant((run as MeasuredRun).stepsPerSecond.median) : '-';
      }),
      waveToBp ? spread(waveToBp) : '-',
    ]),
  );
}

/** Dispatches and time of a step at the paper's sizes, and what the measured peaks allow. */
export function stepAtPaper({ cells }: StepResult): string {
  const cell = cells.find(({ layers, batch }) => layers === 4 && batch === 256);
  const runs = (cell?.runs ?? []).filter((run): run is MeasuredRun => 'stepsPerSecond' in run);
  return table(
    [
      '4 layers, batch 256',
      'dispatches a step',
      'multiply-adds a step',
      'a step',
      'all dispatches at their roof',
      'a step / that',
    ],
    runs.map((run) => [
      run.name,
      significant(run.dispatchesPerStep),
      `${significant(run.macsPerStep / 1e6)} M`,
      duration(1 / run.stepsPerSecond.median),
      duration(run.rooflineSeconds),
      significant(1 / run.stepsPerSecond.median / run.rooflineSeconds),
    ]),
  );
}

/** Peers without a time, those with one reason together. */
function notMeasured({ peers }: PeersResult): string {
  const reasons = new Map<string, string[]>();
  for (const { label, comparison, reason } of peers) {
    if (!comparison) reasons.set(reason ?? '', [...(reasons.get(reason ?? '') ?? []), label]);
  }
  return [...reasons]
    .map(([reason, labels]) => `\n\nNot measured: ${labels.join('; ')}: ${reason}.`)
    .join('');
}

/** Our steps a second beside each peer's, by turns, and below them who was not measured. */
export function peerRates(result: PeersResult): string {
  const { peers } = result;
  const rates = table(
    ['peer', 'its steps/s', 'ours beside it', 'ours / its'],
    peers.flatMap(({ label, comparison }) =>
      comparison
        ? [[label, spread(comparison.theirs), spread(comparison.ours), spread(comparison.ratio)]]
        : [],
    ),
  );
  return rates + notMeasured(result);
}
