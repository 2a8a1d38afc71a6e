import { expect, test } from 'vitest';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { backprop } from '../../src/train/backprop.ts';
import { cdni } from '../../src/train/cdni.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { randomBytes } from '../support/steps.ts';

const device = useDevice();

test.each([{ rule: backprop }, { rule: cdni }])(
  '$rule.name needs no more GPU memory in the long run',
  async ({ rule }) => {
    const { gpu } = device;
    const start = { ...gpu.alive };
    const resident = new ResidentDataset(gpu, randomBytes(2, { train: 60, test: 521 }, 11, 3));
    const options = { rule, hidden: 7, layers: 3, batchSize: 8, learningRate: 1e-3, lrDrops: [], seed: 1 };
    const trainer = new Trainer(gpu, resident, options);
    const evaluator = new Evaluator(gpu, trainer.net, resident.test);
    await trainer.ready();

    /** Two chunks under way at any time, as in training. */
    const train = async (chunks: number) => {
      let under = trainer.submit(5);
      for (let i = 1; i < chunks; i++) {
        const next = trainer.submit(5);
        await trainer.results(under);
        under = next;
      }
      await trainer.results(under);
      await evaluator.score();
    };
    await train(2);
    const after10 = { ...gpu.alive };
    expect(after10.bytes).toBeGreaterThan(start.bytes);
    for (let i = 0; i < 5; i++) await train(4);
    expect(trainer.submitted).toBe(110);
    expect(gpu.alive).toEqual(after10);

    // Evaluators that come and go leave nothing behind either.
    for (const limit of [1, 500, 521]) {
      const other = new Evaluator(gpu, trainer.net, resident.test, limit);
      await other.score();
      expect(gpu.alive.buffers).toBeGreaterThan(after10.buffers);
      other.destroy();
      expect(gpu.alive).toEqual(after10);
    }

    evaluator.destroy();
    trainer.destroy();
    resident.destroy();
    expect(gpu.alive).toEqual(start);
  },
);
