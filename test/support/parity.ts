import { expect } from 'vitest';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { type Events, runsIn } from '../../src/gpu/liveness.ts';
import type { Plan } from '../../src/gpu/plan.ts';
import { argmax } from '../../src/reference/metrics.ts';
import type { Tensors } from '../../src/reference/network.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { expectWithin, randomBytes, readHeld, readPlan, TwinRun, twinBatches, widened } from './steps.ts';
import { type RunOptions, ruleNamed, stepTwin, TwinSchedule } from './twins.ts';

/** A run that is compared with its twin. */
export interface ParityCase extends Omit<RunOptions, 'seed' | 'learningRate'> {
  readonly rule: string;
  readonly inputs: number;
  readonly classes: number;
  readonly steps: number;
  /** Pairs of runs whose kernels are as wrong as they may be. */
  readonly pairs: number;
  readonly learningRate?: number;
  readonly seed?: number;
}

/** Shapes that fit no workgroup, and steps that take little time. */
export const SMALL = { inputs: 37, hidden: 19, classes: 5, batchSize: 23, steps: 10, pairs: 3 };

/** What a step begins with: parameters, moments, running statistics, fixed matrices, gradients under way. */
const STATE =
  /\.(W|gamma|beta|bias|V|U|c)(\.[mv])?$|\.running(Mean|Var)$|\.noBias$|^feedback\d+$|\.late\.ring$/;

/** The float tensors that a step with these events writes. */
function written(plan: Plan, events: Events): Set<string> {
  const run = plan.dispatches.filter((_, d) => runsIn(plan.needs[d]!, events));
  return new Set(
    run.flatMap(({ kernel, tensors }) =>
      Object.entries(kernel.spec.buffers)
        .filter(([, access]) => access === 'read_write')
        .map(([name]) => tensors[name]!.label),
    ),
  );
}

/** How near to its twin a run was. */
export interface Parity {
  /**
   * The largest distance over tolerance of all that all steps have computed from their batches, and of the losses of
   * the twin by itself.
   */
  readonly worst: number;
  readonly worstLoss: number;
  readonly idleSteps: number;
}

/**
 * Runs a rule beside its float64 twin.
 *
 * Two twins go beside the device. One begins every step with what the device begins it with, so that all that the
 * step computes can be compared closely. The other goes its own way from the first step on; only its loss is compared,
 * since a ReLU or a sign that once fell differently changes single tensors for good.
 */
export async function expectParity(gpu: Gpu, parityCase: ParityCase): Promise<Parity> {
  const { rule, inputs, classes, steps, pairs, learningRate = 1e-3, ...rest } = parityCase;
  const { layers, batchSize, seed = 100 + layers } = rest;
  const options = { ...rest, learningRate, seed };
  const twin = stepTwin(rule, options);
  const schedule = new TwinSchedule(rule, options);
  const data = randomBytes(seed, { train: 4 * batchSize + 7 }, inputs, classes);
  const resident = new ResidentDataset(gpu, data);
  const trainer = new Trainer(gpu, resident, { lrDrops: [], ...options, rule: ruleNamed(rule) });
  await trainer.ready();
  let before: Tensors = widened(await readHeld(trainer));
  const free = new TwinRun(twin, trainer.shape, before, pairs);
  const next = twinBatches(data, batchSize, seed);
  let [worst, worstLoss, idle] = [0, 0, 0];

  for (let t = 0; t < steps; t++) {
    const chunk = trainer.submit(1);
    const { losses, correct, measured } = await trainer.results(chunk);
    const batch = next();
    const constants = schedule.next();
    if (constants.updates!.size === 0) idle++;
    const what = `${rule}, seed ${seed}, step ${t + 1}`;
    free.step(constants, batch);
    // At first the two are the same.
    const run = t === 0 ? free : new TwinRun(twin, trainer.shape, before, pairs);
    if (t > 0) run.step(constants, batch);

    // All that the step computes on: batch, activations, gradients, parameters, moments, statistics.
    const got = await readPlan(gpu, trainer.plan);
    const made = written(trainer.plan, chunk.events[0]!);
    const kept = [...got].filter(([label]) => STATE.test(label) && !made.has(label));
    for (const [label, numbers] of kept) {
      const was = before.get(label) ?? new Float64Array(numbers.length);
      expect(Float64Array.from(numbers), `${what}: ${label} is as it was`).toEqual(was);
    }
    const comparisons = [...got].filter(([label]) => made.has(label)).map(([l, x]) => run.compare(l, x));
    if (measured[0]) {
      const loss = free.compare('loss.mean', losses);
      expectWithin([loss], `${what}, by itself from the start`);
      worstLoss = Math.max(worstLoss, loss.ratio);
      comparisons.push(run.compare('loss.mean', losses));
    }
    if (comparisons.length > 0) expectWithin(comparisons, what);
    const computed = comparisons.filter(({ label }) => label !== 'batch.x');
    worst = Math.max(worst, ...computed.map((c) => c.ratio));
    const missing = [...run.tensors.keys()].filter((label) => !got.has(label) && label !== 'delay.clock');
    expect(missing, 'tensors of the twin that the plan does not have').toEqual(['loss.mean']);
    // What the twin updates is updated on the device, and nothing else is.
    for (const name of [...got.keys()].filter((label) => got.has(`${label}.m`))) {
      const updated = constants.updates!.has(name.split('.')[0]!);
      expect(made.has(name), `${what}: ${name} is ${updated ? '' : 'not '}updated`).toBe(updated);
    }

    if (measured[0]) {
      const { least, most } = run.correct(`layer${layers}.logits`, batch.labels);
      expect(most - least, `${what}: samples too near a tie`).toBeLessThanOrEqual(batchSize / 20);
      expect(correct[0], what).toBeGreaterThanOrEqual(least);
      expect(correct[0], what).toBeLessThanOrEqual(most);
      // The device counts its own logits, with no tolerance at all.
      const logits = got.get(`layer${layers}.logits`)!;
      const right = batch.labels.filter((y, b) => argmax(logits, b * classes, classes) === y);
      expect(correct[0], what).toBe(right.length);
    }
    if (t === 0) {
      for (const [label, sg] of got) {
        if (/^sg\d+\.sg$/.test(label))
          expect(
            sg.every((x) => x === 0),
            `first ${label}`,
          ).toBe(true);
      }
    }
    before = widened(new Map([...got].filter(([label]) => STATE.test(label))));
    before.set('delay.clock', Float64Array.of(t + 1));
  }
  expect(trainer.work.idleSteps).toBe(idle);
  trainer.destroy();
  resident.destroy();
  return { worst, worstLoss, idleSteps: idle };
}
