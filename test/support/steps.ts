import { expect } from 'vitest';
import { BatchOrder } from '../../src/data/batches.ts';
import { type Dataset, makeDataset } from '../../src/data/dataset.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Plan } from '../../src/gpu/plan.ts';
import { adamCorrection } from '../../src/reference/adam.ts';
import {
  asComputed,
  type StepConstants,
  type Store,
  type Tensors,
  type TwinBatch,
} from '../../src/reference/network.ts';
import type { StepTwin } from '../../src/reference/step-rules.ts';
import { TINY, U } from '../../src/reference/twin.ts';
import type { Tensor } from '../../src/tensor.ts';
import type { Trainer } from '../../src/train/trainer.ts';
import { heldTensors } from './held.ts';
import { Random } from './kernel.ts';

/** A seeded data set of random bytes, with labels that are a function of them, so that there is something to learn. */
export function randomBytes(
  seed: number,
  counts: { train: number; test?: number },
  inputs: number,
  classes: number,
): Dataset {
  const random = new Random(seed);
  const part = (count: number) => {
    const values = Uint8Array.from({ length: count * inputs }, () => random.below(256));
    const labels = Uint8Array.from({ length: count }, (_, b) => {
      const [a, c] = [values[b * inputs]!, values[b * inputs + 1]!];
      return Math.floor(((a + c) / 511) * classes);
    });
    return { values, labels };
  };
  return makeDataset({
    name: `random bytes, seed ${seed}`,
    classes,
    train: part(counts.train),
    validation: part(1),
    test: part(counts.test ?? 1),
  });
}

/** The samples of some rows, scaled as on the device: by float32's nearest of 1/255, with one rounding. */
export function twinBatch(
  { features, values, scale, labels }: Dataset['train'],
  rows: ArrayLike<number>,
): TwinBatch {
  const at = Array.from(rows);
  const value = Float64Array.from(
    { length: at.length * features },
    (_, i) => Math.fround(scale) * values[at[Math.floor(i / features)]! * features + (i % features)]!,
  );
  return {
    x: { value, bound: value.map((x) => U * Math.abs(x) + TINY) },
    labels: at.map((row) => labels[row]!),
  };
}

/** The batches that a trainer takes, one after the other. */
export function twinBatches(data: Dataset, batchSize: number, seed: number): () => TwinBatch {
  const order = new BatchOrder(data.train.count, batchSize, seed);
  return () => {
    const rows = new Uint32Array(batchSize);
    order.next(rows, 0);
    return twinBatch(data.train, rows);
  };
}

/** The constants of step t, counted from 0, as the device sees them. */
export function constantsAt(t: number, learningRate: number, batchSize: number): StepConstants {
  const [beta1, beta2] = [0.9, 0.999];
  const { stepSize, epsHat } = adamCorrection(learningRate, t + 1, { beta1, beta2, eps: 1e-8 });
  const exact = { eps: 1e-5, momentum: 0.1, mu: 0.9, scale: 1 / batchSize, beta1, beta2, stepSize, epsHat };
  return Object.fromEntries(
    Object.entries(exact).map(([k, x]) => [k, Math.fround(x)]),
  ) as unknown as StepConstants;
}

/**
 * A store that moves each element by its bound, up or down at random: every kernel as wrong as its arithmetic allows.
 * A second moment or a variance stays positive, as sums of squares are on any device.
 */
export function worstStore(random: Random, sign: 1 | -1): Store {
  return (label, { value, bound }) => {
    const moved = value.map((x, i) => x + ((random.uint32() & 1) === 0 ? sign : -sign) * bound[i]!);
    // A velocity, of either sign, is called v too.
    const positive = /\.(v|runningVar|rstd)$/.test(label) && value.every((x) => x >= 0);
    return positive ? moved.map(Math.abs) : moved;
  };
}

