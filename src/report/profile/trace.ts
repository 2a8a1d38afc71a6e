import type { DispatchTime } from '../../gpu/profile.ts';
import { percent } from '../numbers.ts';
import { type LayerShare, sharesOf } from './layers.ts';
import type { ProfileOrigin } from './record.ts';

// The Trace Event Format, as chrome://tracing and Perfetto (ui.perfetto.dev) read it: times in microseconds.

/** One event of a trace. */
export type TraceEvent =
  | {
      readonly ph: 'M';
      readonly name: 'process_name' | 'process_sort_index' | 'thread_name' | 'thread_sort_index';
      readonly ts: 0;
      readonly pid: number;
      readonly tid: number;
      readonly args: { readonly name: string } | { readonly sort_index: number };
    }
  | {
      readonly ph: 'X';
      readonly name: string;
      readonly cat: string;
      readonly ts: number;
      readonly dur: number;
      readonly pid: number;
      readonly tid: number;
      readonly args: Readonly<Record<string, string | number>>;
    };

/** A trace file. */
export interface Trace {
  readonly displayTimeUnit: 'ns';
  readonly otherData: Readonly<Record<string, string | number>>;
  readonly traceEvents: readonly TraceEvent[];
}

/** The profiled steps of one method. */
export interface TracedMethod {
  readonly title: string;
  readonly steps: readonly (readonly DispatchTime[])[];
}

/** Something that took time: nanoseconds since the first step began. */
interface Slice {
  readonly name: string;
  readonly cat: string;
  readonly begin: number;
  readonly end: number;
  readonly args: Readonly<Record<string, string | number>>;
}

/** Numbers between the processes of two methods, for their threads: Perfetto tells threads apart by number alone. */
const THREADS = 1000;

/**
 * Slices in as few lanes as hold them side by side: what overlaps on one track is shown wrong, or not at all.
 */
function lanesOf(slices: readonly Slice[]): Slice[][] {
  const lanes: Slice[][] = [];
  for (const slice of [...slices].sort((a, b) => a.begin - b.begin || b.end - a.end)) {
    const lane = lanes.find((taken) => taken.at(-1)!.end <= slice.begin);
    if (lane) lane.push(slice);
    else lanes.push([slice]);
  }
  return lanes;
}

/** Where a dispatch is in time: its track in the queue. */
function dispatchSlice(time: DispatchTime, origin: bigint): Slice {
  const { label, kernel, grid, constants, flops, bytes, ticks, nanoseconds } = time;
  const begin = Number(ticks[0] - origin);
  // Operations in a nanosecond are billions in a second.
  const rate = (amount: number) => (nanoseconds! > 0 ? Number((amount / nanoseconds!).toPrecision(4)) : 0);
  const args = {
    kernel,
    grid: grid.join(' x '),
    flops,
    bytes,
    'GFLOP/s': rate(flops),
    'GB/s': rate(bytes),
    ...constants,
  };
  return { name: label, cat: kernel, begin, end: begin + nanoseconds!, args };
}

/**
 * A dispatch in the track of a layer that it works for. Where there are several, all of them run side by side, so that each
 * has the whole span: how long it would have taken alone no timestamp tells.
 */
function layerSlice(slice: Slice, { roles, share, flops, bytes }: LayerShare): Slice {
  if (roles === '') return slice;
  const { kernel } = slice.args;
  const args = { dispatch: slice.name, kernel: kernel!, flops, bytes, 'of its operations': percent(share) };
  return { ...slice, name: roles, args };
}

/** The tracks of a method: its steps, the queue, and each layer, in the order in which a step meets them. */
function tracksOf({ steps }: TracedMethod): Map<string, Slice[]> {
  const good = steps.map((step) => step.filter(({ nanoseconds }) => nanoseconds !== undefined));
  const begins = good.flat().map(({ ticks }) => ticks[0]);
  const origin = begins.reduce((low, tick) => (tick < low ? tick : low), begins[0] ?? 0n);
  const tracks = new Map<string, Slice[]>([
    ['steps', []],
    ['queue', []],
  ]);
  good.forEach((step, i) => {
    const slices = step.map((time) => dispatchSlice(time, origin));
    if (slices.length === 0) return;
    const [begin, end] = [
      Math.min(...slices.map((slice) => slice.begin)),
      Math.max(...slices.map((slice) => slice.end)),
    ];
    const args = { dispatches: steps[i]!.length, 'timestamps left out': steps[i]!.length - step.length };
    tracks.get('steps')!.push({ name: `step ${i + 1}`, cat: 'step', begin, end, args });
    tracks.get('queue')!.push(...slices);
    for (const [j, time] of step.entries()) {
      for (const share of sharesOf(time)) {
        const track = tracks.get(share.name) ?? [];
        track.push(layerSlice(slices[j]!, share));
        tracks.set(share.name, track);
      }
    }
  });
  return tracks;
}

function eventsOf(method: TracedMethod, pid: number, origin: Pick<ProfileOrigin, 'device'>): TraceEvent[] {
  const events: TraceEvent[] = [];
  const about = (name: 'process_name' | 'thread_name', tid: number, text: string, sort: number) => {
    const order = name === 'process_name' ? 'process_sort_index' : 'thread_sort_index';
    events.push({ ph: 'M', name, ts: 0, pid, tid, args: { name: text } });
    events.push({ ph: 'M', name: order, ts: 0, pid, tid, args: { sort_index: sort } });
  };
  about('process_name', pid, `${method.title} on ${origin.device.name}`, pid);
  let tid = pid;
  for (const [track, slices] of tracksOf(method)) {
    for (const [i, lane] of lanesOf(slices).entries()) {
      tid++;
      about('thread_name', tid, i === 0 ? track : `${track} (at the same time)`, tid - pid);
      for (const { name, cat, begin, end, args } of lane)
        events.push({ ph: 'X', name, cat, ts: begin / 1e3, dur: (end - begin) / 1e3, pid, tid, args });
    }
  }
  return events;
}

/**
 * A trace of profiled steps: a process for each method, each beginning at time 0, with tracks for its steps, for the
 * queue, and for each layer. Dispatches whose timestamps are out of order are not in it.
 */
export function traceOf(methods: readonly TracedMethod[], origin: ProfileOrigin): Trace {
  const { device, dawn, node, version, commit, date } = origin;
  const { name, driver, kind } = device;
  return {
    displayTimeUnit: 'ns',
    otherData: {
      device: `${name}, ${driver}${kind === 'cpu' ? ': a CPU driver, whose times say nothing about GPUs' : ''}`,
      versions: `syngrad ${version}, commit ${commit ?? 'unknown'}, Dawn (webgpu ${dawn}), Node ${node}`,
      date,
    },
    traceEvents: methods.flatMap((method, i) => eventsOf(method, THREADS * (i + 1), origin)),
  };
}
