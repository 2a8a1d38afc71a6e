import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CheckFailedError } from '../../bench/paper.ts';
import { type DeviceRecord, TABLES } from '../../bench/suites/docs.ts';
import { fusedOf, ladderOf } from '../../bench/suites/docs-kernels.ts';
import { productsFor } from '../../bench/suites/kernels.ts';
import {
  type FusedAt,
  measureFused,
  measureFusedSchedule,
  timeInPlace,
} from '../../bench/suites/kernels-fused.ts';
import { kernelsTable } from '../../bench/suites/kernels-table.ts';
import type { RungAt } from '../../bench/suites/ladder.ts';
import { trainOptions, VARIANTS } from '../../bench/suites/step-variants.ts';
import { spread } from '../../bench/suites/suite.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { fusedLayers, fusedLayersCpu } from '../../src/kernels/fused.ts';
import { stopMidway, turnsOf } from '../../src/train/profile.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { tinySet } from '../support/cli.ts';
import { PEAKS } from '../support/peaks.ts';
import { useQuickDevice } from '../support/quick-device.ts';

const device = useQuickDevice();
let data: ResidentDataset;
beforeAll(() => {
  data = new ResidentDataset(device.gpu, tinySet());
});
afterAll(() => data.destroy());

const time = { wall: spread([1]), device: null, counts: [1] };
const SHAPE = { layers: 3, batch: 8, hidden: 16 };
const variantOf = (name: string) => VARIANTS.find((variant) => variant.name === name)!;
const trainerOf = (name: string) => new Trainer(device.gpu, data, trainOptions(variantOf(name), SHAPE));

