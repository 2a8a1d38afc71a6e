import { describe, expect, test } from 'vitest';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { run } from '../../src/train/run.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { randomBytes } from '../support/steps.ts';
import { ruleNamed } from '../support/twins.ts';

const device = useDevice();

/**
 * How a run of 30 steps, with an evaluation each 15, is cut into uploads, what it dispatches for a step, and how many uploads
 * are under way at most.
 */
async function cut(rule: string, schedule: 'fused' | 'wave', layers: number) {
  const data = new ResidentDataset(device.gpu, randomBytes(8, { train: 70 }, 9, 3));
  const sizes = { hidden: 8, layers, batchSize: 5, seed: 1 };
  const options = { ...sizes, schedule, learningRate: 1e-3, lrDrops: [], rule: ruleNamed(rule) };
  const trainer = new Trainer(device.gpu, data, options);
  const counts: number[] = [];
  let [turns, now, most] = [0, 0, 0];
  const submit = trainer.submit.bind(trainer);
  trainer.submit = (count) => {
    counts.push(count);
    turns += trainer.driver.turns(count);
    most = Math.max(most, ++now);
    return submit(count);
  };
  const results = trainer.results.bind(trainer);
  trainer.results = async (chunk) => {
    const found = await results(chunk);
    now--;
    return found;
  };
  try {
    const { status } = await run(trainer, data, { steps: 30, evalEvery: 15 });
    expect(status).toBe('finished');
    return { counts, dispatches: (turns * trainer.plan.dispatches.length) / 30, most };
  } finally {
    trainer.destroy();
    data.destroy();
  }
}

describe('the uploads of a run', () => {
  test('of a schedule that neither fills nor drains begin with one step', async () => {
    const { counts, dispatches, most } = await cut('bp', 'fused', 4);
    // One at work, and one behind it.
    expect(most).toBe(2);
    expect(counts[0]).toBe(1);
    expect(counts.reduce((a, b) => a + b, 0)).toBe(30);
    expect(dispatches).toBe(7);
  });

  test.each(['cdni', 'delayed-bp'])(
    'of the wave of %s are long, so that a step has less than four dispatches',
    async (rule) => {
      const { counts, dispatches } = await cut(rule, 'wave', 4);
      expect(counts).toEqual([15, 15]);
      expect(dispatches).toBeCloseTo((3 * (15 + 3)) / 15);
    },
  );

  test('of a deep wave are as long as is known to be quick', async () => {
    // Of 8 layers 28 steps would be long enough, but before anything is known 16 are the most.
    const { counts } = await cut('cdni', 'wave', 8);
    expect(counts[0]).toBe(15);
    expect(counts.reduce((a, b) => a + b, 0)).toBe(30);
  });
});
