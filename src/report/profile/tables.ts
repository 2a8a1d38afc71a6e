import Table from 'cli-table3';
import type { WorkPart } from '../../gpu/kernel.ts';
import { count, duration, percent, significant } from '../numbers.ts';
import { TABLE_STYLE, titleOf } from '../table.ts';
import type { AloneProfile, MethodProfile, ProfileOrigin, ProfileRow, Roof, Spread } from './record.ts';
import { dispatchRows, NEAR, SHORT } from './rows.ts';
import { slopeSentences } from './slopes.ts';
import { timestampSentences } from './timestamps.ts';

const share = (value: number | null): string => (value === null ? '-' : `${(100 * value).toFixed(1)} %`);

/** Rates below this say no more than that there is hardly anything to do. */
const LEAST_RATE = 0.001;

function rate(value: number | null): string {
  if (value === null || value === 0) return '-';
  return value < LEAST_RATE ? `<${LEAST_RATE}` : significant(value);
}

const times = (value: number): string => (Number.isInteger(value) ? count(value) : significant(value, 4));

const right = (columns: number) => [
  'left' as const,
  ...Array.from({ length: columns }, () => 'right' as const),
];

/** Calls, and how many of them have a time where not all have. */
const calls = (row: ProfileRow): string =>
  row.timed === row.calls ? times(row.calls) : `${times(row.timed)} of ${times(row.calls)}`;

function rowsTable(what: string, rows: readonly ProfileRow[]): string {
  const head = [what, 'calls', 'total', 'mean', 'share', 'GFLOP/s', 'GB/s', 'of roof', 'near'];
  const table = new Table({ ...TABLE_STYLE, head, colAligns: [...right(head.length - 2), 'left'] });
  for (const row of rows) {
    const about = row.estimated ? '~' : '';
    const seconds = [row.seconds, row.seconds / row.timed].map((s) => about + duration(s));
    const time = row.timed > 0 ? [...seconds, about + share(row.share)] : ['-', '-', share(row.share)];
    const rates = [rate(row.gflops), rate(row.gbs), share(row.ofRoofline)];
    table.push([row.name, calls(row), ...time, ...rates, row.bound ?? '-']);
  }
  return table.toString();
}

/** A method's name, with its schedule. */
export const profileTitle = ({ method, schedule }: Pick<MethodProfile, 'method' | 'schedule'>): string =>
  `${titleOf(method)}, ${schedule}`;

const how = ({ timestamps, steps }: MethodProfile): string =>
  timestamps === null
    ? 'each dispatch repeated alone, wall-clock slopes'
    : `medians of ${steps} profiled step${steps === 1 ? '' : 's'}`;

/** What the time of a layer is that shares dispatches with others. */
const ESTIMATED =
  ' (~ is an estimate: the time of a dispatch that several have is divided by the operations of each)';

/** Dispatches of a step that are few enough to be told one by one. */
const FEW = 16;

/** The tables of a method: by kernel, the longest first, by layer, and, where they are few, by dispatch. */
export function methodTables(method: MethodProfile, roof: Roof): string {
  const title = profileTitle(method);
  const tables = [
    `${title}, a step by kernel (${how(method)})`,
    rowsTable('kernel', method.kernels),
    `${title}, a step by layer${method.layers.some(({ estimated }) => estimated) ? ESTIMATED : ''}`,
    rowsTable('layer', method.layers),
  ];
  if (method.dispatches.length <= FEW) {
    tables.push(`${title}, a step by dispatch`);
    tables.push(rowsTable('dispatch', dispatchRows(method.dispatches, roof)));
  }
  return tables.join('\n');
}

const spread = ({ median, p10, p90 }: Spread, show: (value: number) => string): string =>
  `${show(median)} (${show(p10)} to ${show(p90)})`;

const wallOf = ({ unprofiled }: MethodProfile): number => 1 / unprofiled.stepsPerSecond.median;

/** A step as a whole: time on the GPU against time on the clock, with and without the profiler. */
export function stepTable(methods: readonly MethodProfile[]): string {
  const head = ['a step', ...methods.map(profileTitle)];
  const table = new Table({ ...TABLE_STYLE, head, colAligns: right(methods.length) });
  const optional = (seconds: number | null) => (seconds === null ? '-' : duration(seconds));
  const lines: [string, (m: MethodProfile) => string][] = [
    ['dispatches', (m) => times(m.dispatchesPerStep)],
    ['GPU time, summed over kernels', (m) => duration(m.gpuSeconds)],
    ['first to last timestamp', (m) => optional(m.spanSeconds)],
    ['wall time, profiled', (m) => optional(m.profiledWallSeconds)],
    ['wall time, unprofiled', (m) => duration(wallOf(m))],
    ['of it the host encodes for', (m) => duration(m.unprofiled.hostSeconds)],
    ['every dispatch at its roof', (m) => duration(m.rooflineSeconds)],
    ['steps/s, unprofiled', (m) => spread(m.unprofiled.stepsPerSecond, (v) => significant(v))],
  ];
  for (const [name, of] of lines) table.push([name, ...methods.map(of)]);
  return table.toString();
}

/** Shares of a step below which GPU time and wall time are called equal: a busy machine differs by more. */
const EQUAL = 0.03;

