import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { Trainer, type TrainOptions } from '../../src/train/trainer.ts';
import { batchRows, oracleData, RUNS, trainOptions } from '../oracle/runs.ts';
import { useDevice } from '../support/device.ts';
import { readFixture } from '../support/safetensors.ts';
import { readGradients, readHeld } from '../support/steps.ts';
import { ruleNamed } from '../support/twins.ts';

const device = useDevice();
let data: Dataset;
let resident: ResidentDataset;

beforeAll(async () => {
  data = await oracleData();
  resident = new ResidentDataset(device.gpu, data);
});
afterAll(() => resident?.destroy());

const digest = ({ buffer, byteOffset, byteLength }: ArrayBufferView): string =>
  createHash('sha256')
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest('hex')
    .slice(0, 16);

/** A run's fixture, and what in a run here is out of its bounds. */
class Expected {
  readonly failures: string[] = [];
  /** Largest part of a bound that was used. */
  worst = 0;
  readonly #name: string;
  readonly told: {
    run: { seed: number };
    bounds: Record<string, number>;
    sampled: { whole: number; stride: number };
    begin: Record<string, string>;
    leftOut: string[];
    correct: [number, number];
  };
  readonly #tensors: ReadonlyMap<string, ArrayLike<number>>;

  constructor(name: string) {
    const { told, tensors } = readFixture(name);
    this.#name = name;
    this.told = told as unknown as Expected['told'];
    this.#tensors = tensors;
  }

  /** The labels of the fixture's tensors that begin with a word. */
  labels(part: string): string[] {
    return [...this.#tensors.keys()]
      .filter((label) => label.startsWith(`${part}/`))
      .map((l) => l.slice(part.length + 1));
  }

  #judge(what: string, off: number, bound: number): void {
    if (!(off <= bound)) this.failures.push(`${this.#name}: ${what} is off by ${off}, bound ${bound}`);
    if (off > 0) this.worst = Math.max(this.worst, off / bound);
  }

  /** Each step's loss, and that of the evaluation at the end. */
  losses(got: ArrayLike<number>): void {
    const [expected, bounds] = [this.#tensors.get('losses')!, this.#tensors.get('losses.bound')!];
    expect(got).toHaveLength(expected.length);
    for (let t = 0; t < expected.length; t++)
      this.#judge(`loss ${t + 1} of ${got.length}`, Math.abs(got[t]! - expected[t]!), bounds[t]!);
  }

  /** Samples that are classified correctly in evaluation. */
  correct(got: number): void {
    const [least, most] = this.told.correct;
    if (got < least || got > most)
      this.failures.push(`${this.#name}: ${got} correct, expected ${least} to ${most}`);
  }

  /** A tensor, by the Euclidean norm of its difference; of a large one the elements that the fixture has. */
  tensor(label: string, got: ArrayLike<number>): void {
    const { whole, stride } = this.told.sampled;
    const expected = this.#tensors.get(label)!;
    const every = got.length <= whole ? 1 : stride;
    expect(Math.ceil(got.length / every), label).toBe(expected.length);
    let squares = 0;
    for (let i = 0; i < expected.length; i++) squares += (got[every * i]! - expected[i]!) ** 2;
    this.#judge(label, Math.sqrt(squares), this.told.bounds[label]!);
  }
}

/** Does a run from the fixture's weights on its batches, and compares all that the fixture has of it. */
async function expectOracle(name: string, options: Partial<TrainOptions> = {}): Promise<void> {
  const run = RUNS.get(name)!;
  const expected = new Expected(name);
  const { schedule = 'layered' } = options;
  const { seed } = expected.told.run;
  const trainer = new Trainer(device.gpu, resident, {
    ...trainOptions(run, ruleNamed(run.rule), seed),
    ...options,
  });
  const evaluator = new Evaluator(device.gpu, trainer.net, resident.test);
  try {
    expect(trainer.schedule, trainer.because).toBe(schedule);
    const start = [...(await readHeld(trainer))].map(([label, x]) => [label, digest(x)]);
    const begin = Object.fromEntries([...start, ['rows', digest(batchRows(data, run.steps, seed))]]);
    expect(begin, 'weights and batches are those that the fixture was made from').toEqual(
      expected.told.begin,
    );

    const losses = [...(await trainer.results(trainer.submit(1))).losses];
    // Fused kernels keep no gradients.
    if (schedule === 'layered') {
      const gradients = await readGradients(trainer);
      const leftOut = new Set([...gradients.keys()].filter((label) => expected.told.leftOut.includes(label)));
      expect(expected.labels('gradient').sort()).toEqual(
        [...gradients.keys()].filter((label) => !leftOut.has(label)).sort(),
      );
      for (const label of expected.labels('gradient'))
        expected.tensor(`gradient/${label}`, gradients.get(label)!);
    }
    losses.push(...(await trainer.results(trainer.submit(run.steps - 1))).losses);

    const held = await readHeld(trainer);
    for (const label of expected.labels('end')) expected.tensor(`end/${label}`, held.get(label)!);
    const { loss, accuracy, samples } = await evaluator.score();
    expected.losses([...losses, loss]);
    expected.correct(Math.round(accuracy * samples));
  } finally {
    evaluator.destroy();
    trainer.destroy();
  }
  expect(expected.failures).toEqual([]);
  // Float32 is not float64: a comparison that finds no difference at all compares nothing.
  expect(expected.worst).toBeGreaterThan(0);
}

describe('one kernel for each formula, against PyTorch in float64', () => {
  test.each([...RUNS.keys()])('%s', (name) => expectOracle(name));
});

describe('fused kernels against PyTorch in float64', () => {
  // Of the two forms, the one for this device.
  test.each(['bp-adam-pytorch', 'bp-adam-tf1', 'cdni-adam'])('%s', (name) =>
    expectOracle(name, { schedule: 'fused' }),
  );
  test('delayed-bp', () => expectOracle('delayed-bp', { schedule: 'wave' }));
});
