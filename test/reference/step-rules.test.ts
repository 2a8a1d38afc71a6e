import { describe, expect, test } from 'vitest';
import type { NetworkSizes, Tensors } from '../../src/reference/network.ts';
import { LINEAR, type PredictorSizes } from '../../src/reference/step-models.ts';
import {
  bpStep,
  delayedStep,
  dfaStep,
  dglStep,
  faStep,
  mixedStep,
  noBpStep,
  type StepTwin,
  syntheticStep,
  unlockedStep,
} from '../../src/reference/step-rules.ts';
import {
  absolute,
  B,
  constants,
  dot,
  expectGradient,
  gradientOf,
  setUp,
  sized,
  squaredDistance,
  total,
} from '../support/step-gradients.ts';

// What the other rules' twins compute, against central differences or, where a rule follows no gradient, against rules
// that it equals in special cases.

const sizes: NetworkSizes = { inputs: 4, hidden: 3, layers: 3, classes: 3 };
const deep: NetworkSizes = { ...sizes, layers: 4 };

type Step = ReturnType<typeof setUp>;

/** Compares the gradients by some parameters of a block with the differences of an objective. */
function expectGradients(
  step: Step,
  block: string,
  parameters: readonly string[],
  objective: (tensors: Tensors) => { value: number; size: number },
): void {
  for (const p of parameters) {
    expectGradient(step, `${block}.${p}`, step.after.get(`${block}.${gradientOf[p]}`)!, objective);
  }
}

const HIDDEN = ['W', 'gamma', 'beta'];
const loss = (t: Tensors) => sized(B * t.get('loss.mean')![0]!);
/** <h, g> with g held fixed: what a layer lowers that is told that its gradient is g. */
const along = (label: string, g: Float64Array) => (t: Tensors) => {
  const h = t.get(label)!;
  return sized(dot(h, g), absolute(h, g));
};

describe('local classifiers', () => {
  const step = setUp(dglStep, deep);
  test.each([1, 2, 3])("layer %i and its classifier lower the classifier's own loss", (i) => {
    const own = (t: Tensors) => sized(total(t.get(`head${i}.loss`)!));
    expectGradients(step, `layer${i}`, HIDDEN, own);
    expectGradients(step, `head${i}`, ['W', 'bias'], own);
  });

  test('the output layer lowers the loss', () => {
    expectGradients(step, 'layer4', ['W', 'bias'], loss);
  });
});

const predictors = [0, 1, 2].flatMap((hidden) =>
  [true, false].flatMap((labels) =>
    (['linear', 'sigmoid'] as const).map((output): PredictorSizes => ({ hidden, width: 4, labels, output })),
  ),
);

describe.each(predictors)('predictors with $hidden hidden layers, labels $labels, $output', (shape) => {
  test('lower ||SG - target||^2, and the layers below them <h, SG>', () => {
    const step = setUp(syntheticStep(shape), sizes, shape);
    for (const i of [1, 2]) {
      const target = step.after.get(`layer${i + 1}.dX`)!;
      const distance = (t: Tensors) => sized(squaredDistance(t.get(`sg${i}.sg`)!, target));
      const rows = shape.labels && shape.hidden === 0 ? ['U'] : [];
      expectGradients(step, `sg${i}`, ['V', 'c', ...rows], distance);
      for (let k = 1; k <= shape.hidden; k++) {
        const conditioned = shape.labels && k === 1 ? ['U'] : [];
        expectGradients(step, `sg${i}.hidden${k}`, [...HIDDEN, ...conditioned], distance);
      }
      expectGradients(step, `layer${i}`, HIDDEN, along(`layer${i}.h`, step.after.get(`sg${i}.sg`)!));
    }
  });
});

test('a predictor that is not conditioned does not look at the labels', () => {
  for (const hidden of [0, 1]) {
    const shape: PredictorSizes = { hidden, width: 3, labels: false, output: 'linear' };
    const { after, batch, before } = setUp(syntheticStep(shape), sizes, shape);
    const other = { ...batch, labels: batch.labels.map((y) => (y + 1) % sizes.classes) };
    const step = (twin: StepTwin, given: typeof batch) => twin(before, sizes, constants, given);
    expect(step(syntheticStep(shape), other).get('sg1.sg')).toEqual(after.get('sg1.sg'));
    const told = step(syntheticStep({ ...shape, labels: true }), batch).get('sg1.sg');
    expect(step(syntheticStep({ ...shape, labels: true }), other).get('sg1.sg')).not.toEqual(told);
  }
});

