import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeContents, paramsFromShape, shapeForm, smallerParams } from '../../bench/profile-inputs.ts';
import { originOf } from '../../bench/profile-roof.ts';
import { profileTrainer } from '../../bench/profile-steps.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { InputError } from '../../src/errors.ts';
import { stampedAlone, wallSlope } from '../../src/gpu/alone.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { KernelSpec } from '../../src/gpu/kernel.ts';
import { type Dispatch, Plan } from '../../src/gpu/plan.ts';
import { hasTimestamps } from '../../src/gpu/profile.ts';
import { kernels } from '../../src/kernels/index.ts';
import { matmulNN } from '../../src/kernels/matmul.ts';
import { spreadOf } from '../../src/report/profile/rows.ts';
import { inspectTimestamps } from '../../src/report/profile/timestamps.ts';
import { tensorFrom } from '../../src/tensor.ts';
import { profileTurns, stopMidway, turnsOf } from '../../src/train/profile.ts';
import { rules } from '../../src/train/rules.ts';
import { Trainer, type TrainOptions } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { randomBytes } from '../support/steps.ts';

const device = useDevice();
let data: ResidentDataset;
beforeAll(() => {
  data = new ResidentDataset(device.gpu, randomBytes(71, { train: 40 }, 6, 3));
});
afterAll(() => data.destroy());

const trainerOf = (name: string, given: Partial<TrainOptions> = {}): Trainer =>
  new Trainer(device.gpu, data, {
    ...{
      rule: rules.get(name)!,
      hidden: 8,
      layers: 3,
      batchSize: 8,
      learningRate: 0.01,
      lrDrops: [],
      seed: 72,
    },
    ...given,
  });

/** All that a trainer's network has learned, as bits. */
async function learned(gpu: Gpu, { net }: Trainer): Promise<Uint32Array[]> {
  const bits: Uint32Array[] = [];
  for (const { value } of net.parameters) bits.push(new Uint32Array(await gpu.read(value.buffer)));
  return bits;
}

/** A turn of the plan is a step, or two steps that fill and drain. */
const RUNS: readonly [string, Partial<TrainOptions>][] = [
  ['bp', {}],
  ['cdni', { schedule: 'wave', waveStages: 1 }],
];

describe.each(RUNS)('profiled steps of %s, %j', (name, given) => {
  it('learn what unprofiled ones learn, bit for bit, and tell of every dispatch', async () => {
    const { gpu } = device;
    const [profiled, plain] = [trainerOf(name, given), trainerOf(name, given)];
    try {
      const before = { ...gpu.alive };
      const turns = turnsOf(profiled);
      const { turns: found, seconds } = await profileTurns(profiled, 4, turns);
      // Staging memory is the trainer's to keep.
      expect(gpu.alive.buffers - before.buffers).toBeLessThanOrEqual(1);
      expect(seconds).toBeGreaterThan(0);
      expect(found).toHaveLength(4);
      const { dispatches } = profiled.plan;
      for (const turn of found) {
        expect(turn.map(({ label, kernel, grid }) => [label, kernel, grid])).toEqual(
          dispatches.map((d) => [d.label, d.kernel.spec.file, d.grid]),
        );
        for (const [i, time] of turn.entries()) {
          const { kernel, params } = dispatches[i]!;
          expect(time.flops).toBe(kernel.spec.flops(params));
          expect(time.bytes).toBe(kernel.spec.bytes(params));
          expect(time.constants).toEqual(kernel.constants);
          expect(time.ticks[0]).toBeGreaterThan(0n);
        }
      }
      await plain.results(plain.submit(profiled.submitted));
      expect(await learned(gpu, profiled)).toEqual(await learned(gpu, plain));
    } finally {
      profiled.destroy();
      plain.destroy();
    }
  });

  it('can be left midway, where every dispatch still agrees with its twin and may be repeated', async () => {
    const { gpu } = device;
    const trainer = trainerOf(name, given);
    try {
      await trainer.ready();
      await stopMidway(trainer, turnsOf(trainer));
      const before = { ...gpu.alive };
      const { dispatches } = trainer.plan;
      const contents = async () => {
        const tensors = new Set(dispatches.flatMap((d) => Object.values(d.tensors)));
        const bits: Uint32Array[] = [];
        for (const { buffer } of tensors) bits.push(new Uint32Array(await gpu.read(buffer)));
        return bits;
      };
      const bits = await contents();
      for (const dispatch of [dispatches[0]!, dispatches.at(-1)!]) {
        const { samples, repeats } = await wallSlope(gpu, dispatch);
        expect(samples.length).toBeGreaterThanOrEqual(5);
        expect(repeats).toBeGreaterThanOrEqual(1);
        expect(await stampedAlone(gpu, dispatch, 12)).toHaveLength(12);
      }
      // Whatever was repeated, all is as it was.
      expect(await contents()).toEqual(bits);
      expect(gpu.alive).toEqual(before);
      expect((await trainer.plan.encodeChecked()).failures).toEqual([]);
    } finally {
      trainer.destroy();
    }
  });
});