/** How far two tensors are apart: as a Euclidean norm, and at the worst element. */
interface Distance {
  readonly norm: number;
  readonly max: number;
  readonly index: number;
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): Distance {
  let squares = 0;
  let max = 0;
  let index = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i]! - b[i]!);
    squares += d * d;
    // The negated comparison also stops at a NaN.
    if (!(d <= max)) {
      max = d;
      index = i;
    }
  }
  return { norm: Math.sqrt(squares), max, index };
}

/** How a device's tensor compares with the twin's. */
export interface Comparison {
  readonly label: string;
  /** Distance over tolerance, the larger of the two norms'; at most 1 when all is well. */
  readonly ratio: number;
  readonly message: string;
}

/**
 * The twin of a training run, with the runs beside it whose kernels are as wrong as they may be.
 *
 * Those come in pairs, each with the other's errors negated: what a device's small error can tip over (a ReLU near its
 * kink, Adam on a gradient near zero), the larger errors of the one or the other tip over too.
 */
export class TwinRun {
  readonly #step: StepTwin;
  readonly #sizes: Parameters<StepTwin>[1];
  readonly #stores: readonly Store[];
  #runs: Tensors[];
  /** Of tensors of one number, the largest tolerance so far. */
  readonly #single = new Map<string, number>();

  constructor(step: StepTwin, sizes: Parameters<StepTwin>[1], start: Tensors, pairs = 3) {
    this.#step = step;
    this.#sizes = sizes;
    const random = new Random(77);
    const pair = (i: number) => ([1, -1] as const).map((sign) => worstStore(random.fork(i), sign));
    this.#stores = [asComputed, ...Array.from({ length: pairs }, (_, i) => pair(i)).flat()];
    this.#runs = this.#stores.map(() => start);
  }

  /** One step of every run. */
  step(constants: StepConstants, batch: TwinBatch): void {
    this.#runs = this.#runs.map((before, i) =>
      this.#step(before, this.#sizes, constants, batch, this.#stores[i]!),
    );
    for (const [label, value] of this.tensors) {
      if (value.length === 1) this.#single.set(label, this.tolerance(label).max);
    }
  }

  /** Takes tensors out of all runs, as if they had never been. */
  forget(which: RegExp): void {
    this.#runs = this.#runs.map((run) => new Map([...run].filter(([label]) => !which.test(label))));
  }

  /** The exact run's tensors after the last step. */
  get tensors(): Tensors {
    return this.#runs[0]!;
  }

  value(label: string): Float64Array {
    const found = this.tensors.get(label);
    if (found === undefined) throw new Error(`the twin has no ${label}`);
    return found;
  }

  /**
   * Twice the largest deviation of the draws: they err by the whole of each bound but at random, a device by less but
   * perhaps always to one side. A single number, which few draws may all hit by luck (the errors of many samples add up to
   * nothing, and float32 itself cannot come as near), has the largest deviation of all steps so far.
   */
  tolerance(label: string): { norm: number; max: number } {
    const exact = this.value(label);
    const apart = this.#runs.slice(1).map((run) => distance(run.get(label)!, exact));
    const most = {
      norm: 2 * Math.max(...apart.map((d) => d.norm)),
      max: 2 * Math.max(...apart.map((d) => d.max)),
    };
    if (exact.length > 1) return most;
    const known = this.#single.get(label) ?? 0;
    return { norm: Math.max(most.norm, known), max: Math.max(most.max, known) };
  }

  compare(label: string, got: ArrayLike<number>): Comparison {
    const expected = this.value(label);
    if (got.length !== expected.length)
      throw new Error(`${label}: ${got.length} elements, not ${expected.length}`);
    const tolerance = this.tolerance(label);
    const d = distance(got, expected);
    const over = (is: number, may: number) => (is === 0 ? 0 : is / may);
    const ratio = Math.max(over(d.norm, tolerance.norm), over(d.max, tolerance.max));
    const message =
      `${label}: norm of the difference ${d.norm}, tolerance ${tolerance.norm}; worst at [${d.index}]: ` +
      `got ${got[d.index]}, expected ${expected[d.index]}, tolerance ${tolerance.max}`;
    return { label, ratio, message };
  }

  /** Least and most samples that may be classified correctly: they differ where two logits tie within tolerance. */
  correct(label: string, labels: ArrayLike<number>): { least: number; most: number } {
    // By how much each sample's own logit leads the best of the others.
    const leads = this.#runs.map((run) => {
      const logits = run.get(label)!;
      const C = logits.length / labels.length;
      return Array.from(labels, (y, b) => {
        const row = logits.subarray(b * C, (b + 1) * C);
        return row[y]! - Math.max(...row.filter((_, c) => c !== y));
      });
    });
    const [exact, ...draws] = leads as [number[], ...number[][]];
    const tie = 2 * Math.max(...draws.map((draw) => distance(draw, exact).max));
    return { least: exact.filter((d) => d > tie).length, most: exact.filter((d) => d >= -tie).length };
  }
}