describe('complete unlock', () => {
  const step = setUp(unlockedStep(LINEAR), deep);

  test.each([1, 2, 3])('input model %i lowers ||I(x) - h||^2', (i) => {
    const h = step.after.get(`layer${i}.h`)!;
    const distance = (t: Tensors) => sized(squaredDistance(t.get(`input${i}.logits`)!, h));
    expectGradients(step, `input${i}`, ['W', 'bias'], distance);
  });

  test('each layer is fed by the model of the layer below, and by nothing else', () => {
    for (const i of [1, 2, 3]) {
      expectGradients(step, `layer${i}`, HIDDEN, along(`layer${i}.h`, step.after.get(`sg${i}.sg`)!));
    }
    expectGradients(step, 'layer4', ['W', 'bias'], loss);
    // Whatever layer 1 does, layer 2 does not hear of it in this step.
    expect(step.moved('layer1.W', 0, 0.5).get('layer2.z')).toEqual(step.after.get('layer2.z'));
    expect(step.moved('input1.W', 0, 0.5).get('layer2.z')).not.toEqual(step.after.get('layer2.z'));
  });

  test.each([1, 2, 3])('predictor %i is taught what the layer above, fed so, pulls back', (i) => {
    const target = step.after.get(`layer${i + 1}.dX`)!;
    const distance = (t: Tensors) => sized(squaredDistance(t.get(`sg${i}.sg`)!, target));
    expectGradients(step, `sg${i}`, ['V', 'U', 'c'], distance);
    // Input model i is x A + a, and reaches layer i + 1 alone: the gradient by A of what that layer lowers is x^T
    // times the gradient by I(x).
    const x = step.batch.x.value;
    const { inputs, hidden } = deep;
    const gradient = Float64Array.from({ length: inputs * hidden }, (_, k) => {
      const [row, f] = [Math.floor(k / hidden), k % hidden];
      return Array.from({ length: B }, (_, b) => x[b * inputs + row]! * target[b * hidden + f]!).reduce(
        (sum, product) => sum + product,
      );
    });
    const above = step.after.get(`sg${i + 1}.sg`);
    const lowered = above === undefined ? loss : along(`layer${i + 1}.h`, above);
    expectGradient(step, `input${i}.W`, gradient, lowered);
  });
});

describe.each([0.3, 0.8, 1])('BP(%f)', (lambda) => {
  const step = setUp(mixedStep(LINEAR, lambda), deep);
  const { layers } = deep;

  // What layer i is told to lower is O_i = lambda O_{i+1} + (1 - lambda) <h_i, SG_i> with SG_i held fixed, and the
  // output layer the loss: a sum over all layers above, with weights lambda^k (1 - lambda).
  test.each([1, 2, 3])(
    'layer %i lowers the mixture of the loss and of all synthetic gradients above',
    (i) => {
      const fixed = new Map([1, 2, 3].map((j) => [j, step.after.get(`sg${j}.sg`)!]));
      expectGradients(step, `layer${i}`, HIDDEN, (t) => {
        let weight = 1;
        let value = 0;
        let size = 0;
        for (let j = i; j < layers; j++) {
          const part = along(`layer${j}.h`, fixed.get(j)!)(t);
          value += weight * (1 - lambda) * part.value;
          size += weight * (1 - lambda) * part.size;
          weight *= lambda;
        }
        const top = loss(t);
        return sized(value + weight * top.value, size + weight * top.size);
      });
    },
  );

  test('each predictor lowers ||SG - what the layer above passes down||^2', () => {
    for (const i of [1, 2, 3]) {
      const target = step.after.get(`layer${i + 1}.dX`)!;
      const distance = (t: Tensors) => sized(squaredDistance(t.get(`sg${i}.sg`)!, target));
      expectGradients(step, `sg${i}`, ['V', 'U', 'c'], distance);
    }
  });

  test('mixes by hand', () => {
    for (const i of [1, 2, 3]) {
      const [passed, sg] = [step.after.get(`layer${i + 1}.dX`)!, step.after.get(`sg${i}.sg`)!];
      const mixture = passed.map((x, k) => lambda * x + (1 - lambda) * sg[k]!);
      expect(step.after.get(`layer${i}.mixture`)).toEqual(mixture);
    }
  });
});

