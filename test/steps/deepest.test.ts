import { expect, test } from 'vitest';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { MOST_LAYERS } from '../../src/train/events.ts';
import { rules } from '../../src/train/rules.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { randomBytes } from '../support/steps.ts';

const device = useDevice();

test.each([...rules.values()].map((rule) => [rule.name, rule] as const))(
  '%s runs with the most layers there may be',
  async (name, rule) => {
    const { gpu } = device;
    const resident = new ResidentDataset(gpu, randomBytes(1, { train: 20 }, 3, 3));
    const sizes = { hidden: 3, layers: MOST_LAYERS, batchSize: 5 };
    const options = { ...sizes, learningRate: 1e-3, lrDrops: [], seed: 1 };
    // DNI's own predictors are 1024 wide, which would only take time.
    const synthetic = name === 'dni' ? { width: 2 } : {};
    const trainer = new Trainer(gpu, resident, { ...options, synthetic, rule });
    await trainer.ready();
    const { losses } = await trainer.results(trainer.submit(1));
    expect(Number.isFinite(losses[0])).toBe(true);
    expect(losses[0]).toBeGreaterThan(0);

    // Each layer that learns and each model has an event of its own.
    const { events } = trainer.driver;
    expect(new Set(events).size).toBe(events.length);
    const learning = name === 'no-bp' ? 1 : MOST_LAYERS;
    const teachable = trainer.models.filter(({ parameters }) => parameters.length > 0);
    expect(events.length).toBe(learning + teachable.length);
    // One model for each hidden layer fits into 64 bits; a complete unlock has two.
    expect(Math.max(...events)).toBeLessThan(name === 'unlocked' ? 96 : 64);
    trainer.destroy();
    resident.destroy();
  },
);
