import { describe, expect, test } from 'vitest';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { argmax } from '../../src/reference/metrics.ts';
import { bpStep, cdniStep } from '../../src/reference/step-rules.ts';
import { backprop } from '../../src/train/backprop.ts';
import { cdni } from '../../src/train/cdni.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import {
  constantsAt,
  expectWithin,
  randomBytes,
  readHeld,
  readPlan,
  TwinRun,
  twinBatches,
  widened,
} from '../support/steps.ts';

const device = useDevice();

const rules = [
  { rule: backprop, twin: bpStep },
  { rule: cdni, twin: cdniStep },
];
const small = { inputs: 37, hidden: 19, classes: 5, batchSize: 23, steps: 10, pairs: 3 };
const cases = [
  { ...small, layers: 2 },
  { ...small, layers: 3 },
  { ...small, layers: 4 },
  // The paper's shape. The second step is the first whose synthetic gradients are not zero.
  { inputs: 784, hidden: 256, classes: 10, batchSize: 256, layers: 4, steps: 2, pairs: 1 },
];

/** What a step begins with: parameters, moments, running statistics. */
const STATE = /\.(W|gamma|beta|bias|V|U|c)(\.[mv])?$|\.running(Mean|Var)$/;

// Two twins go beside the device. One begins every step with what the device begins it with, so that all that the
// step computes can be compared closely. The other goes its own way from the first step on; only its loss is compared,
// since a ReLU or a sign that once fell differently changes single tensors for good.
for (const { rule, twin } of rules) {
  describe(`${rule.name} against its float64 twin`, () => {
    test.each(cases)('$layers layers, $inputs-$hidden, batch $batchSize, $steps steps', async (c) => {
      const { inputs, hidden, classes, layers, batchSize, steps, pairs } = c;
      const { gpu } = device;
      const seed = 100 + layers;
      const learningRate = 1e-3;
      const data = randomBytes(seed, { train: 4 * batchSize + 7 }, inputs, classes);
      const resident = new ResidentDataset(gpu, data);
      const options = { rule, hidden, layers, batchSize, learningRate, lrDrops: [], seed };
      const trainer = new Trainer(gpu, resident, options);
      await trainer.ready();
      let before = widened(await readHeld(trainer));
      const free = new TwinRun(twin, trainer.shape, before, pairs);
      const next = twinBatches(data, batchSize, seed);

      for (let t = 0; t < steps; t++) {
        const { losses, correct } = await trainer.results(trainer.submit(1));
        const batch = next();
        const constants = constantsAt(t, learningRate, batchSize);
        const what = `${rule.name}, seed ${seed}, step ${t + 1}`;
        free.step(constants, batch);
        expectWithin([free.compare('loss.mean', losses)], `${what}, by itself from the start`);

        // At first the two are the same.
        const run = t === 0 ? free : new TwinRun(twin, trainer.shape, before, pairs);
        if (t > 0) run.step(constants, batch);
        // All that the step computes on: batch, activations, gradients, parameters, moments, statistics.
        const got = await readPlan(gpu, trainer.plan);
        const comparisons = [...got].map(([label, numbers]) => run.compare(label, numbers));
        expectWithin([run.compare('loss.mean', losses), ...comparisons], what);
        const missing = [...run.tensors.keys()].filter((label) => !got.has(label));
        expect(missing, 'tensors of the twin that the plan does not have').toEqual(['loss.mean']);

        const { least, most } = run.correct(`layer${layers}.logits`, batch.labels);
        expect(most - least, `${what}: samples too near a tie`).toBeLessThanOrEqual(batchSize / 20);
        expect(correct[0], what).toBeGreaterThanOrEqual(least);
        expect(correct[0], what).toBeLessThanOrEqual(most);
        // The device counts its own logits, with no tolerance at all.
        const logits = got.get(`layer${layers}.logits`)!;
        const right = batch.labels.filter((y, b) => argmax(logits, b * classes, classes) === y);
        expect(correct[0], what).toBe(right.length);

        if (t === 0 && rule === cdni) {
          for (let i = 1; i < layers; i++) {
            const prediction = got.get(`sg${i}.sg`)!;
            expect(
              prediction.every((x) => x === 0),
              `the first prediction of sg${i}`,
            ).toBe(true);
          }
        }
        before = widened(new Map([...got].filter(([label]) => STATE.test(label))));
      }
      trainer.destroy();
      resident.destroy();
    });
  });
}
