import { describe, expect, it } from 'vitest';
import { type Trace, type TraceEvent, traceOf } from '../../src/report/profile/trace.ts';
import { ORIGIN, profiledSteps, STEP, waveSteps } from './profile-data.ts';

const trace = (...methods: Parameters<typeof traceOf>[0]): Trace =>
  // What is read is what was written: no undefined, no bigint.
  JSON.parse(JSON.stringify(traceOf(methods, ORIGIN)));

type Slice = Extract<TraceEvent, { ph: 'X' }>;

const slices = ({ traceEvents }: Trace): Slice[] => traceEvents.filter((event) => event.ph === 'X');

/** The slices of each track, by the track's name. */
function tracks(of: Trace): Map<string, Slice[]> {
  const found = new Map<string, Slice[]>();
  for (const event of of.traceEvents) {
    if (event.ph !== 'M' || event.name !== 'thread_name' || !('name' in event.args)) continue;
    found.set(
      event.args.name,
      slices(of).filter(({ tid }) => tid === event.tid),
    );
  }
  return found;
}

/** What Perfetto's importer of JSON needs: src/trace_processor/importers/json in google/perfetto. */
function expectImportable({ traceEvents, displayTimeUnit }: Trace): void {
  expect(['ns', 'ms']).toContain(displayTimeUnit);
  const processOf = new Map<number, number>();
  for (const event of traceEvents) {
    expect(['M', 'X']).toContain(event.ph);
    expect(typeof event.name).toBe('string');
    // A thread is told by its number alone, so that no two processes may share one; 0 is the idle thread.
    for (const id of [event.pid, event.tid])
      expect(Number.isInteger(id) && id > 0 && id < 2 ** 31).toBe(true);
    expect(processOf.get(event.tid) ?? event.pid).toBe(event.pid);
    processOf.set(event.tid, event.pid);
    expect(Number.isFinite(event.ts)).toBe(true);
    if (event.ph === 'X') {
      expect(Number.isFinite(event.dur)).toBe(true);
      expect(event.dur).toBeGreaterThanOrEqual(0);
      for (const value of Object.values(event.args)) expect(['string', 'number']).toContain(typeof value);
    } else if (event.name.endsWith('_name')) {
      expect((event.args as { name: string }).name).not.toBe('');
    } else {
      expect(Number.isInteger((event.args as { sort_index: number }).sort_index)).toBe(true);
    }
  }
  // Every thread with slices has a name; slices of one thread do not overlap, and come in order.
  const named = new Set(traceEvents.flatMap((e) => (e.name === 'thread_name' ? [e.tid] : [])));
  const ends = new Map<number, number>();
  for (const { tid, ts, dur } of traceEvents.filter((e) => e.ph === 'X')) {
    expect(named.has(tid)).toBe(true);
    // To the nanosecond, which is what is kept.
    expect(Math.round(1000 * ts)).toBeGreaterThanOrEqual(ends.get(tid) ?? 0);
    ends.set(tid, Math.round(1000 * (ts + dur)));
  }
}

describe('a trace', () => {
  const made = trace(
    { title: 'backprop, layered', steps: profiledSteps(3) },
    { title: 'cDNI, wave', steps: profiledSteps(2) },
  );

  it('is what Perfetto imports', () => {
    expectImportable(made);
  });

  it('has a process for each method, with tracks for steps, the queue and each layer', () => {
    const names = made.traceEvents.flatMap((e) =>
      e.ph === 'M' && 'name' in e.args ? [`${e.name} ${e.pid} ${e.args.name}`] : [],
    );
    const layers = ['steps', 'queue', 'batch', 'layer1', 'layer2', 'step'];
    expect(names).toEqual([
      'process_name 1000 backprop, layered on Tester 9000',
      ...layers.map((name) => `thread_name 1000 ${name}`),
      'process_name 2000 cDNI, wave on Tester 9000',
      ...layers.map((name) => `thread_name 2000 ${name}`),
    ]);
  });

  it('says on what device and by which program it was made', () => {
    expect(made.otherData).toEqual({
      device: 'Tester 9000, test driver 1.0',
      versions: 'syngrad 0.1.0, commit unknown, Dawn (webgpu 0.6.2), Node v20.20.2',
      date: ORIGIN.date,
    });
  });

  it('shows each dispatch in the queue and in its layer, in microseconds, with what it did', () => {
    const all = tracks(trace({ title: 'bp', steps: profiledSteps(3) }));
    expect(all.get('queue')!.map(({ name }) => name)).toEqual(
      [0, 1, 2].flatMap(() => STEP.map(([label]) => label)),
    );
    expect(all.get('layer2')!.map(({ name }) => name)).toEqual(
      [0, 1, 2].flatMap(() => ['layer2.z.matmul', 'layer2.h.relu']),
    );
    expect(all.get('layer2')![0]).toEqual({
      ph: 'X',
      name: 'layer2.z.matmul',
      cat: 'matmul',
      // Three dispatches of 10, 100 and 20 us before it, 1.001 us behind each.
      ts: 133.003,
      dur: 300,
      pid: 1000,
      tid: 1005,
      args: {
        kernel: 'matmul',
        grid: '8 x 2',
        flops: 200_000_000,
        bytes: 600_000,
        'GFLOP/s': 666.7,
        'GB/s': 2,
        WG: 64,
      },
    });
    const steps = all.get('steps')!;
    expect(steps.map(({ name, args }) => [name, args.dispatches])).toEqual([
      ['step 1', 6],
      ['step 2', 6],
      ['step 3', 6],
    ]);
    expect(steps[0]).toMatchObject({ ts: 0, dur: 480.005 });
  });
});

