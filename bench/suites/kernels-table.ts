import Table from 'cli-table3';
import { duration, significant } from '../../src/report/numbers.ts';
import { TABLE_STYLE } from '../../src/report/table.ts';
import type { KernelAt, KernelsResult } from './kernels.ts';
import type { RungAt } from './ladder.ts';

/** A share as a percentage, with as many digits as are worth it. */
export const share = (value: number): string =>
  `${value < 0.1 ? (100 * value).toPrecision(2) : Math.round(100 * value)} %`;

const rate = (value: number): string => (value === 0 ? '-' : significant(value));

/** A rung at a shape: its rate, and what that is of the peak; or that it was left out. */
export const rungCell = (at: RungAt | undefined): string =>
  at && 'gflops' in at ? `${significant(at.gflops)} (${share(at.ofPeak.flops)})` : '-';

function kernelsPart(all: readonly KernelAt[]): string {
  const table = new Table({
    ...TABLE_STYLE,
    head: ['kernel', 'shape', 'time', 'p10 to p90', 'GFLOP/s', 'of peak', 'GB/s', 'of peak'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right'],
  });
  for (const at of all) {
    if (!('gflops' in at)) continue;
    const { wall } = at.time;
    table.push([
      at.kernel,
      at.shape,
      duration(wall.median),
      `${duration(wall.p10)} to ${duration(wall.p90)}`,
      rate(at.gflops),
      at.flops === 0 ? '-' : share(at.ofPeak.flops),
      rate(at.gbs),
      share(at.ofPeak.bytes),
    ]);
  }
  return table.toString();
}

/** Kernels that were left out, by the reason. */
function leftOutPart(all: readonly (KernelAt | RungAt)[]): string[] {
  const reasons = new Map<string, string[]>();
  for (const at of all) {
    if (!('leftOut' in at)) continue;
    const name =
      'rung' in at ? `${at.rung} ${at.shape}` : `${at.kernel}${at.size === 'large' ? ', large' : ''}`;
    const names = reasons.get(at.leftOut) ?? [];
    // Left out at both sizes for one reason: once is enough.
    if (!names.includes(name.replace(', large', ''))) names.push(name);
    reasons.set(at.leftOut, names);
  }
  return [...reasons].map(([reason, names]) => `left out, since ${reason}: ${names.join('; ')}`);
}

function ladderPart(all: readonly RungAt[]): string {
  const shapes = [...new Set(all.map((at) => at.shape))];
  const rungs = [...new Set(all.map((at) => at.rung))];
  const table = new Table({
    ...TABLE_STYLE,
    head: ['GFLOP/s (of peak)', ...shapes],
    colAligns: ['left', ...shapes.map(() => 'right' as const)],
  });
  for (const rung of rungs) {
    const cells = shapes.map((shape) => rungCell(all.find((at) => at.rung === rung && at.shape === shape)));
    table.push([rung, ...cells]);
  }
  return table.toString();
}

/** The tables of the suite, for a terminal. */
export function kernelsTable({ peaks, kernels, ladder }: KernelsResult): string {
  return [
    kernelsPart(kernels),
    ladderPart(ladder),
    ...leftOutPart([...kernels, ...ladder]),
    `peaks: ${significant(peaks.gflops)} GFLOP/s (multiply-adds in registers), ` +
      `${significant(peaks.gbs)} GB/s (a copy of ${significant(peaks.copyBytes / 2 ** 20)} MiB, read and written); ` +
      'times are slopes by the clock of the host',
  ].join('\n');
}