const parameters = (tensors: Tensors): Tensors =>
  new Map([...tensors].filter(([label]) => /^layer\d\.(W|gamma|beta|bias)(\.[mv])?$/.test(label)));

describe('rules that follow no gradient', () => {
  test('feedback alignment through the weights themselves is backprop', () => {
    const { before, batch, after } = setUp(bpStep, deep);
    const same = new Map(before);
    for (let i = 2; i <= deep.layers; i++) same.set(`feedback${i}`, before.get(`layer${i}.W`)!);
    const fa = (from: Tensors) => faStep(from, deep, constants, batch);
    expect(parameters(fa(same))).toEqual(parameters(after));
    const other = new Map(same).set(
      'feedback3',
      same.get('feedback3')!.map((x) => 2 * x),
    );
    expect(fa(other).get('layer2.dX')).not.toEqual(after.get('layer2.dX'));
    expect(fa(other).get('layer3.W')).toEqual(after.get('layer3.W'));
  });

  test('direct feedback alignment through the transposed output weights is backprop for the top hidden layer', () => {
    const { before, batch, after } = setUp(bpStep, sizes);
    const { hidden, classes } = sizes;
    const W = before.get('layer3.W')!;
    const transposed = Float64Array.from(W, (_, k) => W[(k % hidden) * classes + Math.floor(k / hidden)]!);
    const dfa = dfaStep(new Map(before).set('feedback2', transposed), sizes, constants, batch);
    for (const label of ['layer3.W', 'layer3.bias', 'layer2.W', 'layer2.gamma', 'layer2.beta']) {
      expect(dfa.get(label), label).toEqual(after.get(label));
    }
    expect(dfa.get('layer1.W')).not.toEqual(after.get('layer1.W'));
  });

  test('without backprop only the output layer moves, as with it', () => {
    const { before, batch, after } = setUp(bpStep, sizes);
    const alone = noBpStep(before, sizes, constants, batch);
    for (const [label, data] of parameters(after)) {
      if (label.startsWith('layer3')) expect(alone.get(label), label).toEqual(data);
      else expect(alone.get(label), label).toEqual(before.get(label));
    }
  });

  test('delayed backprop brings each gradient late, and zeros before', () => {
    const { before, batch } = setUp(bpStep, sizes);
    const runs: Tensors[] = [];
    let tensors = before;
    for (let t = 0; t < 9; t++) {
      const shifted = batch.x.value.map((x, k) => x + Math.sin(t + k));
      tensors = delayedStep(tensors, sizes, constants, { ...batch, x: { ...batch.x, value: shifted } });
      runs.push(tensors);
      for (const [i, delay] of [
        [1, 4],
        [2, 2],
      ] as const) {
        const label = `layer${i}.dW`;
        const due = runs[t - delay]?.get(label) ?? new Float64Array(tensors.get(label)!.length);
        expect(tensors.get(`${label}.late`), `${label}, step ${t + 1}`).toEqual(due);
      }
      expect(tensors.has('layer3.dW.late')).toBe(false);
    }
  });
});

test('a layer or model that is left out of the updates stays as it is', () => {
  const size = { stepSize: 1e-3, epsHat: 1e-9 };
  const { before, batch } = setUp(bpStep, sizes);
  const chosen = {
    ...constants,
    updates: new Map([
      ['layer2', size],
      ['sg1', size],
    ]),
  };
  const after = syntheticStep(LINEAR)(before, sizes, chosen, batch);
  for (const label of before.keys()) {
    if (/running|^(head|input|feedback)/.test(label)) continue;
    const moved = /^(layer2|sg1)\./.test(label);
    if (moved) expect(after.get(label), label).not.toEqual(before.get(label));
    else expect(after.get(label), label).toEqual(before.get(label));
  }
});
