import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mnistDataset } from '../../src/data/mnist.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { rules } from '../../src/train/rules.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { ruleNamed } from '../support/twins.ts';

const device = useDevice();
let resident: ResidentDataset;

beforeAll(async () => {
  resident = new ResidentDataset(device.gpu, await mnistDataset());
});
afterAll(() => resident?.destroy());

/** The network of all rules here. DNI's predictors have its width too: the paper's 1024 would take minutes. */
const network = { hidden: 64, layers: 4, batchSize: 128, learningRate: 2e-3, lrDrops: [], seed: 1 };

/**
 * Per cent of the first 2,000 test images that each rule's float64 twin (src/reference/step-rules.ts) gets right after
 * as many steps from the same start on the same batches, with seeds 1, 2 and 3.
 */
const TWINS: Readonly<Record<string, { steps: number; twin: readonly [number, number, number] }>> = {
  bp: { steps: 150, twin: [92.05, 91.9, 91.8] },
  dni: { steps: 300, twin: [68.45, 70.3, 65.8] },
  cdni: { steps: 200, twin: [88.35, 87.75, 88.1] },
  bisong: { steps: 200, twin: [75.65, 71.15, 73.9] },
  unlocked: { steps: 200, twin: [74.75, 75.8, 71.1] },
  'no-bp': { steps: 150, twin: [48.05, 47.05, 47.25] },
  dgl: { steps: 150, twin: [86.6, 87.6, 88.6] },
  dfa: { steps: 150, twin: [86.35, 87.4, 86.55] },
  fa: { steps: 150, twin: [84.8, 83.0, 84.45] },
  'delayed-bp': { steps: 150, twin: [89.35, 90.4, 91.4] },
};

/**
 * How far below the twin of its own seed a device may end, in points: as far as the twin's seeds are apart, and at
 * least 3. Float32 takes another course from some step on, which is like beginning with another seed: of the runs above
 * lavapipe's ended at most 0.5 points from their twins, but for dni's (4.6) and bisong's (4.9), which differ most by
 * seed too.
 */
const margin = (twin: readonly number[]): number => Math.max(3, Math.max(...twin) - Math.min(...twin));

describe('every rule learns MNIST as its float64 twin does', () => {
  it('of every rule the twin has been run', () => {
    expect(Object.keys(TWINS).sort()).toEqual([...rules.keys()].sort());
  });

  // Predictors with hidden layers take 20 s a rule on SwiftShader: on a machine with two drivers the faster one has them.
  const isLong = (name: string) => ['dni', 'bisong', 'unlocked'].includes(name);
  const here = Object.entries(TWINS).filter(([name]) => !(process.env.LEAVE_LONG && isLong(name)));
  it.each(here)('%s', async (name, { steps, twin }) => {
    const trainer = new Trainer(device.gpu, resident, {
      ...network,
      synthetic: name === 'dni' ? { width: 64 } : {},
      rule: ruleNamed(name),
    });
    const evaluator = new Evaluator(device.gpu, trainer.net, resident.test, 2000);
    try {
      await trainer.ready();
      while (trainer.submitted < steps) await trainer.results(trainer.submit(Math.min(25, steps)));
      const { accuracy } = await evaluator.score();
      expect(100 * accuracy).toBeGreaterThanOrEqual(twin[0] - margin(twin));
    } finally {
      evaluator.destroy();
      trainer.destroy();
    }
  });
});
