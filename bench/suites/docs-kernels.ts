import { duration } from '../../src/report/numbers.ts';
import { table } from './docs-steps.ts';
import type { KernelsResult } from './kernels.ts';
import type { FusedAt, FusedDispatch } from './kernels-fused.ts';
import { measuredShapes, rate, rungCells, rungsLeftOut, share } from './kernels-table.ts';
import { RUNGS } from './ladder.ts';
import { withSpread } from './overhead-table.ts';
import { timeOf } from './timing.ts';

// Tables of docs/07-performance.md that the suite `kernels` fills.

const adds = new Map(RUNGS.map((rung) => [rung.name, rung.adds]));

/** The ladder: a row for each rung, two columns for each product, and what was left out below. */
export function ladderOf({ ladder }: KernelsResult): string {
  const shapes = measuredShapes(ladder);
  const rows = [...new Set(ladder.map((at) => at.rung))].map((rung) => [
    `\`${rung}\``,
    adds.get(rung) ?? '',
    ...shapes.flatMap((shape) => rungCells(ladder.find((at) => at.rung === rung && at.shape === shape))),
  ]);
  const head = ['rung', 'adds', ...shapes.flatMap((shape) => [`${shape}: GFLOP/s`, 'GB/s'])];
  const below = rungsLeftOut(ladder).map((line) => `\n\n${line[0]!.toUpperCase()}${line.slice(1)}.`);
  return table(head, rows) + below.join('');
}

/** The dispatches of a schedule, and below them what they take together in a step of training. */
function dispatchRows(at: FusedAt): string[][] {
  if (!('dispatches' in at)) return [];
  const { dispatches } = at;
  const rows = dispatches.map((each) => [
    `${at.schedule}: \`${each.label}\``,
    `\`${each.kernel}\``,
    each.jobs,
    withSpread(timeOf(each.time)),
    rate(each.gflops),
    rate(each.gbs),
    share(each.ofRoofline),
  ]);
  const sum = (of: (each: FusedDispatch) => number) => dispatches.reduce((all, each) => all + of(each), 0);
  const seconds = sum(({ time }) => timeOf(time).median);
  const perSecond = (work: number) => rate(work / seconds / 1e9);
  const steps = at.steps === 1 ? 'a step' : `${at.steps} steps`;
  return [
    ...rows,
    [
      `**${at.schedule}: ${steps}**`,
      at.form === 'cpu' ? 'form for CPU drivers' : 'form for GPUs',
      'their medians added up',
      duration(seconds),
      perSecond(sum(({ flops }) => flops)),
      perSecond(sum(({ bytes }) => bytes)),
      share(sum(({ time, ofRoofline }) => timeOf(time).median * ofRoofline) / seconds),
    ],
  ];
}

/** Every dispatch of the fused schedules; undefined for a record that is older than these rows. */
export function fusedOf({ fused }: KernelsResult): string | undefined {
  if (!fused) return undefined;
  const head = ['schedule: dispatch', 'kernel', 'jobs', 'time', 'GFLOP/s', 'GB/s', 'of its roof'];
  const leftOut = fused.flatMap((at) =>
    'leftOut' in at ? [`\n\nLeft out: ${at.schedule}: ${at.leftOut}.`] : [],
  );
  return table(head, fused.flatMap(dispatchRows)) + leftOut.join('');
}
