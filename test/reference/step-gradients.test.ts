import { describe, test } from 'vitest';
import type { NetworkSizes, Tensors } from '../../src/reference/network.ts';
import { bpStep, cdniStep } from '../../src/reference/step-rules.ts';
import {
  absolute,
  B,
  dot,
  expectGradient,
  gradientOf,
  setUp,
  sized,
  squaredDistance,
  total,
} from '../support/step-gradients.ts';

// The step twins' gradients against central differences of what they are the gradients of, in float64.

const cases = [2, 3, 4].flatMap((layers) =>
  [4, 7].map((hidden): NetworkSizes => ({ inputs: 5, hidden, layers, classes: 3 })),
);

const ofLayer = (i: number, layers: number) => (i === layers ? ['W', 'bias'] : ['W', 'gamma', 'beta']);

describe.each(cases)('$layers layers, hidden $hidden', (sizes) => {
  const { layers, hidden } = sizes;

  test('bp: every parameter by the loss', () => {
    const step = setUp(bpStep, sizes);
    for (let i = 1; i <= layers; i++) {
      for (const p of ofLayer(i, layers)) {
        // Gradients are sums over the batch; the loss is the mean.
        const gradient = step.after.get(`layer${i}.${gradientOf[p]}`)!;
        expectGradient(step, `layer${i}.${p}`, gradient, (t) => sized(B * t.get('loss.mean')![0]!));
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
        expectGradient(step, `layer${i}.${p}`, step.after.get(`layer${i}.${gradientOf[p]}`)!, objective);
      }
    }
  });

  test('cdni: the output layer by the loss', () => {
    const step = setUp(cdniStep, sizes);
    for (const p of ofLayer(layers, layers)) {
      const gradient = step.after.get(`layer${layers}.${gradientOf[p]}`)!;
      expectGradient(step, `layer${layers}.${p}`, gradient, (t) => sized(B * t.get('loss.mean')![0]!));
    }
  });

  test('cdni: every predictor by ||SG - target||^2, with the target held fixed', () => {
    const step = setUp(cdniStep, sizes);
    for (let i = 1; i < layers; i++) {
      const target = step.after.get(`layer${i + 1}.dX`)!;
      for (const p of ['V', 'U', 'c']) {
        expectGradient(step, `sg${i}.${p}`, step.after.get(`sg${i}.${gradientOf[p]}`)!, (t) =>
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
      expectGradient(step, `layer${i}.beta`, gradient, (t) => {
        if (above === undefined) return sized(B * t.get('loss.mean')![0]!);
        const h = t.get(`layer${i + 1}.h`)!;
        return sized(dot(h, above), absolute(h, above));
      });
    }
  });
});