describe('a profile of steps', () => {
  it.each([true, false])('sums up to the whole step; by timestamps: %s', async (timestamps) => {
    const trainer = trainerOf('bp');
    try {
      const spread = { gflops: spreadOf([10]), gbs: spreadOf([1]) };
      const roof = { gflops: 10, gbs: 1, spread, dispatchSeconds: 1e-5 };
      const { profile, traced } = await profileTrainer(trainer, roof, { steps: 3, timestamps });
      const { dispatches } = trainer.plan;
      expect(profile.dispatches.map(({ label }) => label)).toEqual(dispatches.map(({ label }) => label));
      expect(profile.dispatchesPerStep).toBe(dispatches.length);
      expect(profile.unprofiled.stepsPerSecond.repeats).toBeGreaterThanOrEqual(5);
      expect(profile.unprofiled.stepsPerSecond.median).toBeGreaterThan(0);
      for (const rows of [profile.kernels, profile.layers]) {
        expect(rows.reduce((sum, { calls }) => sum + calls, 0)).toBe(dispatches.length);
        const seconds = rows.reduce((sum, row) => sum + row.seconds, 0);
        expect(seconds).toBeCloseTo(profile.gpuSeconds, 12);
      }
      expect(profile.layers.map(({ name }) => name)).toEqual([
        ...['batch', 'layer1', 'layer2', 'layer3', 'loss', 'step'],
      ]);
      expect(profile.steps).toBe(timestamps ? 3 : 0);
      expect(traced).toHaveLength(timestamps ? 3 : 0);
      expect(profile.timestamps === null).toBe(!timestamps);
    } finally {
      trainer.destroy();
    }
  });

  it("finds out that Dawn rounds a checked device's timestamps, and gives short kernels no time", async () => {
    const trainer = trainerOf('bp');
    try {
      const { turns } = await profileTurns(trainer, 5, turnsOf(trainer));
      const report = inspectTimestamps(turns.flat());
      expect(report.outOfOrder).toBe(0);
      expect(report.quantised).toBe(true);
      // The clock may have stood still for all that time; if it moved, then by a multiple of Dawn's step.
      expect((report.resolution ?? 0) % 65_536).toBe(0);
    } finally {
      trainer.destroy();
    }
  });
});

describe('a device without timestamp-query', () => {
  const withoutTimestamps = async (use: (gpu: Gpu) => Promise<void>) => {
    const { gpu } = device;
    const { features } = gpu.device;
    const all = new Set<string>(features);
    const has = vi
      .spyOn(features, 'has')
      .mockImplementation((name) => name !== 'timestamp-query' && all.has(name));
    try {
      expect(hasTimestamps(gpu)).toBe(false);
      await use(gpu);
    } finally {
      has.mockRestore();
    }
  };

  it('is profiled by slopes, whatever was asked for, and its roof is measured all the same', async () => {
    const host = { cpus: 2, load: 0.1 };
    await withoutTimestamps(async (gpu) => {
      const origin = await originOf(gpu, true, host);
      expect(origin).toMatchObject({ timing: 'slopes', host });
      expect(origin.roof.gflops).toBeGreaterThan(0);
      expect(origin.roof.spread.gbs.repeats).toBeGreaterThanOrEqual(5);
    });
    expect(await originOf(device.gpu, true, host)).toMatchObject({ timing: 'timestamps' });
  });

  it('has no dispatch timed one by one', async () => {
    await withoutTimestamps(async (gpu) => {
      const trainer = trainerOf('bp');
      try {
        await expect(profileTurns(trainer, 1, turnsOf(trainer))).rejects.toThrow(
          new InputError(
            `${gpu.info.name} has no timestamp-query, so its kernels cannot be timed one by one`,
          ),
        );
      } finally {
        trainer.destroy();
      }
    });
  });
});

/** Sizes for every letter of a shape. */
const SIZES: Readonly<Record<string, number>> = {
  M: 5,
  K: 8,
  N: 12,
  B: 6,
  F: 10,
  I: 11,
  C: 4,
  n: 64,
  delay: 2,
};

const shapeOf = (spec: KernelSpec): string => {
  const form = shapeForm(spec);
  return form === ''
    ? '1'
    : form
        .split('x')
        .map((name) => SIZES[name] ?? 4)
        .join('x');
};

function recordAlone(gpu: Gpu, spec: KernelSpec, shape: string): { plan: Plan; dispatch: Dispatch } {
  const params = paramsFromShape(spec, shape);
  const plan = new Plan(gpu, spec.file);
  const contents = Object.entries(makeContents(spec, params, 5));
  const tensors = Object.fromEntries(
    contents.map(([name, content]) => [name, plan.own(tensorFrom(gpu, name, [content.length], content))]),
  );
  plan.dispatch(spec, { label: spec.file, params, tensors });
  return { plan, dispatch: plan.dispatches[0]! };
}

describe('a kernel alone', () => {
  const able = kernels.filter((spec) => {
    try {
      paramsFromShape(spec, shapeOf(spec));
      return true;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return false;
    }
  });

  it('can be any but those whose shape is a whole step', () => {
    const unable = kernels.filter((spec) => !able.includes(spec)).map(({ file }) => file);
    expect(unable.filter((file) => !file.startsWith('fused_'))).toEqual([]);
  });

  // Products are alike in what they read: the registry's tests compile them all.
  const some = able.filter(({ file }) => !file.startsWith('matmul_') || file === 'matmul_nn_cpu');

  it.each(some.map((spec) => [spec.file, spec] as const))(
    '%s agrees with its twin on made-up inputs',
    async (_, spec) => {
      const { plan } = recordAlone(device.gpu, spec, shapeOf(spec));
      try {
        await plan.ready();
        expect((await plan.encodeChecked()).failures).toEqual([]);
      } finally {
        plan.destroy();
      }
    },
  );

  it('is checked at a smaller shape where its twin would take long', () => {
    const params = paramsFromShape(matmulNN as unknown as KernelSpec, '4096x1000x300');
    const smaller = smallerParams(matmulNN as unknown as KernelSpec, params, 1e6);
    expect(2 * smaller.M! * smaller.K! * smaller.N!).toBeLessThanOrEqual(1e6);
    expect(Object.keys(smaller)).toEqual(['M', 'K', 'N']);
    expect(smallerParams(matmulNN as unknown as KernelSpec, params, 1e12)).toBe(params);
  });
});
