import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { recordChecked } from '../../bench/checks.ts';
import { optionsOf } from '../../bench/paper.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { openDevice } from '../../src/gpu/open.ts';
import { rules } from '../../src/train/rules.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { tinyConfig, tinySet } from '../support/cli.ts';

// A table with one line, for the sizes that large steps are checked at.
vi.mock('../../src/kernels/tiles-table.ts', () => ({
  tilesTable: {
    devices: [
      {
        ...{ name: 'SwiftShader Device (Subzero)', vendor: '', architecture: '' },
        entries: [
          { schedule: 'bp fused', layers: 4, batch: 256, hidden: 256, tiles: { layers: { PILES: 2 } } },
        ],
      },
    ],
  },
}));

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openDevice({ adapter: 'carried', fast: true });
});
afterAll(() => gpu.destroy());

it.each([
  [512, 2],
  [1024, 8],
])('a step of %i units is checked smaller, with its own constants', (hidden, piles) => {
  const data = new ResidentDataset(gpu, tinySet());
  const options = optionsOf(rules.get('bp')!, tinyConfig({ hidden, batch: 256, schedule: 'fused' }));
  const run = new Trainer(gpu, data, options);
  const checked = recordChecked(gpu, data, options).trainer;
  try {
    expect([run.schedule, checked.schedule]).toEqual(['fused', 'fused']);
    expect(checked.options.hidden).toBe(256);
    const constants = ({ plan }: Trainer) => plan.dispatches.map(({ kernel }) => kernel.constants);
    expect(constants(checked)).toEqual(constants(run));
    expect(constants(checked)[0]!.PILES).toBe(piles);
  } finally {
    for (const each of [run, checked, data]) each.destroy();
  }
});
