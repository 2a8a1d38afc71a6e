import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { InputError } from '../../src/errors.ts';
import { Mlp } from '../../src/nn/mlp.ts';
import { SyntheticGradient } from '../../src/nn/synthetic-gradient.ts';
import { createTensor, tensorFrom } from '../../src/tensor.ts';
import type { LearningRule } from '../../src/train/rule.ts';
import { rules } from '../../src/train/rules.ts';
import { Trainer, type TrainOptions } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { Random } from '../support/kernel.ts';
import { randomBytes, readFloats } from '../support/steps.ts';

const device = useDevice();
const INPUTS = 6;
const CLASSES = 3;
let data: ResidentDataset;
beforeAll(() => {
  data = new ResidentDataset(device.gpu, randomBytes(61, { train: 40 }, INPUTS, CLASSES));
});
afterAll(() => data.destroy());

function options(name: string, given: Partial<TrainOptions> = {}): TrainOptions {
  const rule = rules.get(name)!;
  return { rule, hidden: 5, layers: 3, batchSize: 7, learningRate: 0.01, lrDrops: [], seed: 62, ...given };
}

describe('all or nothing', () => {
  it('gives back what was made, and leaves it alive', () => {
    const { gpu } = device;
    const before = { ...gpu.alive };
    const made = gpu.allOrNothing(() => createTensor(gpu, 'kept', [3]));
    expect(gpu.alive).toEqual({ buffers: before.buffers + 1, bytes: before.bytes + 12 });
    gpu.release(made.buffer);
    expect(gpu.alive).toEqual(before);
  });

  it('releases what was made before the error, which goes on, and nothing else', async () => {
    const { gpu } = device;
    const older = tensorFrom(gpu, 'older', [2], Float32Array.of(1, 2));
    const before = { ...gpu.alive };
    const error = new Error('in the middle');
    const make = () => {
      createTensor(gpu, 'first', [100]);
      gpu.release(createTensor(gpu, 'gone already', [100]).buffer);
      // What was kept inside is part of what was made.
      gpu.allOrNothing(() => createTensor(gpu, 'inner', [100]));
      expect(() =>
        gpu.allOrNothing(() => {
          createTensor(gpu, 'inner that fails', [100]);
          throw new Error('inner');
        }),
      ).toThrow('inner');
      expect(gpu.alive.buffers).toBe(before.buffers + 2);
      throw error;
    };
    expect(() => gpu.allOrNothing(make)).toThrow(error);
    expect(gpu.alive).toEqual(before);
    expect(await readFloats(gpu, older)).toEqual(Float32Array.of(1, 2));
    gpu.release(older.buffer);
  });
});

