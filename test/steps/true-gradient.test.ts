import { describe, expect, test } from 'vitest';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import type { Plan } from '../../src/gpu/plan.ts';
import type { GradientModel, Prediction } from '../../src/nn/synthetic-gradient.ts';
import { type Tensor, writeTensor } from '../../src/tensor.ts';
import { backprop } from '../../src/train/backprop.ts';
import { cdni } from '../../src/train/cdni.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { planTensors, randomBytes, readFloats, readHeld, readPlan } from '../support/steps.ts';

const device = useDevice();

/** A model that answers with whatever the test has written into its tensor, and remembers what it is taught. */
class GivenGradient implements GradientModel {
  readonly parameters = [];
  readonly label: string;
  gradient: Tensor | undefined;
  target: Tensor | undefined;

  constructor(label: string) {
    this.label = label;
  }

  predict(plan: Plan, message: Tensor, context: Tensor): Prediction {
    const gradient = plan.tensor(`${this.label}.sg`, message.shape);
    this.gradient = gradient;
    return { message, context, gradient };
  }

  learn(_plan: Plan, _prediction: Prediction, target: Tensor): void {
    this.target = target;
  }

  destroy(): void {}
}

describe('cdni with the true gradient in place of the prediction', () => {
  test.each([2, 3, 4])('is backprop, bit for bit, with %i layers', async (layers) => {
    const { gpu } = device;
    const resident = new ResidentDataset(gpu, randomBytes(31, { train: 120 }, 37, 5));
    const given = Array.from({ length: layers - 1 }, (_, i) => new GivenGradient(`sg${i + 1}`));
    const common = { hidden: 19, layers, batchSize: 23, learningRate: 1e-3, lrDrops: [], seed: 9 };
    const bp = new Trainer(gpu, resident, { ...common, rule: backprop });
    const fed = new Trainer(gpu, resident, { ...common, rule: { ...cdni, createModels: () => given } });
    await Promise.all([bp.ready(), fed.ready()]);

    const start = await readHeld(bp);
    expect(await readHeld(fed)).toEqual(start);
    for (let t = 0; t < 5; t++) {
      await bp.results(bp.submit(1));
      const dH = (i: number) => planTensors(bp.plan).get(`layer${i + 1}.dX`)!;
      for (let i = 1; i < layers; i++)
        writeTensor(gpu, given[i - 1]!.gradient!, await readFloats(gpu, dH(i)));
      await fed.results(fed.submit(1));

      // All that both plans compute has the same labels: activations, gradients, moments and parameters.
      const expected = await readPlan(gpu, bp.plan);
      const got = await readPlan(gpu, fed.plan);
      for (const [label, data] of expected) expect(got.get(label), `${label}, step ${t + 1}`).toEqual(data);
      const extra = [...got.keys()].filter((label) => !expected.has(label));
      expect(extra.sort()).toEqual(given.map(({ label }) => `${label}.sg`));

      // Each model is taught the true gradient itself: that of the layer above, which was fed the true one.
      for (let i = 1; i < layers; i++) {
        const taught = await readFloats(gpu, given[i - 1]!.target!);
        expect(taught, `target of model ${i}, step ${t + 1}`).toEqual(await readFloats(gpu, dH(i)));
        expect(taught.some((x) => x !== 0)).toBe(true);
      }
    }
    const end = await readHeld(fed);
    expect(end).toEqual(await readHeld(bp));
    for (const [label, data] of end) expect(data, `${label} has been trained`).not.toEqual(start.get(label));

    bp.destroy();
    fed.destroy();
    resident.destroy();
  });

  test('and is not, with a gradient that is slightly off', async () => {
    const { gpu } = device;
    const resident = new ResidentDataset(gpu, randomBytes(31, { train: 120 }, 37, 5));
    const given = [new GivenGradient('sg1')];
    const common = { hidden: 19, layers: 2, batchSize: 23, learningRate: 1e-3, lrDrops: [], seed: 9 };
    const bp = new Trainer(gpu, resident, { ...common, rule: backprop });
    const fed = new Trainer(gpu, resident, { ...common, rule: { ...cdni, createModels: () => given } });
    await Promise.all([bp.ready(), fed.ready()]);
    await bp.results(bp.submit(1));
    const dH = await readFloats(gpu, planTensors(bp.plan).get('layer2.dX')!);
    writeTensor(
      gpu,
      given[0]!.gradient!,
      dH.map((x) => 1.001 * x),
    );
    await fed.results(fed.submit(1));
    const [got, expected] = [await readPlan(gpu, fed.plan), await readPlan(gpu, bp.plan)];
    expect(got.get('layer1.dW')).not.toEqual(expected.get('layer1.dW'));
    // The layer above has not heard of it.
    expect(got.get('layer2.W')).toEqual(expected.get('layer2.W'));
    bp.destroy();
    fed.destroy();
    resident.destroy();
  });
});
