import { describe, expect, test } from 'vitest';
import type { NetworkSizes, StepConstants, Tensors, TwinBatch } from '../../src/reference/network.ts';
import { bpStep, cdniStep, type StepTwin } from '../../src/reference/step-rules.ts';
import { labels, Random } from '../support/kernel.ts';

// The step twins' gradients against central differences of what they are the gradients of, in float64.

const B = 6;
const constants: StepConstants = {
  eps: 1e-5,
  momentum: 0.1,
  scale: 1 / B,
  beta1: 0.9,
  beta2: 0.999,
  stepSize: 1e-3,
  epsHat: 1e-9,
};

const cases = [2, 3, 4].flatMap((layers) =>
  [4, 7].map((hidden): NetworkSizes => ({ inputs: 5, hidden, layers, classes: 3 })),
);

/** Random parameters, the predictors' too: from zero, as they begin in training, most gradients would be zero. */
function randomNetwork(random: Random, { inputs, hidden, layers, classes }: NetworkSizes): Tensors {
  const normal = (n: number, mean = 0) => Float64Array.from({ length: n }, () => mean + random.normal() / 2);
  const tensors: Tensors = new Map();
  for (let i = 1; i < layers; i++) {
    tensors.set(`layer${i}.W`, normal((i === 1 ? inputs : hidden) * hidden));
    tensors.set(`layer${i}.gamma`, normal(hidden, 1));
    tensors.set(`layer${i}.beta`, normal(hidden));
    tensors.set(`layer${i}.runningMean`, normal(hidden));
    tensors.set(`layer${i}.runningVar`, normal(hidden).map(Math.abs));
    tensors.set(`sg${i}.V`, normal(hidden * hidden));
    tensors.set(`sg${i}.U`, normal(classes * hidden));
    tensors.set(`sg${i}.c`, normal(hidden));
  }
  tensors.set(`layer${layers}.W`, normal(hidden * classes));
  tensors.set(`layer${layers}.bias`, normal(classes));
  return tensors;
}

/** A step that can be run again with one parameter moved. */
function setUp(twin: StepTwin, sizes: NetworkSizes) {
  const random = new Random(1000 * sizes.layers + sizes.hidden);
  const before = randomNetwork(random, sizes);
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

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const squaredDistance = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0);
const total = (a: Float64Array): number => a.reduce((sum, x) => sum + x, 0);

/** Each ReLU's state, as one string: a difference across a kink is no derivative. */
const masks = (tensors: Tensors, layers: number): string =>
  Array.from({ length: layers - 1 }, (_, i) =>
    tensors
      .get(`layer${i + 1}.h`)!
      .map((h) => (h > 0 ? 1 : 0))
      .join(''),
  ).join();

/**
 * Compares `gradient` with the central differences of `objective` by every element of the parameter.
 *
 * (f(p + h) - f(p - h)) / 2h is off by h^2 f'''/6, which a difference over 2h is 4 times as much off by, so that the
 * two differ by 3 times the error; and by the rounding of f, whose sums of some hundred terms in float64 err by at
 * most 200 * 2^-53 of the sum of the terms' sizes.
 */
