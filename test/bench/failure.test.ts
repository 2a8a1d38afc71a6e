import { afterEach, beforeEach, expect, it } from 'vitest';
import { benchmark } from '../../bench/paper.ts';
import { DeviceLostError, type Gpu, OutOfMemoryError } from '../../src/gpu/gpu.ts';
import { openDevice } from '../../src/gpu/open.ts';
import { NonFiniteError } from '../../src/train/trainer.ts';
import { expectRecord, recorder, tinyConfig, tinySet } from '../support/cli.ts';

let gpu: Gpu;
beforeEach(async () => {
  gpu = await openDevice({ adapter: 'carried', fast: true });
});
afterEach(() => gpu.destroy());

it('checks every method before it times any, then runs each in turn', async () => {
  const { heard, listener } = recorder();
  const { record, error } = await benchmark(gpu, tinySet(), tinyConfig(), listener);
  expect(error).toBeUndefined();
  expect(heard).toEqual([
    ...['start', 'check bp', 'check cdni'],
    ...['run bp', 'progress bp', 'point bp 2', 'progress bp', 'point bp 4', 'end bp finished'],
    ...['run cdni', 'progress cdni', 'point cdni 2', 'progress cdni', 'point cdni 4', 'end cdni finished'],
  ]);
  expectRecord(JSON.parse(JSON.stringify(record)));
  expect(record.interrupted).toBe(false);
  expect(gpu.alive).toEqual({ buffers: 0, bytes: 0 });
});

/** Fails unless bp is whole, cdni failed with this sentence after its first point, and that is the error. */
function expectSecondFailed({ record, error }: Awaited<ReturnType<typeof benchmark>>, message: RegExp) {
  expectRecord(JSON.parse(JSON.stringify(record)));
  expect(error!.message).toMatch(message);
  expect(record.interrupted).toBe(false);
  const [bp, cdni] = record.runs;
  expect(record.runs).toHaveLength(2);
  expect(bp).toMatchObject({ method: 'bp', status: 'finished', error: null, steps: 4 });
  expect(bp!.test!.samples).toBe(60);
  expect(cdni).toMatchObject({ method: 'cdni', status: 'failed', error: error!.message, test: null });
  expect(cdni!.curve.map((point) => point.step)).toEqual([2]);
  expect(cdni!.steps).toBeGreaterThanOrEqual(2);
  expect(cdni!.trainSeconds).toBeGreaterThan(0);
}

it('keeps the record when the device is lost in mid-run', async () => {
  const outcome = await benchmark(gpu, tinySet(), tinyConfig(), {
    onPoint: (method) => {
      if (method === 'cdni') gpu.device.destroy();
    },
  });
  expect(outcome.error).toBeInstanceOf(DeviceLostError);
  expectSecondFailed(outcome, /^the device was lost: \S/);
});

it('keeps the record when the device is lost with steps under way', async () => {
  const { record, error } = await benchmark(gpu, tinySet(), tinyConfig({ steps: 200, evalEvery: 200 }), {
    onProgress: (_, { step }) => {
      if (step > 10) gpu.device.destroy();
    },
  });
  expect(error).toBeInstanceOf(DeviceLostError);
  expect(record.runs.map((run) => run.status)).toEqual(['failed']);
  expect(record.runs[0]!.steps).toBeGreaterThan(10);
  expect(record.runs[0]!.steps).toBeLessThan(200);
  expectRecord(JSON.parse(JSON.stringify(record)));
});

it('keeps the record when the device is lost between two runs', async () => {
  const outcome = await benchmark(gpu, tinySet(), tinyConfig(), {
    onRunEnd: () => gpu.device.destroy(),
  });
  expect(outcome.error).toBeInstanceOf(DeviceLostError);
  expect(outcome.record.runs.map((run) => run.status)).toEqual(['finished', 'failed']);
  expectRecord(JSON.parse(JSON.stringify(outcome.record)));
});

it('times nothing when the device is lost while it checks', async () => {
  const { heard, listener } = recorder();
  const lost = benchmark(gpu, tinySet(), tinyConfig(), {
    ...listener,
    onCheck: () => gpu.device.destroy(),
  });
  await expect(lost).rejects.toThrow(DeviceLostError);
  expect(heard).toEqual(['start']);
});

it('keeps the record when the device runs out of memory in mid-run', async () => {
  const outcome = await benchmark(gpu, tinySet(), tinyConfig(), {
    onPoint: (method) => {
      // As Dawn reports it: later than the call, and to whoever listens.
      const error = new GPUOutOfMemoryError('no room for 1 GiB');
      if (method === 'cdni') gpu.device.onuncapturederror!({ error } as unknown as GPUUncapturedErrorEvent);
    },
  });
  expect(outcome.error).toBeInstanceOf(OutOfMemoryError);
  expectSecondFailed(outcome, /^the device ran out of memory: no room for 1 GiB$/);
});

it('stops at a loss that is not finite, after the checks have passed', async () => {
  const { heard, listener } = recorder();
  const { record, error } = await benchmark(gpu, tinySet(), tinyConfig({ lr: 1e30 }), listener);
  expect(error).toBeInstanceOf(NonFiniteError);
  const { step, tensor } = error as NonFiniteError;
  expect(error!.message).toMatch(new RegExp(`stopped being finite at step ${step + 1}\\b.* is ${tensor} `));
  expect(heard.slice(0, 4)).toEqual(['start', 'check bp', 'check cdni', 'run bp']);
  expect(record.runs.map((run) => [run.method, run.status])).toEqual([['bp', 'failed']]);
  expect(record.runs[0]!.steps).toBeLessThanOrEqual(step);
  expectRecord(JSON.parse(JSON.stringify(record)));
});

it.each([
  ['before the checks', (stop: () => void) => ({ onStart: stop }), [], []],
  ['between the checks', (stop: () => void) => ({ onCheck: stop }), ['bp'], []],
  ['in the first run', (stop: () => void) => ({ onProgress: stop }), ['bp', 'cdni'], ['interrupted']],
  ['between the runs', (stop: () => void) => ({ onRunEnd: stop }), ['bp', 'cdni'], ['finished']],
])('is interrupted %s', async (_, listen, checks, runs) => {
  const controller = new AbortController();
  const config = tinyConfig({ evalEvery: 4 });
  const { record, error } = await benchmark(
    gpu,
    tinySet(),
    config,
    listen(() => controller.abort()),
    controller.signal,
  );
  expect(error).toBeUndefined();
  expect(record.interrupted).toBe(true);
  expect(record.checks.map((check) => check.method)).toEqual(checks);
  expect(record.runs.map((run) => run.status)).toEqual(runs);
  expectRecord(JSON.parse(JSON.stringify(record)));
});

it('checks smaller sizes where the twins of the run would take long', async () => {
  const stop = new AbortController();
  const config = tinyConfig({ methods: ['bp'], hidden: 2048, layers: 5, batch: 280 });
  const { record } = await benchmark(gpu, tinySet(), config, { onCheck: () => stop.abort() }, stop.signal);
  expect(record.checks[0]).toMatchObject({
    passed: true,
    shape: { batch: 256, hidden: 256, layers: 4 },
    failures: [],
  });
  expect(record.config).toMatchObject({ hidden: 2048, layers: 5, batch: 280 });
});
