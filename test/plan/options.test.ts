import { beforeAll, describe, expect, it } from 'vitest';
import { makeDataset } from '../../src/data/dataset.ts';
import { Random } from '../../src/data/random.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { InputError } from '../../src/errors.ts';
import { type OpenOptions, openDevice } from '../../src/gpu/open.ts';
import { Mlp } from '../../src/nn/mlp.ts';
import { rules } from '../../src/train/rules.ts';
import { run } from '../../src/train/run.ts';
import { type TrainNetworkOptions, train } from '../../src/train/train.ts';
import { Trainer, type TrainOptions } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';

const device = useDevice();
const random = new Random(5);
const dataset = makeDataset({
  name: 'noise',
  classes: 3,
  train: {
    values: Uint8Array.from({ length: 40 * 6 }, () => random.below(256)),
    labels: Uint8Array.from({ length: 40 }, () => random.below(3)),
  },
});
let data: ResidentDataset;
beforeAll(() => {
  data = new ResidentDataset(device.gpu, dataset);
});

const options = (changed: Partial<TrainOptions> = {}): TrainOptions => ({
  rule: rules.get('bp')!,
  hidden: 5,
  layers: 3,
  batchSize: 8,
  learningRate: 1e-3,
  lrDrops: [],
  seed: 1,
  ...changed,
});

describe('a program that asks for what cannot be is told in one sentence', () => {
  it.each([
    [{ layers: 1 }, 'layers: expected a whole number from 2 to 32, found 1'],
    [{ layers: 40 }, 'layers: expected a whole number from 2 to 32, found 40'],
    [{ learningRate: -1 }, 'learningRate: expected a positive number that float32 can hold, found -1'],
    [{ learningRate: 1e-60 }, 'learningRate: expected a positive number that float32 can hold, found 1e-60'],
    [
      { sgLearningRate: Number.NaN },
      'sgLearningRate: expected a positive number that float32 can hold, found NaN',
    ],
    [{ updateProbability: 7 }, 'updateProbability: expected a number above 0 and up to 1, found 7'],
    [{ updateProbability: 0 }, 'updateProbability: expected a number above 0 and up to 1, found 0'],
    [{ schedule: 'turbo' }, "schedule: expected one of layered, fused, wave, best, found 'turbo'"],
    [{ waveStages: 2 }, 'waveStages: expected one of 1, 3, found 2'],
    [{ optimizer: 'adamw' }, "optimizer: expected one of adam, sgd, momentum, found 'adamw'"],
    [{ forms: 'tpu' }, "forms: expected one of gpu, cpu, found 'tpu'"],
    [{ lambda: 9 }, 'lambda: expected a number from 0 to 1, found 9'],
    [{ sgWarmup: 1.5 }, 'sgWarmup: expected a whole number of steps, found 1.5'],
  ] as const)('%o', (changed, message) => {
    const before = { ...device.gpu.alive };
    const make = () => new Trainer(device.gpu, data, options(changed as unknown as Partial<TrainOptions>));
    expect(make).toThrow(InputError);
    expect(make).toThrow(message);
    expect(device.gpu.alive).toEqual(before);
  });

  it.each([
    [{ steps: 0 }, 'steps: expected a whole number of steps from 1 on, found 0'],
    [{ steps: 2.5 }, 'steps: expected a whole number of steps from 1 on, found 2.5'],
    [
      { steps: 2, batchsize: 10 },
      /^train: expected options among steps, .*, batchSize, .*, found batchsize$/,
    ],
    [{ steps: 2, schedule: 'turbo' }, "schedule: expected one of layered, fused, wave, best, found 'turbo'"],
    [{ steps: 2, evalEvery: 0 }, 'evalEvery: expected a whole number of steps from 1 on, found 0'],
  ] as const)('%o', async (changed, message) => {
    const net = new Mlp(device.gpu, { inputs: 6, hidden: 5, layers: 3, classes: 3 }, 1);
    const given = { batchSize: 8, ...changed } as TrainNetworkOptions;
    await expect(train(rules.get('bp')!, net, dataset, given)).rejects.toThrow(message);
    net.destroy();
  });

  it.each([
    ['zzz', "found 'zzz'"],
    [null, 'found null'],
    [{ adaptor: 'gpu' }, 'found an option adaptor'],
    [{ adapter: 7 }, 'found adapter: 7'],
  ] as const)('openDevice with %o', async (given, found) => {
    await expect(openDevice(given as OpenOptions)).rejects.toThrow(
      `openDevice: expected options such as { adapter: 'gpu', fast: true }, ${found}`,
    );
  });

  it('a network of no size', () => {
    expect(() => new Mlp(device.gpu, { inputs: 6, hidden: 0, layers: 3, classes: 3 }, 1)).toThrow(
      'Mlp: hidden: expected a whole number from 1 on, found 0',
    );
  });

  it('a trainer that has done steps already', async () => {
    const trainer = new Trainer(device.gpu, data, options());
    await run(trainer, data, { steps: 3, evalEvery: 2 });
    await expect(run(trainer, data, { steps: 3, evalEvery: 2 })).rejects.toThrow(
      'expected a trainer that has done no step yet, found one that has done 3',
    );
    trainer.destroy();
  });
});
