import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dataset, makeDataset } from '../../src/data/dataset.ts';
import { ResidentSamples } from '../../src/data/resident.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { evaluateTwin } from '../../src/reference/step-rules.ts';
import { cdni } from '../../src/train/cdni.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { normals, Random } from '../support/kernel.ts';
import {
  constantsAt,
  expectWithin,
  randomBytes,
  readHeld,
  TwinRun,
  twinBatch,
  widened,
} from '../support/steps.ts';

const device = useDevice();
const [inputs, hidden, classes, batchSize, seed] = [37, 19, 5, 23, 12];

describe('an evaluation against its float64 twin', () => {
  let data: Dataset;
  let resident: ResidentDataset;
  let trainer: Trainer;

  beforeAll(async () => {
    data = randomBytes(seed, { train: 200, test: 1203 }, inputs, classes);
    resident = new ResidentDataset(device.gpu, data);
    const options = { rule: cdni, hidden, layers: 4, batchSize, learningRate: 1e-3, lrDrops: [], seed };
    trainer = new Trainer(device.gpu, resident, options);
    await trainer.ready();
    // Trained for a while, so that running statistics, gamma and beta are not what they begin as.
    await trainer.results(trainer.submit(30));
  });
  afterAll(() => {
    trainer?.destroy();
    resident?.destroy();
  });

  /** Compares the score of the first `count` of `samples` with the twin's of the same network. */
  async function expectScore(evaluator: Evaluator, samples: Dataset['test'], count: number): Promise<void> {
    const score = await evaluator.score();
    evaluator.destroy();
    expect(evaluator.samples).toBe(count);
    expect(score.samples).toBe(count);

    const run = new TwinRun(evaluateTwin, trainer.shape, widened(await readHeld(trainer)));
    const batch = twinBatch(
      samples,
      Uint32Array.from({ length: count }, (_, i) => i),
    );
    run.step(constantsAt(0, 1e-3, batchSize), batch);
    // The evaluator adds up the means of batches of 500 in float64; the twin's bound is of one sum over all.
    const loss = run.compare('loss.mean', [score.loss]);
    expectWithin([loss], `${count} samples`);
    const { least, most } = run.correct('layer4.logits', batch.labels);
    expect(most - least, `${count} samples: too near a tie`).toBeLessThanOrEqual(1);
    const correct = score.accuracy * count;
    expect(Math.abs(correct - Math.round(correct))).toBeLessThan(1e-9);
    expect(Math.round(correct)).toBeGreaterThanOrEqual(least);
    expect(Math.round(correct)).toBeLessThanOrEqual(most);
  }

  test.each([1, 499, 500, 501, 1203])('of the first %i samples, by limit', async (count) => {
    await expectScore(new Evaluator(device.gpu, trainer.net, resident.test, count), data.test, count);
  });

  test('of all samples, where the limit is more than there are', async () => {
    await expectScore(new Evaluator(device.gpu, trainer.net, resident.test, 5000), data.test, 1203);
  });

  test.each([1, 499, 500, 501, 1203])('of all %i samples there are', async (count) => {
    const part = randomBytes(seed + count, { train: 1, test: count }, inputs, classes).test;
    const samples = new ResidentSamples(device.gpu, 'test.part', part);
    await expectScore(new Evaluator(device.gpu, trainer.net, samples), part, count);
    samples.destroy();
  });

  test('of samples that are floats', async () => {
    const random = new Random(seed);
    const arrays = (count: number) => ({
      values: normals(random, count * inputs),
      labels: Uint8Array.from({ length: count }, () => random.below(classes)),
    });
    const floats = makeDataset({
      name: 'floats',
      classes,
      train: arrays(1),
      validation: arrays(1),
      test: arrays(73),
    });
    const samples = new ResidentSamples(device.gpu, 'test.floats', floats.test);
    await expectScore(new Evaluator(device.gpu, trainer.net, samples), floats.test, 73);
    samples.destroy();
  });

  test('follows the network as it is trained', async () => {
    const evaluator = new Evaluator(device.gpu, trainer.net, resident.test);
    const before = await evaluator.score();
    await trainer.results(trainer.submit(20));
    const after = await evaluator.score();
    expect(after.loss).not.toBe(before.loss);
    await expectScore(evaluator, data.test, 1203);
  });
});