function expectGradient(
  { before, after, moved }: ReturnType<typeof setUp>,
  sizes: NetworkSizes,
  label: string,
  gradient: Float64Array,
  objective: (tensors: Tensors) => { value: number; size: number },
): void {
  const h = 1e-6;
  const state = masks(after, sizes.layers);
  const { size } = objective(after);
  const rounding = (200 * 2 ** -53 * size) / h;
  expect(gradient.length).toBe(before.get(label)!.length);
  // Something to find, and no tolerance that could hide it.
  expect(Math.max(...gradient.map(Math.abs)), `${label}: the gradient is nearly zero`).toBeGreaterThan(1e-3);
  gradient.forEach((expected, i) => {
    const difference = (step: number): number => {
      const [up, down] = [moved(label, i, step), moved(label, i, -step)];
      expect(masks(up, sizes.layers) + masks(down, sizes.layers), 'a ReLU flips: take another seed').toBe(
        state + state,
      );
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

const sized = (value: number, size = Math.abs(value)) => ({ value, size });
const absolute = (a: Float64Array, b: Float64Array): number => dot(a.map(Math.abs), b.map(Math.abs));
const gradientOf: Record<string, string> = {
  W: 'dW',
  gamma: 'dGamma',
  beta: 'dBeta',
  bias: 'dBias',
  V: 'dV',
  U: 'dU',
  c: 'dC',
};
const ofLayer = (i: number, layers: number) => (i === layers ? ['W', 'bias'] : ['W', 'gamma', 'beta']);

describe.each(cases)('$layers layers, hidden $hidden', (sizes) => {
  const { layers, hidden } = sizes;

  test('bp: every parameter by the loss', () => {
    const step = setUp(bpStep, sizes);
    for (let i = 1; i <= layers; i++) {
      for (const p of ofLayer(i, layers)) {
        // Gradients are sums over the batch; the loss is the mean.
        const gradient = step.after.get(`layer${i}.${gradientOf[p]}`)!;
        expectGradient(step, sizes, `layer${i}.${p}`, gradient, (t) => sized(B * t.get('loss.mean')![0]!));
      }
    }
  });

  test('cdni: every hidden layer by <h, SG>, with the prediction held fixed', () => {
    const step = setUp(cdniStep, sizes);
    for (let i = 1; i < layers; i++) {
      const prediction = step.after.get(`sg${i}.sg`)!;
      const objective = (t: Tensors) => {
        const h = t.get(`layer${i}.h`)!;
        return sized(dot(h, prediction), absolute(h, prediction));
      };
      for (const p of ofLayer(i, layers)) {
        expectGradient(
          step,
          sizes,
          `layer${i}.${p}`,
          step.after.get(`layer${i}.${gradientOf[p]}`)!,
          objective,
        );
      }
    }
  });

  test('cdni: the output layer by the loss', () => {
    const step = setUp(cdniStep, sizes);
    for (const p of ofLayer(layers, layers)) {
      const gradient = step.after.get(`layer${layers}.${gradientOf[p]}`)!;
      expectGradient(step, sizes, `layer${layers}.${p}`, gradient, (t) => sized(B * t.get('loss.mean')![0]!));
    }
  });

  test('cdni: every predictor by ||SG - target||^2, with the target held fixed', () => {
    const step = setUp(cdniStep, sizes);
    for (let i = 1; i < layers; i++) {
      const target = step.after.get(`layer${i + 1}.dX`)!;
      for (const p of ['V', 'U', 'c']) {
        expectGradient(step, sizes, `sg${i}.${p}`, step.after.get(`sg${i}.${gradientOf[p]}`)!, (t) =>
          sized(squaredDistance(t.get(`sg${i}.sg`)!, target)),
        );
      }
    }
  });

  test("cdni: a predictor's target is what the layer above, as it was before its update, pulls back", () => {
    const step = setUp(cdniStep, sizes);
    for (let i = 1; i < layers; i++) {
      // beta_i reaches what is above only through h_i, with weight 1 where the ReLU is open: the gradient by it of
      // what layer i + 1 is taught to lower is the sum over those samples of the gradient by h_i.
      const target = step.after.get(`layer${i + 1}.dX`)!;
      const open = step.after.get(`layer${i}.h`)!.map((h) => (h > 0 ? 1 : 0));
      const gradient = Float64Array.from({ length: hidden }, (_, f) =>
        total(target.map((x, k) => (k % hidden === f ? x * open[k]! : 0))),
      );
      const above = step.after.get(`sg${i + 1}.sg`);
      expectGradient(step, sizes, `layer${i}.beta`, gradient, (t) => {
        if (above === undefined) return sized(B * t.get('loss.mean')![0]!);
        const h = t.get(`layer${i + 1}.h`)!;
        return sized(dot(h, above), absolute(h, above));
      });
    }
  });
});