/** How GPU time stands to wall time, in a sentence. */
export function gapSentence(method: MethodProfile): string {
  const wall = wallOf(method);
  const gap = wall - method.gpuSeconds;
  const partly = method.dispatches.some(({ seconds }) => seconds === null) ? ' that have a time' : '';
  const kernels = `${profileTitle(method)}: the kernels${partly} take ${duration(method.gpuSeconds)}`;
  if (Math.abs(gap) < EQUAL * wall)
    return `${kernels}, as good as all of an unprofiled step (${duration(wall)}).`;
  if (gap > 0) {
    return (
      `${kernels} of the ${duration(wall)} of an unprofiled step; the other ${duration(gap)} (${percent(gap / wall)}) go ` +
      'to the host, to gaps between kernels, or to whoever else uses the device.'
    );
  }
  return (
    `${kernels} when timed one by one, more than the ${duration(wall)} of an unprofiled step, where they share a pass ` +
    'and may overlap.'
  );
}

/** All that is to be said of a method below its tables. */
export function methodSentences(method: MethodProfile): string[] {
  const { timestamps, slopes, dispatches } = method;
  const untimed = dispatches.filter(({ seconds }) => seconds === null).length;
  if (timestamps) return timestampSentences(timestamps, untimed, dispatches.length);
  const short = `${untimed} of ${dispatches.length} dispatches are too short for the wall clock, and in no sum.`;
  return [...(slopes ? slopeSentences(slopes) : []), ...(untimed > 0 ? [short] : [])];
}

/** What percentages are of, and what the last column means. */
export function roofSentence({ spread: peaks, dispatchSeconds }: Roof): string {
  const empty =
    dispatchSeconds === null ? '' : `, ${duration(dispatchSeconds)} for a dispatch that does nothing`;
  const short =
    dispatchSeconds === null ? '' : ` if it is shorter than ${SHORT} empty dispatches, else neither`;
  return (
    `Roof: ${spread(peaks.gflops, significant)} GFLOP/s of a loop of multiply-adds and ${spread(peaks.gbs, significant)} GB/s ` +
    `of a copy${empty}, measured on this device just before. A kernel with at least ${100 * NEAR} % of what they allow it is near compute or ` +
    `memory; any other is near latency${short}. More than 100 % near memory is read from caches that ` +
    'the copy does not fit into; near compute it says that the roof is too low, since the machine was busier, or its clock ' +
    'slower, when that was measured.'
  );
}

/** Which versions the figures are of. */
export const originSentence = ({ version, commit, dawn, node }: ProfileOrigin): string =>
  `syngrad ${version}, commit ${commit ?? 'unknown'}, Dawn (webgpu ${dawn}), Node ${node}`;

const named = (values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${Number(value.toPrecision(6))}`)
    .join(', ');

/**
 * The work of several layers in a line, role by role, layers of one size together: `FORWARD layer1 256x784x256, layer2 to layer3
 * 256x256x256`.
 */
function partsText(parts: readonly WorkPart[]): string {
  const roles = [...new Set(parts.map(({ role }) => role))].map((role) => {
    const own = parts.filter((part) => part.role === role);
    const shapes = [...new Set(own.map(({ shape }) => shape))].map((shape) => {
      const names = own.filter((part) => part.shape === shape).map(({ of }) => of);
      return `${names.length > 1 ? `${names[0]} to ${names.at(-1)}` : names[0]} ${shape}`;
    });
    return `${role} ${shapes.join(', ')}`;
  });
  return roles.join('; ');
}

/** One kernel alone: what it is, where it stands, and how fast it is. */
export function aloneTable(run: AloneProfile): string {
  const { kernel, path, rung, params, parts, constants, grid, labels, check, stamped, slope, row } = run;
  const table = new Table({ ...TABLE_STYLE, wordWrap: true, colWidths: [26, 72] });
  const at = named(check.params) === named(params) ? '' : ` at ${named(check.params)}`;
  const seconds = (value: Spread | null, none: string) => (value === null ? none : spread(value, duration));
  table.push(
    ['kernel', kernel],
    ['WGSL', path],
    ...(rung === null ? [] : [['rung of the ladder', rung]]),
    ['shape', parts ? partsText(parts) : named(params) || 'none'],
    ['constants (variant)', named(constants) || 'none'],
    ['workgroups', grid.join(' x ')],
    ...(labels.length > 0 ? [['in a step', labels.join(', ')]] : []),
    [
      'checked',
      `${check.tensors} tensor${check.tensors === 1 ? '' : 's'} against the float64 twin${at}; worst ${percent(check.worst)} of the bound`,
    ],
    ['time, timestamps', seconds(stamped, '-')],
    ['time, wall-clock slope', seconds(slope, 'below the noise of the clock')],
    ['GFLOP/s', rate(row.gflops)],
    ['GB/s', rate(row.gbs)],
    ['of roof, near', `${share(row.ofRoofline)}, ${row.bound ?? '-'}`],
  );
  return table.toString();
}

/** What is to be said of a kernel's times. */
export function aloneSentences({ timestamps, stamped, slopes }: AloneProfile): string[] {
  const about = timestamps
    ? timestampSentences(timestamps, stamped === null ? 1 : 0, 1)
    : ['No timestamps: the time is the slope of the wall clock over repeats.'];
  return [...about, ...slopeSentences(slopes)];
}
