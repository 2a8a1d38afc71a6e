import type { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { InputError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { ALL_EVENTS, type Events } from '../../src/gpu/liveness.ts';
import { type Tiles, tilesFor } from '../../src/kernels/tiles.ts';
import { turnsOf } from '../../src/train/profile.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { CheckFailedError } from '../paper.ts';
import type { Peaks } from '../peaks.ts';
import { compareLosses, toleranceOf } from '../peers/agreement.ts';
import { type Failed, unlessWrong } from './measured.ts';
import { StepRunner, type StepTime } from './step-runner.ts';
import {
  FIRST_STEPS,
  MAP,
  RIVAL,
  sameLosses,
  trainOptions,
  VARIANTS,
  type Variant,
} from './step-variants.ts';
import { mapSpread, type Spread, spread } from './suite.ts';

/** The losses of how many first steps agreed with the layered schedule's, by how much, and within what. */
export interface Agreement {
  readonly steps: number;
  /** In units of the loss. */
  readonly worst: number;
  readonly tolerance: number;
}

/** A variant in a cell of the grid: measured, or left out with the reason. */
export type StepRun = Pick<Variant, 'name' | 'method' | 'schedule' | 'waveStages'> &
  (
    | {
        readonly agreement: Agreement;
        readonly stepsPerSecond: Spread;
        /** Seconds for each update of a layer: every layer is updated in every step. */
        readonly layerUpdateSeconds: Spread;
        /** Seconds of a step in which the JavaScript thread filled tables and recorded commands: the rest it waited. */
        readonly hostSeconds: Spread;
        /** What the table has for these sizes on this device; null: what stands in the shaders, or no fused kernels. */
        readonly tiles: Tiles | null;
        /** Steps of one submit, and of one repeat. */
        readonly chunk: number;
        readonly steps: number;
        /** Of a chunk's dispatches, those that fill and drain a wave among them. */
        readonly dispatchesPerStep: number;
        readonly macsPerStep: number;
        /** Seconds that the measured peaks allow for a step's dispatches, one behind the other. */
        readonly rooflineSeconds: number;
      }
    | { readonly leftOut: string }
  );

/** All variants at a depth and a batch. */
export interface StepCell {
  readonly layers: number;
  readonly batch: number;
  readonly runs: readonly StepRun[];
  /** Steps a second of the wave in units of fused backpropagation's, repeat by repeat; null where one is missing. */
  readonly waveToBp: Spread | null;
  /** The same of delayed backpropagation's wave. */
  readonly rivalToBp: Spread | null;
}

/** What all of the suite's measurements share. */
export interface Bench {
  readonly gpu: Gpu;
  readonly data: ResidentDataset;
  readonly repeats: number;
  readonly seconds: number;
  readonly peaks: Peaks;
  /** Units of a hidden layer. */
  readonly hidden: number;
  /** Variants that have failed their check, and how. */
  readonly wrong?: ReadonlyMap<string, string>;
  /** As of {@link SuiteContext}. */
  readonly failed?: Failed | undefined;
}

/** A variant that is ready to be timed. */
interface Ready {
  readonly variant: Variant;
  readonly runner: StepRunner;
  readonly agreement: Agreement;
}

/** The losses of a trainer's first steps. */
async function firstLosses(trainer: Trainer): Promise<readonly number[]> {
  await trainer.ready();
  return [...(await trainer.results(trainer.submit(FIRST_STEPS))).losses];
}

/**
 * Compares the losses of a trainer's first steps with the layered schedule's, as far as they are the same.
 *
 * @throws CheckFailedError when they differ
 */
export function agreementOf(
  name: string,
  trainer: Pick<Trainer, 'driver' | 'shape' | 'options'>,
  layered: readonly number[],
  losses: readonly number[],
): Agreement {
  const { shape, options } = trainer;
  const steps = sameLosses(trainer);
  const tolerance = toleranceOf(shape, options.batchSize, 'float32');
  const { agrees, worst } = compareLosses(layered.slice(0, steps), losses.slice(0, steps), tolerance);
  if (agrees) return { steps, worst, tolerance: tolerance.value };
  throw new CheckFailedError(
    `step: the first losses of ${name} with ${shape.layers} layers and batch ${options.batchSize} differ from the ` +
      `layered schedule's by up to ${worst}, more than ${tolerance.value}, so that they were not timed`,
  );
}

/** Trains the first steps of a variant, and compares their losses with the layered schedule's from the same weights. */
async function prepare(
  { gpu, data, hidden }: Bench,
  trainer: Trainer,
  variant: Variant,
  layered: Map<string, readonly number[]>,
): Promise<Ready | { leftOut: string }> {
  const { name, method, schedule } = variant;
  if (trainer.schedule !== schedule) return { leftOut: trainer.because ?? `it ran as ${trainer.schedule}` };
  const losses = await firstLosses(trainer);
  if (schedule === 'layered') layered.set(method, losses);
  if (!layered.has(method)) {
    const { layers } = trainer.shape;
    const shape = { layers, batch: trainer.options.batchSize, hidden };
    const reference = new Trainer(gpu, data, trainOptions({ ...variant, schedule: 'layered' }, shape));
    try {
      layered.set(method, await firstLosses(reference));
    } finally {
      reference.destroy();
    }
  }
  const agreement = agreementOf(name, trainer, layered.get(method)!, losses);
  return { variant, runner: new StepRunner(trainer), agreement };
}

/** Seconds that the peaks allow for one step. */
function rooflineOf({ plan }: Trainer, { gflops, gbs }: Peaks, steps: number): number {
  const each = plan
    .runBy(ALL_EVENTS)
    .map(({ kernel: { spec }, params }) => Math.max(spec.flops(params) / gflops, spec.bytes(params) / gbs));
  return each.reduce((sum, n) => sum + n, 0) / 1e9 / steps;
}

function tilesOf({ tuned }: Variant, { gpu, shape, options }: Trainer): Tiles | null {
  if (tuned === undefined) return null;
  const { layers, hidden } = shape;
  return tilesFor(gpu.info, { schedule: tuned, layers, batch: options.batchSize, hidden }) ?? null;
}

function runOf({ variant, runner, agreement }: Ready, times: readonly StepTime[], peaks: Peaks) {
  const { trainer, chunk } = runner;
  const seconds = spread(times.map((time) => time.seconds / time.steps));
  const turn = turnsOf(trainer).steps;
  const { dispatches, macs } = trainer.driver.work(new Array<Events>(chunk).fill(ALL_EVENTS));
  return {
    agreement,
    stepsPerSecond: mapSpread(seconds, (s) => 1 / s),
    layerUpdateSeconds: mapSpread(seconds, (s) => s / trainer.shape.layers),
    hostSeconds: spread(times.map((time) => time.hostSeconds / time.steps)),
    tiles: tilesOf(variant, trainer),
    chunk,
    steps: times[0]!.steps,
    dispatchesPerStep: dispatches / chunk,
    macsPerStep: macs / chunk,
    rooflineSeconds: rooflineOf(trainer, peaks, turn),
  };
}

/** One rate in units of another, of each repeat, since both saw the same machine then. */
function ratioOf(
  times: ReadonlyMap<string, readonly StepTime[]>,
  names: { readonly of: string; readonly to: string },
): Spread | null {
  const [of, to] = [times.get(names.of), times.get(names.to)];
  if (!of || !to) return null;
  return spread(of.map((time, i) => time.steps / time.seconds / (to[i]!.steps / to[i]!.seconds)));
}

/** Checks, then times all variants at one depth and batch, by turns, so that the machine's noise hits all alike. */
export async function measureCell(
  bench: Bench,
  cell: { readonly layers: number; readonly batch: number },
  variants: readonly Variant[] = VARIANTS,
): Promise<StepCell> {
  const { gpu, data, repeats, seconds, peaks, hidden, wrong, failed } = bench;
  const trainers: Trainer[] = [];
  const layered = new Map<string, readonly number[]>();
  const ready: Ready[] = [];
  const leftOut = new Map<string, string>(wrong);
  const times = new Map<string, StepTime[]>();
  // What the device has no memory for is left out, and so is what diverges: it was no training any more.
  const guarded = async (name: string, work: () => Promise<void>): Promise<void> => {
    if (leftOut.has(name)) return;
    try {
      const done = await unlessWrong(failed, work);
      if (!done) return;
      leftOut.set(name, done.leftOut);
      times.delete(name);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      leftOut.set(name, error.message);
      times.delete(name);
    }
  };
  try {
    for (const variant of variants) {
      await guarded(variant.name, async () => {
        const trainer = new Trainer(gpu, data, trainOptions(variant, { ...cell, hidden }));
        trainers.push(trainer);
        const found = await prepare(bench, trainer, variant, layered);
        if ('leftOut' in found) leftOut.set(variant.name, found.leftOut);
        else ready.push(found);
      });
    }
    for (const { variant, runner } of ready) {
      await guarded(variant.name, async () => {
        await runner.calibrate(seconds);
        await runner.run();
        times.set(variant.name, []);
      });
    }
    for (let i = 0; i < repeats; i++) {
      // There and back again, so that a drift favours none.
      for (const { variant, runner } of i % 2 === 0 ? ready : ready.toReversed()) {
        await guarded(variant.name, async () => {
          times.get(variant.name)!.push(await runner.run());
        });
      }
    }
    const runs = variants.map(({ name, method, schedule, waveStages }): StepRun => {
      const variant = { name, method, schedule, waveStages };
      const [done, found] = [times.get(name), ready.find((one) => one.variant.name === name)];
      if (!done || !found) return { ...variant, leftOut: leftOut.get(name)! };
      return { ...variant, ...runOf(found, done, peaks) };
    });
    return { ...cell, runs, waveToBp: ratioOf(times, MAP), rivalToBp: ratioOf(times, RIVAL) };
  } finally {
    for (const trainer of trainers) trainer.destroy();
  }
}
