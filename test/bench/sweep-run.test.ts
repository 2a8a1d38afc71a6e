import { afterEach, beforeEach, expect, it } from 'vitest';
import { runSweep, type SweepListener } from '../../bench/sweep.ts';
import type { SweepCell } from '../../bench/sweep-grid.ts';
import { planSweep, type SweepRequest, setting } from '../../src/cli/sweep-plan.ts';
import { InputError } from '../../src/errors.ts';
import { DeviceLostError, type Gpu } from '../../src/gpu/gpu.ts';
import { openDevice } from '../../src/gpu/open.ts';
import type { BenchRecord } from '../../src/report/record.ts';
import { expectRecord, tinySet } from '../support/cli.ts';

const data = tinySet();
const cellsOf = (request: SweepRequest): readonly SweepCell[] =>
  planSweep({ preset: 'smoke', hidden: 8, layers: 3, steps: 3, ...request }, data).cells;

let gpu: Gpu;
beforeEach(async () => {
  gpu = await openDevice({ adapter: 'carried', fast: true });
});
afterEach(() => gpu.destroy());

/** A listener that writes down what it hears, and the records that were kept. */
function recorder(part: Partial<SweepListener> = {}) {
  const heard: string[] = [];
  const kept = new Map<string, BenchRecord>();
  const listener: SweepListener = {
    onStart: () => void heard.push('start'),
    onCheck: ({ method, shape }) => void heard.push(`check ${method} ${shape.layers}`),
    onCellStart: ({ id }) => void heard.push(id),
    onCellEnd: async ({ id }, record) => {
      kept.set(id, expectRecord(JSON.parse(JSON.stringify(record))));
    },
    ...part,
  };
  return { heard, kept, listener };
}

it('checks each method and shape once, before the first cell that needs it', async () => {
  const set = setting('update-probability=1,0.5');
  const cells = cellsOf({ batch: 16, set, seeds: [1, 2] });
  const { heard, kept, listener } = recorder();
  await runSweep(gpu, data, cells, cells, listener);
  const [first, second, ...others] = cells.map((cell) => cell.id);
  expect(heard).toEqual(['start', 'check bp 3', first, 'check cdni 3', second, ...others]);
  expect([...kept.keys()]).toEqual(cells.map((cell) => cell.id));
  for (const { id, config, method, seed } of cells) {
    const { checks, runs, ...record } = kept.get(id)!;
    expect(record).toMatchObject({ config, interrupted: false });
    expect(checks.map((check) => check.method)).toEqual([method]);
    expect(runs).toEqual([expect.objectContaining({ method, seed, status: 'finished', steps: 3 })]);
  }
  // Nothing of the data or of any cell is left on the device.
  expect(gpu.alive).toEqual({ buffers: 0, bytes: 0 });
});

it('checks each schedule that cells of a shape have', async () => {
  const set = setting('update-probability=1,0.5');
  const cells = cellsOf({ batch: 16, methods: ['cdni'], schedule: 'best', set });
  const { kept, listener } = recorder();
  await runSweep(gpu, data, cells, cells, listener);
  const found = cells.map(({ id }) => kept.get(id)!);
  expect(found.map(({ runs }) => runs[0]!.schedule)).toEqual(['wave', 'layered']);
  const [wave, layered] = found.map(({ checks }) => checks[0]!.dispatches);
  expect(wave).toBe(3);
  expect(layered).toBeGreaterThan(3);
});

it('tells which cells have not the schedule that was asked for, and checks the kernels of each schedule', async () => {
  const set = setting('update-probability=1,0.5');
  const cells = cellsOf({ batch: 16, set, schedule: 'wave', seeds: [1, 2] });
  const { kept, heard, listener } = recorder({
    onFallback: ({ method, cells: all, to }) =>
      void heard.push(
        ...to.map((each) => `${method} ${each.schedule} ${each.cells}/${all}: ${each.because}`),
      ),
  });
  await runSweep(gpu, data, cells, cells, listener);
  const skipping = 'of the fused kernels: they update every layer in every step';
  expect(heard.slice(0, 4)).toEqual([
    'start',
    'bp fused 2/4: bp has no wave: its layers wait for each other',
    `bp layered 2/4: ${skipping}`,
    `cdni layered 2/4: ${skipping}`,
  ]);
  expect(heard.filter((text) => text.startsWith('check'))).toHaveLength(4);
  const dispatches = (p: number) => kept.get(`cdni-update-probability=${p}-seed=1`)!.checks[0]!.dispatches;
  expect(dispatches(1)).toBeLessThan(dispatches(0.5));
});

it('gives cells the check of the first of their kind, wherever the sweep goes on', async () => {
  const cells = cellsOf({ batch: 16, methods: ['bp'], seeds: [1, 2] });
  const [whole, later] = [recorder(), recorder()];
  await runSweep(gpu, data, cells, cells, whole.listener);
  await runSweep(gpu, data, cells, [cells[1]!], later.listener);
  expect([...later.kept.keys()]).toEqual(['bp-seed=2']);
  expect(later.kept.get('bp-seed=2')!.checks).toEqual(whole.kept.get('bp-seed=2')!.checks);
});

it('records a cell whose loss stops being finite as failed, and goes on', async () => {
  const cells = cellsOf({ batch: 16, set: setting('lr=1e30,1e-3') });
  const { kept, listener } = recorder();
  await runSweep(gpu, data, cells, cells, listener);
  const outcomes = [...kept].map(([id, { runs }]) => [id, runs[0]!.status]);
  expect(outcomes).toEqual([
    ['bp-lr=1e+30-seed=1', 'failed'],
    ['cdni-lr=1e+30-seed=1', 'failed'],
    ['bp-lr=0.001-seed=1', 'finished'],
    ['cdni-lr=0.001-seed=1', 'finished'],
  ]);
  expect(kept.get('bp-lr=1e+30-seed=1')!.runs[0]!.error).toMatch(
    /^bp: the loss stopped being finite at step/,
  );
});

it('ends when the device is lost, and keeps no record of the cell that was under way', async () => {
  const cells = cellsOf({ batch: 16, steps: 50 });
  const { kept, listener } = recorder({
    onProgress: (method) => {
      if (method === 'cdni') gpu.device.destroy();
    },
  });
  await expect(runSweep(gpu, data, cells, cells, listener)).rejects.toThrow(DeviceLostError);
  expect([...kept.keys()]).toEqual(['bp-seed=1']);
});

it('refuses what does not fit before anything is run, also in a later cell', async () => {
  const cells = cellsOf({ set: setting('batch=16,287') });
  const { heard, listener } = recorder();
  await expect(runSweep(gpu, data, cells, cells, listener)).rejects.toThrow(InputError);
  expect(heard).toEqual([]);
  expect(gpu.alive).toEqual({ buffers: 0, bytes: 0 });
});

it.each(['before', 'within'] as const)(
  'keeps nothing of the cell %s which it is interrupted',
  async (when) => {
    const cells = cellsOf({ batch: 16, steps: 50 });
    const stop = new AbortController();
    const { kept, listener } = recorder({
      onCellStart: ({ method }) => void (when === 'before' && method === 'cdni' && stop.abort()),
      onProgress: (method) => void (method === 'cdni' && stop.abort()),
    });
    await runSweep(gpu, data, cells, cells, listener, stop.signal);
    expect([...kept.keys()]).toEqual(['bp-seed=1']);
  },
);
