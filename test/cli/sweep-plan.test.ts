import { describe, expect, it } from 'vitest';
import { experiments } from '../../bench/experiments.ts';
import { presets } from '../../bench/presets.ts';
import {
  experimentName,
  planSweep,
  type SweepRequest,
  scale,
  seeds,
  setting,
} from '../../src/cli/sweep-plan.ts';
import { InputError } from '../../src/errors.ts';
import { tinySet } from '../support/cli.ts';

const data = tinySet();
const plan = (request: SweepRequest) => planSweep(request, data);

/** Fails unless this is refused with an InputError of one line that matches. */
function expectRefused(action: () => unknown, message: RegExp) {
  let error: unknown;
  try {
    action();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(InputError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain('\n');
}

describe('readers', () => {
  it('reads a count or a list of seeds', () => {
    expect(seeds('5')).toEqual([1, 2, 3, 4, 5]);
    expect(seeds('1,7,9')).toEqual([1, 7, 9]);
  });

  it('reads values of an option as the option does, dashes in front or not', () => {
    const axes = setting('layers=3,4', setting('--lr=1e-3, 3e-5'));
    expect(axes).toEqual([
      { name: 'lr', values: [1e-3, 3e-5] },
      { name: 'layers', values: [3, 4] },
    ]);
    expect(setting('sg-labels=on,off')).toEqual([{ name: 'sg-labels', values: [true, false] }]);
    expect(setting('optimizer=sgd')).toEqual([{ name: 'optimizer', values: ['sgd'] }]);
  });

  it.each([
    ['layers', /^--set: expected option=value,value, found 'layers'$/],
    ['', /^--set: expected option=value,value, found ''$/],
    ['=3', /^--set: expected one of .*layers.*, found ''$/],
    ['bogus=3', /^--set: expected one of .*layers.*, found 'bogus'$/],
    ['seed=3', /^--set: expected one of .*, found 'seed'$/],
    ['methods=bp', /^--set: expected one of .*, found 'methods'$/],
    ['lr-drops=1', /^--set: expected one of .*, found 'lr-drops'$/],
    ['quiet=1', /^--set: expected one of .*, found 'quiet'$/],
    ['layers=', /^--set layers: expected values with commas between, found none$/],
    ['layers=3,,4', /^--set layers: expected values with commas between, found none$/],
    ['layers=3,x', /^--set layers: expected a whole number from 2 to 32, found 'x'$/],
    ['layers=3,4,3', /^--set layers: expected each value once, found 3 twice$/],
    ['lr=1e-3,0.001', /^--set lr: expected each value once, found 0.001 twice$/],
    ['update-probability=0', /^--set update-probability: expected a number above 0 and up to 1, found '0'$/],
    ['optimizer=magic', /^--set optimizer: expected one of adam, sgd, momentum, found 'magic'$/],
  ])('refuses --set %j', (text, message) => {
    expectRefused(() => setting(text), message);
  });

  it('refuses an option that is set twice', () => {
    expectRefused(() => setting('lr=1', setting('lr=2')), /^--set lr: expected once, found twice$/);
  });

  it.each([
    ['0', /^--seeds: expected a whole number from 1 to 1000, found '0'$/],
    ['', /^--seeds: expected a whole number from 1 to 1000, found ''$/],
    ['many', /^--seeds: expected a whole number from 1 to 1000, found 'many'$/],
    ['1,', /^--seeds: expected a whole number from 0 to 4294967295, found ''$/],
    ['1,-2', /^--seeds: expected a whole number from 0 to 4294967295, found '-2'$/],
    ['1,7,1', /^--seeds: expected each seed once, found 1 twice$/],
  ])('refuses --seeds %j', (text, message) => {
    expectRefused(() => seeds(text), message);
  });

  it.each(['0', '-1', '1.01', 'half', '', 'NaN'])('refuses --scale %j', (text) => {
    expectRefused(() => scale(text), new RegExp(`^--scale: expected a number above 0 .*, found '${text}'$`));
  });

  it('refuses an experiment that there is not', () => {
    expectRefused(
      () => experimentName('toString'),
      /^--experiment: expected one of bisong-50k, .*confound, found 'toString'$/,
    );
  });
});

describe('clashes', () => {
  it.each([
    [
      { set: setting('layers=3,4'), layers: 4 },
      /^--layers: expected once, found it fixed and varied by --set$/,
    ],
    [
      { experiment: 'jaderberg-depth', layers: 4 },
      /^--layers: expected once, found it fixed and varied by --experiment jaderberg-depth$/,
    ],
    [
      { experiment: 'confound', preset: 'quick' },
      /^--preset quick: expected none beside --experiment, which has its own$/,
    ],
    [{ scale: 0.5, steps: 10 }, /^--scale: expected without --steps, which it would change, found both$/],
    [{ scale: 0.5, lrDrops: [3] }, /^--scale: expected without --lr-drops, .* found both$/],
    [{ scale: 0.5, set: setting('eval-every=1') }, /^--scale: expected without --eval-every, .* found both$/],
    [
      { methods: ['bp'], set: setting('sg-hidden=0,1') },
      /^--sg-hidden 0: expected a method with .*, found bp$/,
    ],
    [{ methods: ['no-bp'], lambda: 0.5 }, /^--lambda 0.5: expected a method .*, found no-bp$/],
    [
      { seeds: seeds('1000'), set: [{ name: 'lr', values: Array.from({ length: 101 }, (_, i) => i + 1) }] },
      /^--set: expected a grid of at most 100000 cells, found 202000$/,
    ],
  ] satisfies [SweepRequest, RegExp][])('%j', (request, message) => {
    expectRefused(() => plan(request), message);
  });
});

describe('plans', () => {
  it('gives each cell its configuration, and says what differs from the preset', () => {
    const request = { preset: 'smoke', hidden: 8, set: setting('layers=2,3'), seeds: [1, 7] };
    const { cells, options, note } = plan({ ...request, data: 'somewhere', adapter: 'gpu', quiet: true });
    expect(options).toEqual({
      experiment: null,
      preset: 'smoke',
      methods: ['bp', 'cdni'],
      seeds: [1, 7],
      scale: 1,
      set: { layers: [2, 3] },
      // Not where the data lie, nor on what they are computed.
      fixed: { hidden: 8 },
    });
    expect(note).toBe(`${presets.smoke!.presetNote}; changed by options: hidden; varied: layers`);
    expect(cells).toHaveLength(8);
    expect(cells[7]).toMatchObject({
      id: 'cdni-layers=3-seed=7',
      config: {
        preset: 'smoke',
        presetNote: note,
        methods: ['cdni'],
        seed: 7,
        layers: 3,
        hidden: 8,
        steps: 30,
      },
    });
  });

  it('scales a preset, and says so', () => {
    const { cells, options, note } = plan({ preset: 'bisong-50k', scale: 0.01 });
    expect(options.scale).toBe(0.01);
    expect(note).toMatch(/; scaled by 0.01: steps, learning-rate drops and steps between evaluations only$/);
    for (const { config } of cells) {
      expect(config).toMatchObject({ presetNote: note, steps: 500, lrDrops: [3_000, 4_000], evalEvery: 10 });
      expect(config).toMatchObject({ batch: 256, hidden: 256, layers: 4, lr: 3e-5 });
    }
  });

  it('says which options are for some of the methods alone', () => {
    const { note } = plan({ preset: 'smoke', set: setting('lambda=0,0.5') });
    expect(note).toMatch(/; varied: lambda; --lambda for cdni alone$/);
  });
});

/** Steps of each experiment, the methods, and what varies. */
const EXPECTED = {
  'bisong-50k': [50_000, ['bp', 'cdni', 'bisong'], {}],
  'bisong-100k': [100_000, ['bp', 'cdni', 'bisong'], {}],
  'paper-500k': [500_000, ['bp', 'cdni', 'bisong'], {}],
  'jaderberg-depth': [500_000, ['no-bp', 'bp', 'dni', 'cdni'], { layers: [3, 4, 5, 6] }],
  'jaderberg-async': [500_000, ['cdni', 'bp'], { 'update-probability': [1, 0.5, 0.2, 0.1, 0.05] }],
  'jaderberg-unlock': [500_000, ['bp', 'cdni', 'unlocked'], {}],
  confound: [100_000, ['bp', 'cdni', 'bisong'], { 'update-probability': [1, 0.2] }],
} as const;

describe('experiments', () => {
  it('are those of the papers', () => {
    expect(Object.keys(experiments)).toEqual(Object.keys(EXPECTED));
  });

  it.each(Object.entries(EXPECTED))('%s keeps the protocol', (name, [steps, methods, set]) => {
    const { options, cells, note } = plan({ experiment: name });
    expect(options).toMatchObject({ experiment: name, methods, set, seeds: [1, 2, 3], scale: 1, fixed: {} });
    expect(note).toContain(experiments[name]!.about);
    const values = Object.values<readonly number[]>(set).reduce((product, list) => product * list.length, 1);
    expect(cells).toHaveLength(3 * methods.length * values);
    for (const { config } of cells) {
      expect(config).toMatchObject({
        preset: name,
        presetNote: note,
        steps,
        batch: 256,
        hidden: 256,
        lr: 3e-5,
      });
      expect(config).toMatchObject({ lrDrops: [300_000, 400_000], optimizer: 'adam', lambda: 0 });
      if (!('layers' in set)) expect(config.layers).toBe(4);
    }
  });

  it('can be changed in parts, and their axes replaced', () => {
    const request = { experiment: 'jaderberg-depth', methods: ['bp'], seeds: [4], scale: 0.001 };
    const { cells } = plan({ ...request, set: setting('layers=2') });
    expect(cells.map(({ id, config }) => [id, config.layers, config.steps])).toEqual([
      ['bp-layers=2-seed=4', 2, 500],
    ]);
  });
});
