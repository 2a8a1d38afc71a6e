import { describe, expect, it, test } from 'vitest';
import { configOf } from '../../src/cli/bench.ts';
import { type RunOptions, readConventions } from '../../src/cli/options.ts';
import { makeDataset } from '../../src/data/dataset.ts';
import { Random } from '../../src/data/random.ts';
import { CONVENTIONS, conventionsText, PYTORCH, TF1 } from '../../src/nn/conventions.ts';
import { initialBias, initialWeights } from '../../src/nn/init.ts';
import { adam, adamCorrection } from '../../src/reference/adam.ts';
import { ADAM, adamOf } from '../../src/train/optimizer.ts';
import { tinySet } from '../support/cli.ts';

describe('--conventions', () => {
  it.each([
    ['pytorch', PYTORCH],
    ['tf1', TF1],
    ['tf1,bnMode=batch', TF1],
    // A TensorFlow layer has a bias, which only a frozen batch norm leaves alone.
    ['tf1,bnMode=frozen', { ...TF1, bnMode: 'frozen', bnBias: true }],
    ['tf1,bnMode=frozen,bnBias=no', { ...TF1, bnMode: 'frozen' }],
    ['pytorch,init=glorot,bnEps=0.001', { ...PYTORCH, init: 'glorot', bnEps: 1e-3 }],
    ['pytorch, adamEps=hat, adamEpsSize=1e-7', { ...PYTORCH, adamEps: 'hat', adamEpsSize: 1e-7 }],
    ['tf1,sgLoss=sum,validation=last', { ...TF1, sgLoss: 'sum', validation: 'last' }],
  ])('%s', (text, expected) => {
    expect(readConventions(text)).toEqual(expected);
    // What is shown can be typed, and means the same.
    expect(readConventions(conventionsText(readConventions(text)))).toEqual(expected);
  });

  it.each([
    ['tf2', "--conventions: expected one of pytorch, tf1, found 'tf2'"],
    ['tf1,bnEps', /^--conventions: expected KEY=VALUE with KEY among init, bnEps, .*, found 'bnEps'$/],
    ['tf1,eps=1', /^--conventions: expected KEY=VALUE with KEY among init, bnEps, .*, found 'eps=1'$/],
    ['tf1,bnEps=0', "--conventions: expected a positive number that float32 can hold for bnEps, found '0'"],
    ['tf1,bnEps=', "--conventions: expected a positive number that float32 can hold for bnEps, found ''"],
    ['tf1,bnMomentum=2', "--conventions: expected a number from 0 to 1 for bnMomentum, found '2'"],
    ['tf1,bnBias=maybe', "--conventions: expected yes or no for bnBias, found 'maybe'"],
    ['tf1,sgLoss=max', "--conventions: expected sum or mean for sgLoss, found 'max'"],
    ['tf1,sgLoss=sum,sgLoss=mean', "--conventions: expected each key once, found 'sgLoss=mean'"],
  ])('refuses %s', (text, message) => {
    expect(() => readConventions(text)).toThrow(message);
  });

  test('stand in the configuration, and the note says that they were changed', () => {
    const options: RunOptions = { preset: 'quick', conventions: 'tf1' };
    const config = configOf(options, tinySet());
    expect(config.conventions).toEqual(TF1);
    expect(config.presetNote).toContain('changed by options: conventions');
    expect(configOf({ preset: 'quick' }, tinySet()).conventions).toEqual(PYTORCH);
  });

  test('show as what has the fewest differences', () => {
    expect(conventionsText({ ...TF1, bnEps: 1e-5 })).toBe('tf1,bnEps=0.00001');
    expect(Object.entries(CONVENTIONS).map(([, value]) => conventionsText(value))).toEqual([
      'pytorch',
      'tf1',
    ]);
  });
});

