import { describe, expect, test } from 'vitest';
import { useDevice } from '../support/device.ts';
import { expectParity, type ParityCase, SMALL } from '../support/parity.ts';

const device = useDevice();

/** Small enough that the many cases take little time together; width is of the predictors' hidden layers. */
const tiny = { ...SMALL, inputs: 13, hidden: 7, batchSize: 17, layers: 3, pairs: 2 };
const width = 11;

const PARITY: readonly (Omit<ParityCase, keyof typeof tiny> & Partial<ParityCase>)[] = [
  ...[2, 3, 4].flatMap((layers) => [
    { rule: 'dni', layers, synthetic: { width } },
    { rule: 'bisong', layers },
    { rule: 'unlocked', layers },
    { rule: 'dgl', layers },
    { rule: 'dfa', layers },
    { rule: 'fa', layers },
  ]),
  { rule: 'no-bp', layers: 2 },
  { rule: 'no-bp', layers: 4 },
  // Long enough for the first gradient to come to the first layer, and for more after it.
  { rule: 'delayed-bp', layers: 2 },
  { rule: 'delayed-bp', layers: 3 },
  { rule: 'delayed-bp', layers: 4 },
  { rule: 'delayed-bp', layers: 8, hidden: 6, steps: 18 },
];

const PREDICTORS: typeof PARITY = [
  ...([0, 1, 2] as const).flatMap((hidden) =>
    ([true, false] as const).flatMap((labels) =>
      (['linear', 'sigmoid'] as const).map((output) => ({
        rule: 'cdni',
        synthetic: { hidden, labels, output, width },
      })),
    ),
  ),
  { rule: 'unlocked', synthetic: { hidden: 1, labels: true, output: 'sigmoid' as const, width } },
  { rule: 'bisong', synthetic: { hidden: 1 } },
];

/** Of this seed's draws every set of the three layers comes in ten steps, the empty one too. */
const drawn = { updateProbability: 0.4, seed: 92 };

const AXES: typeof PARITY = [
  { rule: 'cdni', lambda: 0.3, layers: 4 },
  { rule: 'cdni', lambda: 1 },
  { rule: 'dni', lambda: 0.7, synthetic: { width } },
  { rule: 'bisong', lambda: 0.5 },
  // Gradient descent needs larger steps than Adam to get anywhere.
  ...(['sgd', 'momentum'] as const).flatMap((optimizer) =>
    ['bp', 'cdni', 'unlocked', 'dgl', 'delayed-bp'].map((rule) => ({ rule, optimizer, learningRate: 0.05 })),
  ),
  ...['bp', 'cdni', 'bisong', 'unlocked', 'no-bp', 'dgl', 'dfa', 'fa', 'delayed-bp'].map((rule) => ({
    rule,
    ...drawn,
  })),
  { rule: 'cdni', ...drawn, optimizer: 'momentum', learningRate: 0.05 },
  { rule: 'cdni', ...drawn, lambda: 0.3 },
  ...['cdni', 'unlocked', 'dgl'].map((rule) => ({ rule, sgWarmup: 4, sgLearningRate: 3e-3 })),
  { rule: 'cdni', ...drawn, sgWarmup: 4 },
];

/** A case in words: what it sets. */
const told = ({ rule, ...set }: (typeof PARITY)[number]): string => `${rule} ${JSON.stringify(set)}`;

describe.each([
  ['rules', PARITY],
  ['predictors', PREDICTORS],
  ['axes', AXES],
] as const)('%s against their float64 twins', (_, cases) => {
  test.each(cases.map((c) => [told(c), c] as const))('%s', async (_, c) => {
    const { worst, idleSteps } = await expectParity(device.gpu, { ...tiny, ...c });
    // Float32 is not float64: a comparison that finds no difference at all compares nothing.
    expect(worst).toBeGreaterThan(0);
    expect(idleSteps > 0).toBe(c.updateProbability !== undefined);
  });
});
