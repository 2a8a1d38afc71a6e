import { describe, expect, test } from 'vitest';
import { BatchOrder } from '../../src/data/batches.ts';
import { type Dataset, makeDataset } from '../../src/data/dataset.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { writeTensor } from '../../src/tensor.ts';
import { backprop } from '../../src/train/backprop.ts';
import { cdni } from '../../src/train/cdni.ts';
import type { LearningRule } from '../../src/train/rule.ts';
import { NonFiniteError, Trainer, type TrainOptions } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { normals, Random } from '../support/kernel.ts';
import { randomBytes, readHeld, readPlan } from '../support/steps.ts';

const device = useDevice();
const rules: { rule: LearningRule }[] = [{ rule: backprop }, { rule: cdni }];
const common = { hidden: 19, layers: 3, batchSize: 23, learningRate: 1e-3, lrDrops: [], seed: 6 };

/** A trainer for a test, released after it. */
async function withTrainer(
  data: Dataset,
  options: Partial<TrainOptions> & Pick<TrainOptions, 'rule'>,
  body: (trainer: Trainer) => Promise<void>,
): Promise<void> {
  const { gpu } = device;
  const resident = new ResidentDataset(gpu, data);
  const trainer = new Trainer(gpu, resident, { ...common, ...options });
  try {
    await trainer.ready();
    await body(trainer);
  } finally {
    trainer.destroy();
    resident.destroy();
  }
}

/** Parameters and Adam's moments: all that the flag protects. */
async function learned(trainer: Trainer): Promise<Map<string, Float32Array>> {
  const running = /\.running(Mean|Var)$/;
  const held = [...(await readHeld(trainer))].filter(([label]) => !running.test(label));
  const moments = [...(await readPlan(trainer.gpu, trainer.plan))].filter(([label]) => /\.[mv]$/.test(label));
  return new Map([...held, ...moments]);
}

async function failure(promise: Promise<unknown>): Promise<NonFiniteError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(NonFiniteError);
  return error as NonFiniteError;
}

/** Normal samples but for one, whose features are finite and too large for any product to be. */
function poisoned(rows: number, inputs: number, classes: number): { data: Dataset; row: number } {
  const random = new Random(8);
  const row = random.below(rows);
  const part = (count: number) => ({
    values: normals(random, count * inputs),
    labels: Uint8Array.from({ length: count }, () => random.below(classes)),
  });
  const train = part(rows);
  train.values.fill(3e38, row * inputs, (row + 1) * inputs);
  return { data: makeDataset({ name: 'poisoned', classes, train, validation: part(1), test: part(1) }), row };
}

describe.each(rules)('$rule.name', ({ rule }) => {
  test('with a NaN in a weight fails at once and names the weight', async () => {
    await withTrainer(randomBytes(3, { train: 100 }, 37, 5), { rule }, async (trainer) => {
      await trainer.results(trainer.submit(4));
      const { value } = trainer.net.hidden[1]!.weights;
      const data = new Float32Array(await trainer.gpu.read(value.buffer));
      data[40] = Number.NaN;
      writeTensor(trainer.gpu, value, data);
      const error = await failure(trainer.results(trainer.submit(3)));
      expect(error.step).toBe(4);
      expect(error.tensor).toBe('layer2.W');
      // Steps are told as the user counts them, from 1.
      expect(error.message).toContain(`${rule.name}: the loss stopped being finite at step 5, where`);
      expect(error.message).toContain('layer2.W');
    });
  });

  test('with a huge learning rate fails at the step after the first update', async () => {
    await withTrainer(
      randomBytes(3, { train: 100 }, 37, 5),
      { rule, learningRate: 1e38 },
      async (trainer) => {
        const error = await failure(trainer.results(trainer.submit(6)));
        expect(error.step).toBe(1);
        // Each weight is about 1e38 by then. With cdni the first step moves only the output layer and the top
        // predictor, whose answer overflows.
        expect(error.tensor).toBe(rule === backprop ? 'layer1.z' : 'sg2.hV');
      },
    );
  });

  test('names the step in the middle of a chunk, and later chunks change nothing', async () => {
    const rows = 300;
    const { data, row } = poisoned(rows, 37, 5);
    const order = new BatchOrder(rows, common.batchSize, common.seed);
    const batch = new Uint32Array(common.batchSize);
    let step = -1;
    do {
      order.next(batch, 0);
      step++;
    } while (!batch.includes(row));
    expect(step, 'the poisoned row must come neither first nor last').toBeGreaterThan(2);

    // What is learned until the bad step, and what that step leaves when nothing follows it.
    let before = new Map<string, Float32Array>();
    let alone = new Map<string, Float32Array>();
    await withTrainer(data, { rule }, async (trainer) => {
      await trainer.results(trainer.submit(step));
      before = await learned(trainer);
      trainer.submit(1).readback.cancel();
      alone = await learned(trainer);
    });
    await withTrainer(data, { rule }, async (trainer) => {
      // The bad step lies inside the second of three chunks, all submitted before the first is waited for.
      const chunks = [trainer.submit(step - 2), trainer.submit(5), trainer.submit(4)] as const;
      expect((await trainer.results(chunks[0])).losses.every(Number.isFinite)).toBe(true);
      const error = await failure(trainer.results(chunks[1]));
      expect(error.step).toBe(step);
      expect(error.tensor).toBe('layer1.z');
      expect(await failure(trainer.results(chunks[2])), 'the chunk behind tells the same').toBe(error);
      const after = await learned(trainer);
      expect(after).toEqual(alone);
      expect(after).toEqual(before);
    });
  });
});
