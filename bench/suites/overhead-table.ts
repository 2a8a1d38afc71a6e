import Table from 'cli-table3';
import { duration } from '../../src/report/numbers.ts';
import { TABLE_STYLE } from '../../src/report/table.ts';
import type { DispatchCost, OverheadResult } from './overhead.ts';
import type { Spread } from './suite.ts';

/** A median with its quantiles behind it: `1.23 us (1.20 to 1.31)`. */
export const withSpread = ({ median, p10, p90 }: Spread): string =>
  `${duration(median)} (${duration(p10)} to ${duration(p90)})`;

/** What kind of dispatch it is, in words. */
export const dispatchName = ({ kernel, buffers, pipelines }: DispatchCost): string =>
  `${kernel}, ${buffers === 'one' ? 'one buffer' : 'a buffer each'}, ${pipelines === 1 ? 'one pipeline' : 'two in turn'}`;

/** The tables of the suite, for a terminal. */
export function overheadTable({ dispatches, others, counts }: OverheadResult): string {
  const right = ['left', 'right', 'right', 'right', 'right'] as const;
  const each = new Table({
    ...TABLE_STYLE,
    head: [
      'one more dispatch in a pass',
      'encode',
      'submit',
      'until done (p10 to p90)',
      'of that the device',
    ],
    colAligns: [...right],
  });
  for (const cost of dispatches) {
    each.push([
      dispatchName(cost),
      duration(cost.encode.median),
      duration(cost.submit.median),
      withSpread(cost.total),
      cost.device ? duration(cost.device.median) : '-',
    ]);
  }
  const other = new Table({
    ...TABLE_STYLE,
    head: ['one more', 'until done (p10 to p90)'],
    colAligns: ['left', 'right'],
  });
  for (const { what, seconds } of others) other.push([what, withSpread(seconds)]);
  return [
    each.toString(),
    `slopes over ${counts[0]} to ${counts.at(-1)} dispatches; encode and submit are the JavaScript thread's share`,
    other.toString(),
  ].join('\n');
}
