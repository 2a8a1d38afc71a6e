import { describe, expect, it, test } from 'vitest';
import { checkMethod } from '../../bench/checks.ts';
import { makeDataset } from '../../src/data/dataset.ts';
import { Random } from '../../src/data/random.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { type Conventions, PYTORCH, TF1 } from '../../src/nn/conventions.ts';
import { Mlp } from '../../src/nn/mlp.ts';
import { rules } from '../../src/train/rules.ts';
import { Trainer, type TrainOptions } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { ruleNamed } from '../support/twins.ts';

const device = useDevice();

const [INPUTS, CLASSES, B] = [13, 5, 11];

/** Seeded bytes of clusters. */
function dataset() {
  const random = new Random(3);
  const part = (count: number) => ({
    values: Uint8Array.from({ length: count * INPUTS }, () => random.below(256)),
    labels: Uint8Array.from({ length: count }, () => random.below(CLASSES)),
  });
  return makeDataset({
    name: 'noise',
    classes: CLASSES,
    train: part(60),
    validation: part(7),
    test: part(7),
  });
}

const FROZEN: Conventions = { ...TF1, bnMode: 'frozen', bnBias: true };

const options = (rule: string, given: Partial<TrainOptions>): TrainOptions => ({
  ...{ rule: ruleNamed(rule), hidden: 9, layers: 3, batchSize: B, learningRate: 1e-2, lrDrops: [], seed: 2 },
  ...given,
});

/** Trains some steps, and tells what the network holds. */
async function trained(rule: string, given: Partial<TrainOptions>, steps: number) {
  const data = new ResidentDataset(device.gpu, dataset());
  const trainer = new Trainer(device.gpu, data, options(rule, given));
  try {
    await trainer.ready();
    const { losses } = await trainer.results(trainer.submit(steps));
    const read = async (tensors: readonly { readonly label: string; readonly buffer: GPUBuffer }[]) => {
      const found: Record<string, Float32Array> = {};
      for (const { label, buffer } of tensors)
        found[label] = new Float32Array(await device.gpu.read(buffer as never));
      return found;
    };
    const held = await read(trainer.net.tensors);
    const models = await read(trainer.models.flatMap((m) => m.parameters.map((p) => p.value)));
    return { schedule: trainer.schedule, because: trainer.because, losses, held, models };
  } finally {
    trainer.destroy();
    data.destroy();
  }
}

describe.each([...rules.keys()])('%s', (rule) => {
  it.each([
    ['tf1', TF1],
    ['tf1, frozen', FROZEN],
    ['tf1 with a bias', { ...TF1, bnBias: true }],
  ])('%s: every dispatch of a step agrees with its twin', async (_, conventions) => {
    const data = new ResidentDataset(device.gpu, dataset());
    try {
      const report = await checkMethod(device.gpu, data, options(rule, { conventions }));
      expect(report.failures).toEqual([]);
      expect(report.tensors).toBeGreaterThan(10);
    } finally {
      data.destroy();
    }
  });
});

describe.each(['bp', 'cdni'])('%s under tf1', (rule) => {
  it('is fused, and learns what the layered kernels do', async () => {
    const layered = await trained(rule, { conventions: TF1 }, 5);
    const fused = await trained(rule, { conventions: TF1, schedule: 'fused' }, 5);
    expect([layered.schedule, fused.schedule, fused.because]).toEqual(['layered', 'fused', undefined]);
    const names = ['layer1.runningVar', 'layer2.runningMean', 'layer2.W', 'layer3.W'];
    for (const name of names) {
      const [a, b] = [layered.held[name]!, fused.held[name]!];
      const size = a.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      // Under steps of 1e-2: what is left is rounding, and Adam's steps from gradients of rounding alone.
      a.forEach((v, i) => {
        expect(Math.abs(v - b[i]!), `${name}[${i}]`).toBeLessThan(1e-3 * size);
      });
    }
  });
});

test('frozen statistics stay as they begin, and the bias before them learns', async () => {
  const { held, schedule, because } = await trained('bp', { conventions: FROZEN, schedule: 'best' }, 3);
  expect(schedule).toBe('layered');
  expect(because).toBe("of the fused kernels: their batch norm takes the batch's own statistics");
  expect([...held['layer1.runningMean']!]).toEqual(new Array(9).fill(0));
  expect([...held['layer1.runningVar']!]).toEqual(new Array(9).fill(1));
  expect(held['layer1.bias']!.every((v) => v !== 0)).toBe(true);
});

test('biased running variance is (B - 1) / B of the unbiased one, after one step from 1', async () => {
  const biased = { ...PYTORCH, bnVariance: 'biased' as const };
  for (const schedule of ['layered', 'fused'] as const) {
    const [a, b] = [
      await trained('bp', { schedule }, 1),
      await trained('bp', { schedule, conventions: biased }, 1),
    ];
    a.held['layer1.runningVar']!.forEach((unbiased, f) => {
      // running = 0.9 + 0.1 v, so v is ten times what is above 0.9.
      const v = (running: number) => (running - 0.9) / 0.1;
      const ratio = v(b.held['layer1.runningVar']![f]!) / v(unbiased);
      expect(Math.abs(ratio / ((B - 1) / B) - 1), schedule).toBeLessThan(1e-5 / v(unbiased));
    });
  }
});

test('a network keeps its own conventions, and a training that has others for it is refused', () => {
  const net = new Mlp(device.gpu, { inputs: INPUTS, hidden: 9, layers: 3, classes: CLASSES }, 1, TF1);
  const data = new ResidentDataset(device.gpu, dataset());
  try {
    const trainer = new Trainer(device.gpu, data, options('bp', {}), net);
    expect(trainer.options.conventions).toEqual(TF1);
    trainer.destroy();
    expect(() => new Trainer(device.gpu, data, options('bp', { conventions: PYTORCH }), net)).toThrow(
      "conventions: expected init to be the network's, glorot, found he",
    );
    expect(
      () => new Trainer(device.gpu, data, options('bp', { conventions: { sgLoss: 'max' as never } })),
    ).toThrow('conventions.sgLoss: expected sum or mean, found max');
  } finally {
    data.destroy();
    net.destroy();
  }
});

test('a sigmoid has no such change of variables, and is refused with the mean loss', () => {
  const data = new ResidentDataset(device.gpu, dataset());
  try {
    const given = { conventions: TF1, synthetic: { output: 'sigmoid' as const } };
    expect(() => new Trainer(device.gpu, data, options('cdni', given))).toThrow(
      '--conventions: expected sgLoss=sum with predictors of sigmoid output, found mean',
    );
  } finally {
    data.destroy();
  }
});
