import Table from 'cli-table3';
import { count, duration, significant } from '../../src/report/numbers.ts';
import { TABLE_STYLE } from '../../src/report/table.ts';
import { share } from './kernels-table.ts';
import type { StepResult } from './step.ts';
import type { StepCell, StepRun } from './step-cell.ts';
import { RIVAL } from './step-variants.ts';
import type { Spread } from './suite.ts';

/** A run that was measured. */
export type MeasuredRun = Extract<StepRun, { stepsPerSecond: Spread }>;

const measured = (run: StepRun): run is MeasuredRun => 'stepsPerSecond' in run;

/** Whether a ratio is above 1, below it, or neither, by its middle 80 %. */
export type Verdict = 'pays' | 'costs' | 'even';

/** What a ratio and its spread say. */
export const verdictOf = ({ p10, p90 }: Spread): Verdict => (p10 > 1 ? 'pays' : p90 < 1 ? 'costs' : 'even');

const MARKS: Readonly<Record<Verdict, string>> = { pays: '+', costs: '-', even: '=' };

/** Two lines for a narrow column. */
const narrow = (name: string): string => name.replace(' ', '\n');

const right = (columns: readonly unknown[]) => columns.map(() => 'right' as const);

/** A row for each cell of the grid, and a column for each variant. */
function cellsTable(
  cells: readonly StepCell[],
  what: string,
  of: (run: MeasuredRun, cell: StepCell) => string,
): string {
  const names = cells[0]!.runs.map(({ name }) => name);
  const table = new Table({
    ...TABLE_STYLE,
    head: ['layers', 'batch', ...names.map(narrow)],
    colAligns: right(['', '', ...names]),
  });
  for (const cell of cells) {
    table.push([cell.layers, cell.batch, ...cell.runs.map((run) => (measured(run) ? of(run, cell) : '-'))]);
  }
  return `${what}\n${table.toString()}`;
}

/** Fewest and most dispatches of a step at a depth: those that fill and drain a wave are shared out among a chunk's steps. */
function dispatchesTable(cells: readonly StepCell[]): string {
  const depths = [...new Set(cells.map(({ layers }) => layers))];
  const names = cells[0]!.runs.map(({ name }) => name);
  const table = new Table({
    ...TABLE_STYLE,
    head: ['layers', ...names.map(narrow)],
    colAligns: right(['', ...names]),
  });
  for (const depth of depths) {
    const of = (name: string) => {
      const runs = cells.filter(({ layers }) => layers === depth).flatMap(({ runs }) => runs);
      const found = runs.filter((run) => measured(run)).filter((run) => run.name === name);
      if (found.length === 0) return '-';
      const each = found.map(({ dispatchesPerStep }) => dispatchesPerStep);
      const [least, most] = [Math.min(...each), Math.max(...each)].map((n) => count(Number(n.toFixed(2))));
      return least === most ? least : `${least} to ${most}`;
    };
    table.push([depth, ...names.map(of)]);
  }
  return `dispatches a step\n${table.toString()}`;
}

/** A ratio at each depth and batch, marked by whether it is above 1. */
function ratioTable(
  { cells, grid }: Pick<StepResult, 'cells' | 'grid'>,
  ratioOf: (cell: StepCell) => Spread | null,
): string {
  const table = new Table({
    ...TABLE_STYLE,
    head: ['layers \\ batch', ...grid.batch.map(String)],
    colAligns: right(['', ...grid.batch]),
  });
  for (const layers of grid.layers) {
    const of = (batch: number) => {
      const found = cells.find((cell) => cell.layers === layers && cell.batch === batch);
      const ratio = found && ratioOf(found);
      return ratio ? `${ratio.median.toFixed(2)} ${MARKS[verdictOf(ratio)]}` : '-  ';
    };
    table.push([layers, ...grid.batch.map(of)]);
  }
  return table.toString();
}

/** The map as text, and the rival's. */
export function mapTable(result: Pick<StepResult, 'cells' | 'grid' | 'map'>): string {
  const { map, cells } = result;
  return [
    `where unlocking pays: steps/s of ${map.of} over ${map.to}, every layer updated in every step`,
    ratioTable(result, ({ waveToBp }) => waveToBp),
    ...(cells.some(({ rivalToBp }) => rivalToBp)
      ? [
          `and of ${RIVAL.of}, which unlocks layers without predictors, over ${RIVAL.to}`,
          ratioTable(result, ({ rivalToBp }) => rivalToBp),
        ]
      : []),
    `${MARKS.pays} it pays, ${MARKS.costs} it costs, ${MARKS.even} neither, by the p10 and p90 of the repeats`,
  ].join('\n');
}

/** Why variants were left out, each reason once. */
function leftOut(cells: readonly StepCell[]): string[] {
  const reasons = new Map<string, string[]>();
  for (const { layers, batch, runs } of cells) {
    for (const run of runs) {
      if (measured(run)) continue;
      const key = `${run.name}: ${run.leftOut}`;
      reasons.set(key, [...(reasons.get(key) ?? []), `${layers} layers x ${batch}`]);
    }
  }
  return [...reasons].map(([reason, where]) => `left out, ${reason} (${where.join(', ')})`);
}

/** A rate that takes little room: 812, 43.5k. */
const rate = (perSecond: number): string =>
  perSecond < 1e4 ? significant(perSecond) : `${significant(perSecond / 1e3)}k`;

const withRange = ({ median, p10, p90 }: Spread): string => `${rate(median)}\n${rate(p10)}–${rate(p90)}`;

/** The tables of the suite, for a terminal. */
export function stepTable(result: StepResult): string {
  const { cells, peaks, config } = result;
  return [
    cellsTable(cells, 'steps/s, p10 to p90 below', ({ stepsPerSecond }) => withRange(stepsPerSecond)),
    cellsTable(
      cells,
      'time a layer update, and the time that the roofline allows for the step as a share of its own',
      ({ layerUpdateSeconds, rooflineSeconds, stepsPerSecond }) =>
        `${duration(layerUpdateSeconds.median)}\n${share(rooflineSeconds * stepsPerSecond.median)}`,
    ),
    dispatchesTable(cells),
    mapTable(result),
    ...leftOut(cells),
    `${config.data}, ${config.hidden} hidden units, adam, learning rate ${config.learningRate}, seed ${config.seed}; ` +
      `by the clock of the host, chunks of up to 256 steps one behind the other, the variants by turns`,
    `peaks: ${significant(peaks.gflops)} GFLOP/s, ${significant(peaks.gbs)} GB/s (a copy of ` +
      `${significant(peaks.copyBytes / 2 ** 20)} MiB; what caches hold may be faster)`,
  ].join('\n');
}