describe('weights begin', () => {
  const [fanIn, fanOut] = [300, 200];
  const count = fanIn * fanOut;
  const variance = (w: Float32Array) => w.reduce((sum, v) => sum + v * v, 0) / w.length;

  it.each([
    // Normal of variance 2 / inputs; uniform within a, whose variance is a^2 / 3.
    ['he', 2 / fanIn, Number.POSITIVE_INFINITY],
    ['glorot', 2 / (fanIn + fanOut), Math.sqrt(6 / (fanIn + fanOut))],
    ['pytorch', 1 / (3 * fanIn), 1 / Math.sqrt(fanIn)],
  ] as const)('%s, seed 5', (init, expected, most) => {
    const w = initialWeights(init, new Random(5), fanIn, fanOut);
    expect(w).toHaveLength(count);
    // A normal's square has a variance of 2, a uniform number's of 0.8 of its own squared: 5 deviations of the mean.
    expect(Math.abs(variance(w) / expected - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
    const largest = w.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
    expect(largest).toBeLessThanOrEqual(most);
    if (init !== 'he') expect(largest).toBeGreaterThan(0.999 * most);
    const bias = initialBias(init, new Random(5), fanIn, 64);
    expect(bias.some((v) => v !== 0)).toBe(init === 'pytorch');
    expect(bias.every((v) => Math.abs(v) <= 1 / Math.sqrt(fanIn))).toBe(true);
  });
});

test('the first rows are held out instead of the last', () => {
  const train = { values: Uint8Array.from({ length: 24 }, (_, i) => i), labels: new Uint8Array(24) };
  const test = { values: Uint8Array.of(1), labels: Uint8Array.of(1) };
  const made = (validationRows?: 'first' | 'last') =>
    makeDataset({ name: 'numbers', classes: 2, train, test, validationRows });
  expect([...made('first').validation.values]).toEqual([0, 1]);
  expect([...made('first').train.values]).toEqual(Array.from({ length: 22 }, (_, i) => i + 2));
  expect([...made().validation.values]).toEqual([22, 23]);
});

/**
 * A linear predictor of one number, w h, in two variables: the framework's own, which predicts the gradient of the batch's
 * mean loss and learns by the mean squared error over batch and features; and ours, in units of the samples' own
 * gradients, with the factors that SyntheticGradient gives its parameters. The sg that the layer below gets must agree.
 */
test('the mean loss of a predictor is a change of variables: 30 steps by Adam, seed 8', () => {
  const [B, F] = [7, 3];
  const random = new Random(8);
  const options = { ...adamOf(TF1), beta1: Math.fround(ADAM.beta1), beta2: Math.fround(ADAM.beta2) };
  const zero = (): Record<'w' | 'm' | 'v', Float64Array> => ({
    w: Float64Array.of(0),
    m: Float64Array.of(0),
    v: Float64Array.of(0),
  });
  let [theirs, ours] = [zero(), zero()];
  for (let t = 1; t <= 30; t++) {
    const h = Float64Array.from({ length: B }, () => random.normal());
    // Each sample's own gradient, about as large as epsilon makes a difference for.
    const target = Float64Array.from({ length: B }, () => 1e-5 * random.normal());
    const { stepSize, epsHat } = adamCorrection(1e-8, t, options);
    const step = (
      state: ReturnType<typeof zero>,
      gradient: number,
      scale: number,
      size: number,
    ): ReturnType<typeof zero> => {
      const sizes = { ...options, scale, stepSize: size, epsHat };
      const next = adam([gradient], state.w, state.m, state.v, sizes);
      return { w: next.p.value, m: next.m.value, v: next.v.value };
    };
    const dTheirs = h.reduce((sum, x, b) => sum + (2 * x * (theirs.w[0]! * x - target[b]! / B)) / (B * F), 0);
    const dOurs = h.reduce((sum, x, b) => sum + 2 * x * (ours.w[0]! * x - target[b]!), 0);
    theirs = step(theirs, dTheirs, 1, stepSize);
    ours = step(ours, dOurs, 1 / (B * F) / B, stepSize * B);
    expect(Math.abs(ours.w[0]! / (B * theirs.w[0]!) - 1), `step ${t}`).toBeLessThan(1e-11);
  }
});
