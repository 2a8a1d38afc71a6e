import { describe, expect, it } from 'vitest';
import type { StepResult } from '../../bench/suites/step.ts';
import { stepMap } from '../../bench/suites/step-map.ts';
import { mapTable, verdictOf } from '../../bench/suites/step-table.ts';
import { gridOf, MAP, numbers, trainOptions, VARIANTS } from '../../bench/suites/step-variants.ts';
import { spread } from '../../bench/suites/suite.ts';
import type { AdapterInfo } from '../../src/gpu/adapters.ts';
import { rules } from '../../src/train/rules.ts';
import { texts, wellFormed } from '../report/report-xml.ts';

const device: AdapterInfo = {
  ...{ kind: 'gpu', name: 'A <GPU> & more', vendor: 'v', architecture: 'a', driver: 'driver 1.2' },
  ...{ backend: 'vulkan', origin: 'system' },
};

/** A result with these ratios, a row for each depth; null where there is none. */
function resultOf(layers: number[], batch: number[], ratios: (number[] | null)[][]): StepResult {
  const cells = layers.flatMap((depth, l) =>
    batch.map((size, b) => {
      const found = ratios[l]![b]!;
      return { layers: depth, batch: size, runs: [], waveToBp: found && spread(found), rivalToBp: null };
    }),
  );
  const config = { hidden: 256, learningRate: 3e-5, seed: 1, data: 'MNIST' };
  return { config, grid: { layers, batch }, map: MAP, cells, checks: [] } as unknown as StepResult;
}

const result = resultOf(
  [3, 8],
  [32, 64, 1024],
  [
    [
      [1.5, 1.5, 1.6],
      [0.9, 1, 1.1],
      [0.5, 0.51, 0.52],
    ],
    [[3, 3.1, 3.2], [1.2, 1.2, 1.2], null],
  ],
);

describe('the grid', () => {
  it('is the whole one on a GPU, and a small one on a CPU driver unless all is asked for', () => {
    const whole = gridOf({ isCpu: false, quick: false }, {});
    expect([whole.layers.at(0), whole.layers.at(-1)]).toEqual([3, 16]);
    expect([whole.batch.at(0), whole.batch.at(-1)]).toEqual([32, 1024]);
    const small = gridOf({ isCpu: true, quick: false }, {});
    expect(small.layers.length * small.batch.length).toBeLessThan(10);
    expect(gridOf({ isCpu: true, quick: false }, { full: true })).toEqual(whole);
    expect(gridOf({ isCpu: true, quick: false }, { batch: [7] })).toEqual({ ...small, batch: [7] });
    expect(gridOf({ isCpu: false, quick: true }, { layers: [5] }).layers).toEqual([5]);
  });

  it('is read from lists, and what is no list of numbers is refused', () => {
    const read = numbers('--layers', 2, 32);
    expect(read('8,3,8')).toEqual([3, 8]);
    for (const text of ['', '3,', 'x', '1', '33', '3.5']) {
      expect(() => read(text)).toThrow(
        `--layers: expected whole numbers from 2 to 32 with commas between, found '${text}'`,
      );
    }
  });
});

it('every variant is one that a trainer knows, and a method begins with its layered schedule', () => {
  expect(new Set(VARIANTS.map(({ name }) => name)).size).toBe(VARIANTS.length);
  for (const variant of VARIANTS) {
    expect(rules.has(variant.method)).toBe(true);
    expect(variant.tuned === undefined).toBe(variant.schedule === 'layered');
    const { schedule, waveStages, updateProbability } = trainOptions(variant, {
      layers: 4,
      batch: 8,
      hidden: 9,
    });
    expect({ schedule, waveStages }).toEqual({ schedule: variant.schedule, waveStages: variant.waveStages });
    // Every layer is updated in every step.
    expect(updateProbability).toBeUndefined();
  }
  for (const name of Object.values(MAP)) expect(VARIANTS.map((variant) => variant.name)).toContain(name);
});

it('a ratio pays or costs where all but the outermost repeats say so', () => {
  expect(verdictOf(spread([1.01, 1.02]))).toBe('pays');
  expect(verdictOf(spread([0.98, 0.99]))).toBe('costs');
  expect(verdictOf(spread([0.9, 1.1]))).toBe('even');
});

it('the map as text marks where unlocking pays', () => {
  const lines = mapTable(result).split('\n');
  expect(lines[0]).toBe(
    'where unlocking pays: steps/s of cdni wave over bp fused, every layer updated in every step',
  );
  const rows = lines.filter((line) => /^│ +\d/.test(line)).map((line) => line.replace(/\s+/g, ' '));
  expect(lines.join()).not.toContain('delayed-bp');
  const rival = result.cells.map((cell) => ({ ...cell, rivalToBp: spread([2, 2.1]) }));
  expect(mapTable({ ...result, cells: rival })).toMatch(
    /and of delayed-bp wave, [\s\S]*│ +3 │ 2.05 \+ │ 2.05 \+ │/,
  );
  expect(rows).toEqual(['│ 3 │ 1.50 + │ 1.00 = │ 0.51 - │', '│ 8 │ 3.10 + │ 1.20 + │ - │']);
});

describe('the map as a picture', () => {
  const { file, inline } = stepMap(result, device);

  it('is well-formed, and says what it shows', () => {
    wellFormed(file);
    expect(inline).toContain('aria-labelledby="step-map-title step-map-desc"');
    expect(inline).toContain('3 of 5 cells pay, 1 cost, 1 neither');
  });

  it('has each ratio with its range, the axes, the scale and the device', () => {
    const found = texts(inline);
    for (const text of ['1.50×', '1.00×', '0.51×', '3.10×', '1.20×', '0.50 to 0.52', 'batch (samples)']) {
      expect(found).toContain(text);
    }
    for (const text of ['3', '8', '32', '64', '1024', '1/4×', '1×', '4×', 'layers with weights']) {
      expect(found).toContain(text);
    }
    expect(found).toContain('A <GPU> & more, driver 1.2');
    expect(found.join()).not.toContain('CPU driver');
  });

  it('says that a CPU driver says nothing about GPUs', () => {
    const drawn = stepMap(result, { ...device, kind: 'cpu' });
    expect(texts(drawn.inline)).toContain('A CPU driver: this says nothing about GPUs.');
  });

  it('has the colours of both sides, and in its file none that a style sheet would have to know', () => {
    const fills = [...file.matchAll(/<rect [^>]*fill="(rgb\([^"]+\))"/g)].map((match) => match[1]!);
    expect(new Set(fills).size).toBeGreaterThan(5);
    expect(file).not.toMatch(/currentColor|var\(/);
  });
});
