import { describe, expect, test } from 'vitest';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { backprop } from '../../src/train/backprop.ts';
import { cdni } from '../../src/train/cdni.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import type { LearningRule } from '../../src/train/rule.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { randomBytes, readHeld, readPlan } from '../support/steps.ts';

const device = useDevice();
const data = () => randomBytes(5, { train: 100, test: 70 }, 37, 5);

interface Run {
  readonly losses: readonly number[];
  readonly correct: readonly number[];
  readonly held: Map<string, Float32Array>;
  readonly moments: Map<string, Float32Array>;
}

/** Trains in chunks, all submitted before the first is waited for unless there is something to do between them. */
async function train(
  gpu: Gpu,
  rule: LearningRule,
  chunks: readonly number[],
  { seed = 4, between }: { seed?: number; between?: (trainer: Trainer) => Promise<void> } = {},
): Promise<Run> {
  const resident = new ResidentDataset(gpu, data());
  const options = { rule, hidden: 19, layers: 3, batchSize: 23, learningRate: 1e-3, lrDrops: [11], seed };
  const trainer = new Trainer(gpu, resident, options);
  await trainer.ready();
  const losses: number[] = [];
  const correct: number[] = [];
  const collect = async (chunk: ReturnType<Trainer['submit']>) => {
    const results = await trainer.results(chunk);
    expect(results.first).toBe(losses.length);
    losses.push(...results.losses);
    correct.push(...results.correct);
  };
  if (between) {
    for (const count of chunks) {
      await collect(trainer.submit(count));
      await between(trainer);
    }
  } else {
    const submitted = chunks.map((count) => trainer.submit(count));
    for (const chunk of submitted) await collect(chunk);
  }
  expect(trainer.submitted).toBe(losses.length);
  const held = await readHeld(trainer);
  const all = await readPlan(gpu, trainer.plan);
  const moments = new Map([...all].filter(([label]) => /\.[mv]$/.test(label)));
  expect(moments.size).toBeGreaterThan(0);
  trainer.destroy();
  resident.destroy();
  return { losses, correct, held, moments };
}

describe.each([{ rule: backprop }, { rule: cdni }])('$rule.name', ({ rule }) => {
  test('repeats bit for bit, however its steps are cut into chunks', async () => {
    const first = await train(device.gpu, rule, [20]);
    expect(first.losses).toHaveLength(20);
    // No two steps are alike, so that a step in the wrong place would show.
    expect(new Set(first.losses).size).toBe(20);
    for (const chunks of [[20], Array(20).fill(1), [7, 13], [1, 19], [19, 1]]) {
      expect(await train(device.gpu, rule, chunks), `chunks of ${chunks}`).toEqual(first);
    }
  });

  test('takes another course with another seed', async () => {
    const first = await train(device.gpu, rule, [5]);
    const other = await train(device.gpu, rule, [5], { seed: 5 });
    expect(other.losses[0]).not.toBe(first.losses[0]);
    for (const label of ['layer1.W', 'layer2.W', 'layer3.W']) {
      expect(other.held.get(label)).not.toEqual(first.held.get(label));
    }
  });

  test('is not changed by evaluations in between', async () => {
    const { gpu } = device;
    const alone = await train(gpu, rule, [4, 4, 4]);
    const resident = new ResidentDataset(gpu, data());
    const scores: number[] = [];
    const evaluated = await train(gpu, rule, [4, 4, 4], {
      async between(trainer) {
        const before = [await readHeld(trainer), await readPlan(gpu, trainer.plan)];
        const evaluator = new Evaluator(gpu, trainer.net, resident.test);
        const score = await evaluator.score();
        // The same again: nothing is left over from one evaluation to the next.
        expect(await evaluator.score()).toEqual(score);
        scores.push(score.loss);
        evaluator.destroy();
        expect([await readHeld(trainer), await readPlan(gpu, trainer.plan)]).toEqual(before);
      },
    });
    expect(evaluated).toEqual(alone);
    expect(new Set(scores).size).toBe(3);
    resident.destroy();
  });
});