/** Fails with one line for each tensor that is out of tolerance. A ratio that is not a number is out of it. */
export function expectWithin(comparisons: readonly Comparison[], what: string): void {
  expect(comparisons.length).toBeGreaterThan(0);
  const failed = comparisons.filter((c) => !(c.ratio <= 1));
  expect(
    failed.map((c) => c.message),
    what,
  ).toEqual([]);
}

/** A tensor's elements. */
export async function readFloats(gpu: Gpu, tensor: Tensor): Promise<Float32Array> {
  return new Float32Array(await gpu.read(tensor.buffer));
}

/** The float tensors that a plan computes on, by label: all but the data set and the step table. */
export function planTensors(plan: Plan): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  for (const tensor of plan.dispatches.flatMap((d) => Object.values(d.tensors))) {
    if (tensor.dtype === 'u32' || /^(data|steps)\./.test(tensor.label)) continue;
    const other = found.get(tensor.label);
    if (other !== undefined && other !== tensor) throw new Error(`two tensors are called ${tensor.label}`);
    found.set(tensor.label, tensor);
  }
  return found;
}

/** Many tensors at once, by label: one copy each, and one wait for all. */
async function readAll(gpu: Gpu, tensors: Iterable<Tensor>): Promise<Map<string, Float32Array>> {
  const all = [...tensors];
  const bytes = all.reduce((sum, { size }) => sum + 4 * size, 0);
  const staging = gpu.buffer('test readback', bytes, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
  try {
    gpu.submit('test readback', (encoder) => {
      let offset = 0;
      for (const { buffer, size } of all) {
        encoder.copyBufferToBuffer(buffer, 0, staging, offset, 4 * size);
        offset += 4 * size;
      }
    });
    const content = await gpu.readStaging(staging, bytes);
    const out = new Map<string, Float32Array>();
    let offset = 0;
    for (const { label, size } of all) {
      out.set(label, new Float32Array(content, offset, size).slice());
      offset += 4 * size;
    }
    return out;
  } finally {
    gpu.release(staging);
  }
}

/** Every float tensor of a plan, as it is now. */
export function readPlan(gpu: Gpu, plan: Plan): Promise<Map<string, Float32Array>> {
  return readAll(gpu, planTensors(plan).values());
}

/** What a network and its models hold, read back. */
export function readHeld(trainer: Trainer): Promise<Map<string, Float32Array>> {
  return readAll(trainer.gpu, heldTensors(trainer));
}

/** The gradients that a layered step has left, read back, by the labels of their parameters. */
export async function readGradients({ gpu, net, models }: Trainer): Promise<Map<string, Float32Array>> {
  const parameters = [...net.parameters, ...models.flatMap((m) => m.parameters)];
  const labelOf = new Map(parameters.map(({ value, gradient }) => [gradient.label, value.label]));
  const read = await readAll(
    gpu,
    parameters.map(({ gradient }) => gradient),
  );
  return new Map([...read].map(([label, x]) => [labelOf.get(label)!, x]));
}

/** Widened, as a twin takes them. */
export function widened(tensors: ReadonlyMap<string, Float32Array>): Tensors {
  return new Map([...tensors].map(([label, data]) => [label, Float64Array.from(data)]));
}
