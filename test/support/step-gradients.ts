import { expect } from 'vitest';
import type { NetworkSizes, StepConstants, Tensors, TwinBatch } from '../../src/reference/network.ts';
import { LINEAR, type PredictorSizes } from '../../src/reference/step-models.ts';
import type { StepTwin } from '../../src/reference/step-rules.ts';
import { labels, Random } from './kernel.ts';

/** Samples of a step. */
export const B = 6;
export const constants: StepConstants = {
  eps: 1e-5,
  momentum: 0.1,
  scale: 1 / B,
  beta1: 0.9,
  beta2: 0.999,
  stepSize: 1e-3,
  epsHat: 1e-9,
};

/**
 * Random parameters of the network and of every model that a rule may train beside it: from zero, as some begin in
 * training, most gradients would be zero. Predictors have their hidden layers as `predictor` says.
 */
function randomNetwork(random: Random, sizes: NetworkSizes, predictor: PredictorSizes): Tensors {
  const { inputs, hidden, layers, classes } = sizes;
  const normal = (n: number, mean = 0) => Float64Array.from({ length: n }, () => mean + random.normal() / 2);
  const tensors: Tensors = new Map();
  const block = (name: string, fanIn: number, fanOut: number) => {
    tensors.set(`${name}.W`, normal(fanIn * fanOut));
    tensors.set(`${name}.gamma`, normal(fanOut, 1));
    tensors.set(`${name}.beta`, normal(fanOut));
    tensors.set(`${name}.runningMean`, normal(fanOut));
    tensors.set(`${name}.runningVar`, normal(fanOut).map(Math.abs));
  };
  const { width } = predictor;
  for (let i = 1; i < layers; i++) {
    block(`layer${i}`, i === 1 ? inputs : hidden, hidden);
    tensors.set(`sg${i}.V`, normal((predictor.hidden > 0 ? width : hidden) * hidden));
    tensors.set(`sg${i}.U`, normal(classes * hidden));
    tensors.set(`sg${i}.c`, normal(hidden));
    for (let k = 1; k <= predictor.hidden; k++) {
      block(`sg${i}.hidden${k}`, k === 1 ? hidden : width, width);
      if (k === 1) tensors.set(`sg${i}.hidden1.U`, normal(classes * width));
    }
    tensors.set(`head${i}.W`, normal(hidden * classes));
    tensors.set(`head${i}.bias`, normal(classes));
    tensors.set(`input${i}.W`, normal(inputs * hidden));
    tensors.set(`input${i}.bias`, normal(hidden));
    tensors.set(`feedback${i}`, normal(classes * hidden));
  }
  tensors.set(`layer${layers}.W`, normal(hidden * classes));
  tensors.set(`layer${layers}.bias`, normal(classes));
  return tensors;
}

/** A step that can be run again with one parameter moved. */
export function setUp(twin: StepTwin, sizes: NetworkSizes, predictor = LINEAR) {
  const random = new Random(1000 * sizes.layers + sizes.hidden);
  const before = randomNetwork(random, sizes, predictor);
  const n = B * sizes.inputs;
  const x = { value: Float64Array.from({ length: n }, () => random.normal()), bound: new Float64Array(n) };
  const batch: TwinBatch = { x, labels: [...labels(random, B, sizes.classes)] };
  const after = twin(before, sizes, constants, batch);
  const moved = (label: string, index: number, by: number): Tensors => {
    const parameter = before.get(label)!.slice();
    parameter[index]! += by;
    return twin(new Map(before).set(label, parameter), sizes, constants, batch);
  };
  return { before, after, moved, batch };
}

export const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
export const squaredDistance = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0);
export const total = (a: Float64Array): number => a.reduce((sum, x) => sum + x, 0);

/** Each ReLU's state, as one string: a difference across a kink is no derivative. */
const masks = (tensors: Tensors): string =>
  [...tensors]
    .filter(([label]) => label.endsWith('.h'))
    .map(([label, h]) => label + h.map((x) => (x > 0 ? 1 : 0)).join(''))
    .join();

/**
 * Compares `gradient` with the central differences of `objective` by every element of the parameter.
 *
 * (f(p + h) - f(p - h)) / 2h is off by h^2 f'''/6, which a difference over 2h is 4 times as much off by, so that the
 * two differ by 3 times the error; and by the rounding of f, whose sums of some hundred terms in float64 err by at
 * most 200 * 2^-53 of the sum of the terms' sizes.
 */
export function expectGradient(
  { before, after, moved }: ReturnType<typeof setUp>,
  label: string,
  gradient: Float64Array,
  objective: (tensors: Tensors) => { value: number; size: number },
): void {
  const h = 1e-6;
  const state = masks(after);
  const { size } = objective(after);
  const rounding = (200 * 2 ** -53 * size) / h;
  expect(gradient.length).toBe(before.get(label)!.length);
  // Something to find, and no tolerance that could hide it.
  expect(Math.max(...gradient.map(Math.abs)), `${label}: the gradient is nearly zero`).toBeGreaterThan(1e-3);
  gradient.forEach((expected, i) => {
    const difference = (step: number): number => {
      const [up, down] = [moved(label, i, step), moved(label, i, -step)];
      expect(masks(up) + masks(down), 'a ReLU flips: take another seed').toBe(state + state);
      return (objective(up).value - objective(down).value) / (2 * step);
    };
    const near = difference(h);
    const tolerance = Math.abs(difference(2 * h) - near) + rounding;
    expect(tolerance, `${label}[${i}]`).toBeLessThan(1e-7 * (1 + size));
    expect(
      Math.abs(near - expected),
      `${label}[${i}]: ${expected}, by differences ${near}`,
    ).toBeLessThanOrEqual(tolerance);
  });
}

export const sized = (value: number, size = Math.abs(value)) => ({ value, size });
export const absolute = (a: Float64Array, b: Float64Array): number => dot(a.map(Math.abs), b.map(Math.abs));
export const gradientOf: Record<string, string> = {
  W: 'dW',
  gamma: 'dGamma',
  beta: 'dBeta',
  bias: 'dBias',
  V: 'dV',
  U: 'dU',
  c: 'dC',
};