describe('the dispatches of the fused schedules', () => {
  it('are each checked, then timed at work, in each form', async () => {
    const { gpu } = device;
    const before = gpu.alive.buffers;
    const notes: string[] = [];
    const found = await measureFused(
      { gpu, repeats: 5, quick: true, note: (line) => notes.push(line) },
      PEAKS,
      { shape: SHAPE, dataset: tinySet() },
    );
    expect(gpu.alive.buffers).toBe(before);
    // A GPU has no form for CPU drivers.
    const forms = gpu.isCpu ? ['cpu', 'gpu'] : ['gpu'];
    expect(found.map((at) => [at.schedule, at.form])).toEqual([
      ...forms.map((form) => ['bp fused', form]),
      ['cdni wave', forms[0]],
    ]);
    for (const at of found) {
      if (!('dispatches' in at)) throw new Error(at.leftOut);
      expect(at).toMatchObject({ ...SHAPE, steps: 1 });
      for (const { checked, gflops, gbs, ofPeak, flops, bytes, time: took } of at.dispatches) {
        expect(checked.worst).toBeLessThanOrEqual(1);
        expect(took.wall.repeats).toBe(5);
        expect(gflops).toBeCloseTo(flops / took.wall.median / 1e9, 12);
        expect(gbs).toBeCloseTo(bytes / took.wall.median / 1e9, 12);
        expect(ofPeak.flops).toBeCloseTo(gflops / 100, 12);
      }
      const suffix = at.form === 'cpu' ? '_cpu' : '';
      const rows = at.dispatches.map(({ label, kernel, jobs }) => [label, kernel, jobs]);
      expect(rows).toEqual(
        at.schedule === 'bp fused'
          ? [
              ['layer1.forward', `fused_layers${suffix}`, 'FORWARD 1'],
              ['layer2.forward', `fused_layers${suffix}`, 'FORWARD 2'],
              ['top.loss', `fused_top${suffix}`, 'logits, loss, gradient of layer 2'],
              ['layer2.backward', `fused_layers${suffix}`, 'GRAD 3, PULL 2'],
              ['layer1.backward', `fused_layers${suffix}`, 'GRAD 1 to 2'],
            ]
          : [
              ['wave.forward', `fused_layers${suffix}`, 'FORWARD 1 to 3, TEACH 1 to 2'],
              ['wave.predict', `fused_layers${suffix}`, 'PREDICT 1 to 3'],
              ['wave.backward', `fused_layers${suffix}`, 'GRAD 1 to 3, PULL 2 to 3'],
            ],
      );
    }
    const first = found[0] as Extract<FusedAt, { dispatches: unknown }>;
    expect(first.dispatches[0]!.products).toEqual([{ role: 'forward', layer: 1, M: 8, K: 64, N: 16 }]);
    expect(notes[0]).toMatch(/^kernels: \d+ dispatches of \d fused schedules, each checked against its twin/);

    const result = { peaks: PEAKS, kernels: [], fused: found, ladder: [] };
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
    expect(kernelsTable(result)).toMatch(
      /│ cdni wave: wave\.predict +│ fused_layers\S* +│ PREDICT 1 to 3 +│/,
    );
    const page = fusedOf(result)!;
    expect(page).toMatch(/^\| bp fused: `top\.loss` \| `fused_top/m);
    expect(page).toMatch(
      /^\| \*\*cdni wave: a step\*\* \| form for [^|]+ \| their medians added up \| \S+ [mu]?s \|/m,
    );
  });

  it.each(['bp fused', 'cdni fused', 'cdni wave', 'delayed-bp wave', 'cdni wave, 1 stage'])(
    'of %s leave, timed one after the other, what running them once leaves',
    async (name) => {
      const { gpu } = device;
      const [timed, plain] = [trainerOf(name), trainerOf(name)];
      try {
        for (const trainer of [timed, plain]) {
          await trainer.ready();
          await trainer.results(trainer.submit(7));
          await stopMidway(trainer, turnsOf(trainer));
        }
        for (const dispatch of timed.plan.dispatches) {
          await timeInPlace(gpu, dispatch, { repeats: 5, least: 1e-4 });
        }
        plain.plan.submit();
        const contents = async ({ plan }: Trainer) => {
          const { tensors } = plan.dispatches[0]!;
          const bits: Record<string, Uint32Array> = {};
          for (const [label, { buffer }] of Object.entries(tensors))
            bits[label] = new Uint32Array(await gpu.read(buffer));
          return bits;
        };
        expect(await contents(timed)).toEqual(await contents(plain));
      } finally {
        timed.destroy();
        plain.destroy();
      }
    },
  );

  it('are not timed where they have nothing to do', async () => {
    const trainer = trainerOf('cdni wave');
    try {
      await trainer.ready();
      // The clock stands behind the last step.
      await trainer.results(trainer.submit(4));
      const run = timeInPlace(device.gpu, trainer.plan.dispatches[0]!, { repeats: 5, least: 1e-4 });
      await expect(run).rejects.toThrow(CheckFailedError);
      await expect(run).rejects.toThrow(
        /^kernels: wave\.forward stands at tick 6, of 2 to 3 before it is timed$/,
      );
    } finally {
      trainer.destroy();
    }
  });

  it('are not timed when they are wrong', async () => {
    const { gpu } = device;
    const spies = [fusedLayers, fusedLayersCpu].map((spec) => {
      const { twin } = spec;
      return vi.spyOn(spec, 'twin').mockImplementation((...args) => {
        const found = twin(...args);
        return { ...found, weights: { ...found.weights!, value: found.weights!.value.map((v) => v + 1) } };
      });
    });
    try {
      const bench = { gpu, data, peaks: PEAKS, repeats: 5, least: 1e-4 };
      const run = measureFusedSchedule(bench, variantOf('bp fused'), gpu.isCpu ? 'cpu' : 'gpu', SHAPE);
      await expect(run).rejects.toThrow(CheckFailedError);
      await expect(run).rejects.toThrow(/^kernels: bp fused: layer1\.forward .*of arena\.weights are out of/);
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  });

  it('that the rule has none of are left out with the reason', async () => {
    const bench = { gpu: device.gpu, data, peaks: PEAKS, repeats: 5, least: 1e-4 };
    const wave = { ...variantOf('bp fused'), schedule: 'wave' as const };
    const at = await measureFusedSchedule(bench, wave, 'gpu', SHAPE);
    expect(at).toMatchObject({ leftOut: expect.stringContaining('no wave') });
    const result = { peaks: PEAKS, kernels: [], fused: [at], ladder: [] };
    expect(kernelsTable(result)).toMatch(/left out, since .*no wave.*: bp fused$/m);
    expect(fusedOf(result)).toMatch(/Left out: bp fused: .*no wave/);
  });

  it('are missing from records that are older than them, and from the page of such', () => {
    const old = { peaks: PEAKS, kernels: [], ladder: [] };
    expect(fusedOf(old)).toBeUndefined();
    const recordOf = (slug: string, result: object) =>
      ({ slug, record: { suites: { kernels: { result } } } }) as unknown as DeviceRecord;
    const fused = TABLES['kernels.fused']!;
    expect(fused([recordOf('before', old)])).toBe('No committed record has these figures yet.');
    const both = fused([recordOf('before', old), recordOf('since', { ...old, fused: [] })]);
    expect(both).toMatch(/^\*\*since\*\*\n\n\| schedule: dispatch \|/);
    expect(both).not.toContain('before');
  });
});

describe('the products of the ladder', () => {
  const names = (shapes: readonly { M: number }[]) => shapes.map(({ M }) => M);

  it('are all climbed on a GPU, or where somebody asked for it', () => {
    for (const asked of [
      { isCpu: false, quick: false, full: false },
      { isCpu: true, quick: false, full: true },
    ]) {
      const { climbed, leftOut } = productsFor(asked);
      expect(names(climbed)).toEqual([256, 1024, 4096]);
      expect(leftOut).toEqual([]);
    }
  });

  it('that a CPU driver would take too long for are left out by name, in the record and both tables', () => {
    const { climbed, leftOut } = productsFor({ isCpu: true, quick: false, full: false });
    expect(names(climbed)).toEqual([256, 1024]);
    expect(leftOut[0]).toEqual({
      rung: 'matmul_naive',
      shape: '4096x4096x4096',
      leftOut: 'it takes too long on a CPU driver, unless --full asks for it',
    });
    const measured: RungAt = {
      ...{ rung: 'matmul_naive', shape: '256x784x256', gflops: 12.34, gbs: 5.678 },
      ...{ ofPeak: { flops: 0.1234, bytes: 0.05678 }, ofRoofline: 0.1234, time },
      checked: { elements: 1, worst: 0 },
    };
    const single: RungAt = { rung: 'matmul_tiled', shape: '256x784x256', leftOut: 'it is slow' };
    const result = { peaks: PEAKS, kernels: [], ladder: [measured, single, ...leftOut] };
    const text = kernelsTable(result);
    expect(text).toMatch(/│ matmul_naive +│ +12\.3 \(12 %\) +│ 5\.68 \(5\.7 %\) │/);
    const reason =
      'it takes too long on a CPU driver, unless --full asks for it: the ladder at 4096x4096x4096';
    expect(text).toContain(`left out, since ${reason}`);
    expect(text).toContain('left out, since it is slow: matmul_tiled 256x784x256');
    const page = ladderOf(result);
    expect(page).toContain('| rung | adds | 256x784x256: GFLOP/s | GB/s |\n| --- | --- | ---: | ---: |');
    expect(page).toContain('| 12.3 (12 %) | 5.68 (5.7 %) |');
    expect(page).toContain(`Left out, since ${reason}.`);
  });

  it('but the smallest are left out in a hurry', () => {
    const { climbed, leftOut } = productsFor({ isCpu: false, quick: true, full: false });
    expect(names(climbed)).toEqual([256]);
    expect(new Set(leftOut.map(({ shape }) => shape))).toEqual(new Set(['1024x1024x1024', '4096x4096x4096']));
  });
});