describe('a trainer that cannot be made leaves nothing behind', () => {
  /** The rule with one of its parts replaced. */
  const broken = (part: Partial<LearningRule>): TrainOptions => {
    const rule = { ...(rules.get('cdni') as LearningRule), ...part };
    return options('cdni', { rule });
  };
  /** Bytes that no buffer has, a whole number of floats. */
  const tooLarge = () => 4 * Math.floor(device.gpu.limits.maxBufferSize / 4) + 4;

  const refused: [string, () => TrainOptions, RegExp][] = [
    ['hidden layers too large for any buffer', () => options('bp', { hidden: 10 ** 6 }), /--hidden 1000000/],
    [
      'a batch larger than the data',
      () => options('cdni', { batchSize: 41 }),
      /--batch\): expected at most the 40 training samples .*, found 41/,
    ],
    ['no batch', () => options('cdni', { batchSize: 0 }), /batch size: expected a positive integer/],
    ['a seed out of range', () => options('cdni', { seed: -1 }), /seed: expected an integer/],
    [
      'a model too large, behind one that was not',
      () =>
        broken({
          createModels: (gpu) => {
            const shape = { features: 5, classes: CLASSES, hidden: 1, width: 4, labels: true } as const;
            const first = new SyntheticGradient(gpu, 'sg', { ...shape, output: 'linear' }, new Random(1));
            gpu.storage('sg2.V', tooLarge());
            return [first];
          },
        }),
      /^sg2\.V needs .* but the limit /,
    ],
    [
      'a tensor of the plan too large',
      () =>
        broken({
          record: (step) => {
            (rules.get('cdni') as LearningRule).record(step);
            step.plan.tensor('more', [tooLarge() / 4]);
          },
        }),
      /^more \(\d+\) needs .* but the limit /,
    ],
  ];

  it.each(refused)('%s', (_, make, message) => {
    const { gpu } = device;
    const before = { ...gpu.alive };
    const construct = () => new Trainer(gpu, data, make());
    expect(construct).toThrow(InputError);
    expect(construct).toThrow(message);
    expect(gpu.alive).toEqual(before);
  });

  // Devices whose buffers are so small that something else is too large each time.
  it.each([
    ['batch', 8192, options('bp', { batchSize: 20 }), /^--batch 20 needs 20480 bytes in one buffer/],
    [
      'hidden layer',
      8192,
      options('cdni', { hidden: 46 }),
      /^--hidden 46 needs a weight matrix of 8464 bytes/,
    ],
    ['model', 16_384, options('dni'), /^sg1\.hidden1\.W \(5, 1024\) needs .* but the limit /],
    [
      'hidden layer of a model',
      16_384,
      options('dni', { synthetic: { width: 100 } }),
      /^--sg-width 100 needs a weight matrix of 40000 bytes/,
    ],
  ])('a %s too large for a buffer of %i bytes', (_, bytes, given, message) => {
    const { gpu } = device;
    const before = { ...gpu.alive };
    const limits = { maxBufferSize: bytes, maxStorageBufferBindingSize: bytes } as GPUSupportedLimits;
    const spy = vi.spyOn(gpu, 'limits', 'get').mockReturnValue(limits);
    const construct = () => new Trainer(gpu, data, given);
    try {
      expect(construct).toThrow(InputError);
      expect(construct).toThrow(message);
    } finally {
      spy.mockRestore();
    }
    expect(gpu.alive).toEqual(before);
  });

  it("a rule that fails, on somebody else's network, which stays", async () => {
    const { gpu } = device;
    const net = new Mlp(gpu, { inputs: INPUTS, hidden: 4, layers: 3, classes: CLASSES }, 9);
    const weights = await readFloats(gpu, net.hidden[0]!.weights.value);
    const before = { ...gpu.alive };
    const failing = broken({
      record: (step) => {
        (rules.get('bp') as LearningRule).record(step);
        throw new Error('a rule that fails');
      },
    });
    expect(() => new Trainer(gpu, data, failing, net)).toThrow('a rule that fails');
    expect(gpu.alive).toEqual(before);
    expect(await readFloats(gpu, net.hidden[0]!.weights.value)).toEqual(weights);
    const other = new Mlp(gpu, { inputs: INPUTS + 1, hidden: 4, layers: 3, classes: CLASSES }, 9);
    expect(() => new Trainer(gpu, data, options('bp'), other)).toThrow(/^the network has 7 inputs/);
    for (const made of [net, other]) made.destroy();
  });
});

describe('steps with few events, seed 62', () => {
  const STEPS = 24;

  /** The bits of all parameters after the steps, in chunks of the given sizes, and what was done. */
  async function train(name: string, chunks: number[], given: Partial<TrainOptions>) {
    const trainer = new Trainer(device.gpu, data, options(name, given));
    try {
      await trainer.ready();
      const events: bigint[] = [];
      const losses: number[] = [];
      for (const count of chunks) {
        const chunk = trainer.submit(count);
        events.push(...chunk.events);
        const results = await trainer.results(chunk);
        losses.push(...[...results.losses].filter((_, i) => results.measured[i]));
      }
      const bits: Uint32Array[] = [];
      const held = [...trainer.net.parameters, ...trainer.models.flatMap((m) => m.parameters)];
      for (const { value } of held) bits.push(new Uint32Array(await device.gpu.read(value.buffer)));
      return { events, losses, bits, work: trainer.work };
    } finally {
      trainer.destroy();
    }
  }

  it.each(['bp', 'cdni', 'dgl', 'delayed-bp'])(
    '%s: are the same in one submit as one by one, idle steps and all',
    async (name) => {
      const given = { updateProbability: 0.2, optimizer: 'momentum' } as const;
      const together = await train(name, [STEPS], given);
      const apart = await train(name, new Array(STEPS).fill(1), given);
      expect(together).toEqual(apart);
      expect(await train(name, [5, 12, 7], given)).toEqual(apart);
      // Otherwise this would not be about idle steps, nor about steps that are not.
      expect(together.work.idleSteps).toBeGreaterThan(3);
      expect(together.work.layerUpdates).toBeGreaterThan(6);
      const start = await train(name, [], given);
      expect(together.bits).not.toEqual(start.bits);
    },
  );

  it('delayed backprop first moves each layer when the gradient of step 0 has come', async () => {
    const trainer = new Trainer(device.gpu, data, options('delayed-bp', { optimizer: 'sgd' }));
    const weights = [...trainer.net.hidden, trainer.net.output].map((layer) => layer.weights.value);
    const first = new Array<number>(weights.length).fill(-1);
    const start: Float32Array[] = [];
    for (const w of weights) start.push(await readFloats(device.gpu, w));
    for (let step = 0; step < 6; step++) {
      await trainer.results(trainer.submit(1));
      for (const [i, w] of weights.entries()) {
        const now = await readFloats(device.gpu, w);
        if (first[i] === -1 && now.some((v, j) => v !== start[i]![j])) first[i] = step;
      }
    }
    trainer.destroy();
    expect(first).toEqual([4, 2, 0]);
  });
});
