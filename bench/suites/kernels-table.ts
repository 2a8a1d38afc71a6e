import Table from 'cli-table3';
import { duration, significant } from '../../src/report/numbers.ts';
import { TABLE_STYLE } from '../../src/report/table.ts';
import type { KernelAt, KernelsResult } from './kernels.ts';
import type { FusedAt } from './kernels-fused.ts';
import type { RungAt } from './ladder.ts';
import type { Rate } from './measured.ts';
import { type PlanTime, timeOf } from './timing.ts';

/** A share as a percentage, with as many digits as are worth it. */
export const share = (value: number): string =>
  `${value < 0.1 ? (100 * value).toPrecision(2) : Math.round(100 * value)} %`;

/** A rate; of a kernel that has no such work, none. */
export const rate = (value: number): string => (value === 0 ? '-' : significant(value));

/** A rung at a shape: its GFLOP/s and GB/s, each with what that is of the peak; or that it was left out. */
export const rungCells = (at: RungAt | undefined): [flops: string, bytes: string] =>
  at && 'gflops' in at
    ? [
        `${significant(at.gflops)} (${share(at.ofPeak.flops)})`,
        `${significant(at.gbs)} (${share(at.ofPeak.bytes)})`,
      ]
    : ['-', '-'];

/** The products at which some rung was measured: those that were left out whole have no column. */
export const measuredShapes = (all: readonly RungAt[]): string[] => [
  ...new Set(all.filter((at) => 'gflops' in at).map((at) => at.shape)),
];

/** A measurement's time and rates, as cells of a row. */
function rateCells(at: Rate & { readonly time: PlanTime; readonly flops: number }): string[] {
  const wall = timeOf(at.time);
  return [
    duration(wall.median),
    `${duration(wall.p10)} to ${duration(wall.p90)}`,
    rate(at.gflops),
    at.flops === 0 ? '-' : share(at.ofPeak.flops),
    rate(at.gbs),
    share(at.ofPeak.bytes),
  ];
}

const RATES = ['time', 'p10 to p90', 'GFLOP/s', 'of peak', 'GB/s', 'of peak'];

function tableOf(names: readonly string[], rates: readonly string[], rows: readonly string[][]): string {
  const table = new Table({
    ...TABLE_STYLE,
    head: [...names, ...rates],
    colAligns: [...names.map(() => 'left' as const), ...rates.map(() => 'right' as const)],
  });
  table.push(...rows);
  return table.toString();
}

const kernelsPart = (all: readonly KernelAt[]): string =>
  tableOf(
    ['kernel', 'shape'],
    RATES,
    all.flatMap((at) => ('gflops' in at ? [[at.kernel, at.shape, ...rateCells(at)]] : [])),
  );

const fusedPart = (all: readonly FusedAt[]): string =>
  tableOf(
    ['schedule: dispatch', 'kernel', 'jobs'],
    RATES,
    all.flatMap((at) =>
      'dispatches' in at
        ? at.dispatches.map((each) => [
            `${at.schedule}: ${each.label}`,
            each.kernel,
            each.jobs,
            ...rateCells(each),
          ])
        : [],
    ),
  );

/** A name for all that is left out of the ladder for one reason: a product as a whole, or single rungs. */
function rungNames(all: readonly RungAt[], reason: string): string[] {
  const leftOut = all.filter((at) => 'leftOut' in at && at.leftOut === reason);
  return [...new Set(leftOut.map((at) => at.shape))].flatMap((shape) =>
    measuredShapes(all).includes(shape)
      ? leftOut.filter((at) => at.shape === shape).map(({ rung }) => `${rung} ${shape}`)
      : [`the ladder at ${shape}`],
  );
}

/** What was left out of the ladder, a line for each reason. */
export function rungsLeftOut(all: readonly RungAt[]): string[] {
  const reasons = [...new Set(all.flatMap((at) => ('leftOut' in at ? [at.leftOut] : [])))];
  return reasons.map((reason) => `left out, since ${reason}: ${rungNames(all, reason).join('; ')}`);
}

/** Kernels and schedules that were left out, a line for each reason. */
function leftOutPart(all: readonly (KernelAt | FusedAt)[]): string[] {
  const reasons = new Map<string, string[]>();
  for (const at of all) {
    if (!('leftOut' in at)) continue;
    const name = 'schedule' in at ? at.schedule : `${at.kernel}${at.size === 'large' ? ', large' : ''}`;
    const names = reasons.get(at.leftOut) ?? [];
    // Left out at both sizes for one reason: once is enough.
    if (!names.includes(name.replace(', large', ''))) names.push(name);
    reasons.set(at.leftOut, names);
  }
  return [...reasons].map(([reason, names]) => `left out, since ${reason}: ${names.join('; ')}`);
}

function ladderPart(all: readonly RungAt[]): string {
  const shapes = measuredShapes(all);
  const rungs = [...new Set(all.map((at) => at.rung))];
  return tableOf(
    ['rung (of the peak)'],
    shapes.flatMap((shape) => [`${shape}: GFLOP/s`, 'GB/s']),
    rungs.map((rung) => [
      rung,
      ...shapes.flatMap((shape) => rungCells(all.find((at) => at.rung === rung && at.shape === shape))),
    ]),
  );
}

/** The tables of the suite, for a terminal. */
export function kernelsTable({ peaks, kernels, fused = [], ladder }: KernelsResult): string {
  return [
    kernelsPart(kernels),
    ...(fused.length > 0 ? [fusedPart(fused)] : []),
    ladderPart(ladder),
    ...leftOutPart([...kernels, ...fused]),
    ...rungsLeftOut(ladder),
    `peaks: ${significant(peaks.gflops)} GFLOP/s (multiply-adds in registers), ` +
      `${significant(peaks.gbs)} GB/s (a copy of ${significant(peaks.copyBytes / 2 ** 20)} MiB, read and written); ` +
      'times are slopes by the clock of the host',
  ].join('\n');
}