describe('dispatches that several layers share', () => {
  const made = trace({ title: 'cDNI, wave', steps: waveSteps(2) });
  const all = tracks(made);

  it('are what Perfetto imports', () => {
    expectImportable(made);
  });

  it('lie in the track of each layer and predictor, over their whole span, by what each does', () => {
    expect([...all.keys()]).toEqual(['steps', 'queue', 'layer1', 'layer2', 'sg1']);
    const named = (track: string) => all.get(track)!.map(({ name, ts, dur }) => [name, ts, dur]);
    const second = 650 + 3 * 1.001;
    expect(named('queue').slice(0, 3)).toEqual([
      ['wave.forward', 0, 400],
      ['wave.backward', 401.001, 200],
      ['layer2.forward', 602.002, 50],
    ]);
    expect(named('layer1')).toEqual([
      ['FORWARD', 0, 400],
      ['GRAD', 401.001, 200],
      ['FORWARD', second, 400],
      ['GRAD', second + 401.001, 200],
    ]);
    expect(named('layer2').slice(0, 3)).toEqual([
      ['FORWARD', 0, 400],
      ['GRAD, PULL', 401.001, 200],
      ['FORWARD', 602.002, 50],
    ]);
    expect(named('sg1')).toEqual([
      ['TEACH', 0, 400],
      ['TEACH', second, 400],
    ]);
  });

  it('say there of which dispatch they are a part, and how large a one', () => {
    expect(all.get('layer2')![1]!.args).toEqual({
      dispatch: 'wave.backward',
      kernel: 'fused_layers',
      flops: 10_000_000,
      bytes: 100_000,
      'of its operations': '25.00 %',
    });
  });
});

describe('timestamps that cannot be drawn as they are', () => {
  it('out of order are left out, and counted in their step', () => {
    const made = trace({ title: 'bp', steps: profiledSteps(2, (i) => (i === 3 ? -7 : 1000 * STEP[i]![2])) });
    expectImportable(made);
    const all = tracks(made);
    expect(all.get('queue')!.some(({ name }) => name === 'layer2.z.matmul')).toBe(false);
    expect(all.get('steps')!.map(({ args }) => args['timestamps left out'])).toEqual([1, 1]);
  });

  it('that overlap go to a track of their own beside', () => {
    const steps = profiledSteps(1).map((step) =>
      step.map((time, i) => {
        if (i !== 2) return time;
        const ticks = [time.ticks[0] - 50_000n, time.ticks[1]] as const;
        return { ...time, ticks, nanoseconds: Number(ticks[1] - ticks[0]) };
      }),
    );
    const made = trace({ title: 'bp', steps });
    expectImportable(made);
    const all = tracks(made);
    expect([...all.keys()]).toEqual([
      'steps',
      'queue',
      'queue (at the same time)',
      'batch',
      'layer1',
      'layer1 (at the same time)',
      'layer2',
      'step',
    ]);
    expect(all.get('queue (at the same time)')!.map(({ name }) => name)).toEqual(['layer1.h.relu']);
  });

  it('of a step that has none leave no mark', () => {
    const made = trace({ title: 'bp', steps: profiledSteps(1, () => -5) });
    expectImportable(made);
    expect(slices(made)).toEqual([]);
  });
});
