import { expect, it } from 'vitest';
import { AXES, presets } from '../../bench/presets.ts';
import { configOf } from '../../src/cli/bench.ts';
import { tinySet } from '../support/cli.ts';

/** Bisong 2017, section 3, which follows the supplement of Jaderberg et al. 2016. */
const PAPER = {
  batch: 256,
  hidden: 256,
  layers: 4,
  methods: ['bp', 'cdni'],
  lrDrops: [300_000, 400_000],
  trainSamples: 55_000,
};

it('the presets are the five of the protocol, shortest first', () => {
  expect(Object.keys(presets)).toEqual(['smoke', 'quick', 'bisong-50k', 'bisong-100k', 'paper-500k']);
  const steps = Object.values(presets).map((preset) => preset.steps);
  expect(steps).toEqual([30, 300, 50_000, 100_000, 500_000]);
});

it.each(['bisong-50k', 'bisong-100k', 'paper-500k'])("%s is the paper's protocol", (name) => {
  // And the paper's own predictors beside it, as the experiments of the same names.
  expect(presets[name]).toMatchObject({ ...PAPER, methods: ['bp', 'cdni', 'bisong'], lr: 3e-5 });
});

it.each(['smoke', 'quick'])('%s differs in steps and learning rate, and says so', (name) => {
  const { trainSamples: _, ...network } = PAPER;
  expect(presets[name]).toMatchObject({ ...network, lr: 1e-3 });
  expect(presets[name]!.presetNote).toMatch(/learning rate 1e-3 instead of/);
});

it.each(Object.entries(presets))('%s evaluates at its last step and several times before', (_, preset) => {
  expect(preset.steps % preset.evalEvery).toBe(0);
  expect(preset.steps / preset.evalEvery).toBeGreaterThanOrEqual(2);
});

it('a preset without options stays as it is', () => {
  const { methods, presetNote, steps, lr, evalEvery } = presets['bisong-50k']!;
  expect(configOf({ preset: 'bisong-50k' }, tinySet())).toEqual({
    ...PAPER,
    ...AXES,
    // The fastest that each method has; programs and sweeps are layered unless they say otherwise.
    schedule: 'best',
    preset: 'bisong-50k',
    ...{ methods, presetNote, steps, lr, evalEvery, seed: 1 },
    // No more than there are.
    trainSamples: 286,
    data: { name: 'tiny', train: 286, validation: 26, test: 60 },
  });
});

it('options replace parts of a preset, and the note names those that differ from it', () => {
  const options = { preset: 'quick', steps: 10, batch: 256, lrDrops: [5], methods: ['bp'], json: true };
  const config = configOf(options, tinySet());
  expect(config).toMatchObject({
    steps: 10,
    batch: 256,
    lrDrops: [5],
    methods: ['bp'],
    hidden: 256,
    seed: 1,
  });
  expect(config.presetNote).toBe(`${presets.quick!.presetNote}; changed by options: methods, lrDrops, steps`);
});

it('evaluations come no later than the end, unless they are asked for', () => {
  expect(configOf({ preset: 'quick', steps: 10 }, tinySet()).evalEvery).toBe(10);
  expect(configOf({ preset: 'quick', steps: 10, evalEvery: 20 }, tinySet()).evalEvery).toBe(20);
  expect(configOf({ preset: 'quick', steps: 100 }, tinySet()).evalEvery).toBe(75);
});
