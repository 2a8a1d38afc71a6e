import type { ResidentDataset } from '../data/resident-dataset.ts';
import { InputError } from '../errors.ts';
import { Evaluator, type Score } from './evaluate.ts';
import { CHUNK_LIMIT, type Chunk, type StepResults, type Trainer } from './trainer.ts';

/** What a run is to do, and whom it tells. */
export interface RunOptions {
  readonly steps: number;
  /** Steps between two evaluations on the validation data; the last step is always evaluated. */
  readonly evalEvery: number;
  /** Training samples of the final score; all by default. */
  readonly trainSamples?: number | undefined;
  /** Stops the run after the steps under way. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly onPoint?: ((point: CurvePoint) => void) | undefined;
  /** Called every so many steps, outside the clock and with no step under way. */
  readonly pause?: { readonly every: number; readonly at: (step: number) => Promise<void> } | undefined;
}

/** Where a run is. */
export interface Progress {
  readonly step: number;
  readonly steps: number;
  /** Over the last chunks. */
  readonly stepsPerSecond: number;
  /** Mean loss of the last step's batch. */
  readonly loss: number;
  /** Seconds of training still to come, at this rate. */
  readonly secondsLeft: number;
}

/** A point of the learning curves. */
export interface CurvePoint {
  /** Steps done. */
  readonly step: number;
  /** Seconds of training so far, evaluations not counted. */
  readonly seconds: number;
  /** Over the batches since the last point, as they were seen in training. */
  readonly train: { readonly loss: number; readonly accuracy: number };
  readonly validation: Score;
}

/** What became of a run. */
export interface RunResult {
  readonly status: 'finished' | 'interrupted' | 'failed';
  /** Why it failed. */
  readonly error?: Error;
  /** Steps done. */
  readonly steps: number;
  /** Seconds of training, evaluations not counted. */
  readonly trainSeconds: number;
  readonly curve: readonly CurvePoint[];
  /** Scores at the end, with batch norm's running statistics; undefined unless the run finished. */
  readonly train?: Score;
  readonly validation?: Score;
  readonly test?: Score;
}

/** How long a chunk of steps should take: long enough to hide the host, short enough to stop and to show progress. */
const CHUNK_SECONDS = 0.2;

/** How long one may take where shorter ones would do much for nothing, and how many steps it has before that is known. */
const LONG_CHUNK = { seconds: 2, steps: 16 };

/** Steps of the first chunk behind an evaluation: while it is recorded, a fast device has nothing to do. */
const FIRST_CHUNK = 32;

/** Chunks on their way at a time: one at work, one behind it, so that the device does not wait for the host. */
const IN_FLIGHT = 2;

/** A stop-watch for training alone. */
class Clock {
  #total = 0;
  #since: number | undefined;

  start(): void {
    this.#since = performance.now();
  }

  stop(): void {
    this.#total = this.seconds;
    this.#since = undefined;
  }

  get seconds(): number {
    return this.#total + (this.#since === undefined ? 0 : (performance.now() - this.#since) / 1000);
  }
}

/** Sums over the batches since the last point of the curve. */
class Tally {
  loss = 0;
  correct = 0;
  steps = 0;

  add({ losses, correct, measured }: StepResults): void {
    measured.forEach((has, i) => {
      if (!has) return;
      this.loss += losses[i]!;
      this.correct += correct[i]!;
      this.steps++;
    });
  }

  take(batchSize: number): CurvePoint['train'] {
    const { loss, correct, steps } = this;
    this.loss = this.correct = this.steps = 0;
    return { loss: loss / steps, accuracy: correct / (steps * batchSize) };
  }
}

/**
 * Chooses how many steps the next chunk has: a power of two that takes about {@link CHUNK_SECONDS}. Where chunks have a
 * cost of their own, they have at least so many steps, as long as those are not too slow, and leave no few behind.
 */
class Pace {
  #count = 1;
  readonly #least: number;
  stepsPerSecond = 0;

  constructor(least: number) {
    this.#least = least;
  }

  /** Steps of the next chunk, when so many are left, and whether the device waits for it. */
  next(left: number, awaited: boolean): number {
    const rate = this.stepsPerSecond;
    const patience = rate === 0 ? LONG_CHUNK.steps : Math.floor(rate * LONG_CHUNK.seconds);
    const least = Math.max(1, Math.min(this.#least, patience));
    const count = Math.max(awaited ? Math.min(FIRST_CHUNK, this.#count) : this.#count, least);
    return Math.min(left < count + least ? left : count, CHUNK_LIMIT);
  }

  learn(count: number, seconds: number): void {
    const rate = count / Math.max(seconds, 1e-6);
    this.stepsPerSecond = this.stepsPerSecond === 0 ? rate : 0.5 * (this.stepsPerSecond + rate);
    if (count < this.#count) return;
    if (2 * count <= this.stepsPerSecond * CHUNK_SECONDS)
      this.#count = Math.min(2 * this.#count, CHUNK_LIMIT);
    else if (count > 2 * this.stepsPerSecond * CHUNK_SECONDS) this.#count = Math.max(1, this.#count >> 1);
  }
}

/**
 * Trains for a number of steps, with evaluations in between and scores at the end. Training time is measured from the
 * first submit after an evaluation to the last result before the next; evaluations are outside the clock.
 *
 * @throws InputError for a number of steps that is none, a trainer that has done steps already, or a network that is in use. Never throws for
 *   what happens in the run: an interruption, a loss that is not finite or a device that is lost ends it, and the
 *   result holds what was done until then.
 */
export async function run(trainer: Trainer, data: ResidentDataset, options: RunOptions): Promise<RunResult> {
  const { gpu, net } = trainer;
  const { steps, evalEvery, signal, pause } = options;
  for (const [name, value] of Object.entries({ steps, evalEvery, 'pause.every': pause?.every ?? 1 })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new InputError(`${name}: expected a whole number of steps from 1 on, found ${value}`);
    }
  }
  if (trainer.submitted > 0) {
    throw new InputError(
      `run: expected a trainer that has done no step yet, found one that has done ${trainer.submitted}`,
    );
  }
  const curve: CurvePoint[] = [];
  const clock = new Clock();
  let done = 0;
  const evaluators: Evaluator[] = [];
  let giveBack = net.take('training');
  const evaluator = (part: 'train' | 'validation' | 'test', limit?: number) => {
    const made = new Evaluator(gpu, net, data[part], limit, true);
    evaluators.push(made);
    return made;
  };
  try {
    const onValidation = evaluator('validation');
    await trainer.ready();
    await gpu.idle();
    const tally = new Tally();
    const pace = new Pace(trainer.driver.leastSteps ?? 1);
    while (done < steps && !signal?.aborted) {
      const next = (every: number) => Math.min(steps, (Math.floor(done / every) + 1) * every);
      const until = Math.min(next(evalEvery), next(pause?.every ?? steps));
      clock.start();
      done = await segment(trainer, until, pace, clock, signal, (results) => {
        done = results.first + results.losses.length;
        tally.add(results);
        const rate = pace.stepsPerSecond;
        const last = results.measured.lastIndexOf(true);
        const loss = last < 0 ? Number.NaN : results.losses[last]!;
        options.onProgress?.({
          step: done,
          steps,
          stepsPerSecond: rate,
          loss,
          secondsLeft: (steps - done) / rate,
        });
      });
      clock.stop();
      if (signal?.aborted && done < until) break;
      if (pause && done % pause.every === 0) {
        // No step is under way: others may look at the network.
        giveBack();
        await pause.at(done);
        giveBack = net.take('training');
      }
      if (done < steps && done % evalEvery !== 0) continue;
      const train = tally.take(trainer.options.batchSize);
      const point = { step: done, seconds: clock.seconds, train, validation: await onValidation.score() };
      curve.push(point);
      options.onPoint?.(point);
    }
    const outcome = { steps: done, trainSeconds: clock.seconds, curve };
    if (done < steps) return { status: 'interrupted', ...outcome };
    return {
      status: 'finished',
      ...outcome,
      train: await evaluator('train', options.trainSamples).score(),
      validation: curve.at(-1)!.validation,
      test: await evaluator('test').score(),
    };
  } catch (error) {
    clock.stop();
    return { status: 'failed', error: error as Error, steps: done, trainSeconds: clock.seconds, curve };
  } finally {
    giveBack();
    for (const made of evaluators) made.destroy();
  }
}

/** Trains up to step `until`, or until the signal, and returns how many steps are done then. */
async function segment(
  trainer: Trainer,
  until: number,
  pace: Pace,
  clock: Clock,
  signal: AbortSignal | undefined,
  onResults: (results: StepResults) => void,
): Promise<number> {
  const flying: Chunk[] = [];
  let before = clock.seconds;
  const { uploadSteps } = trainer.driver;
  const began = trainer.submitted;
  const next = (left: number) =>
    uploadSteps ? Math.min(uploadSteps, left) : pace.next(left, trainer.submitted === began);
  const more = () => trainer.submitted < until && !signal?.aborted;
  try {
    while (more() || flying.length > 0) {
      while (more() && flying.length < IN_FLIGHT)
        flying.push(trainer.submit(next(until - trainer.submitted)));
      const chunk = flying.shift()!;
      const results = await trainer.results(chunk);
      const now = clock.seconds;
      pace.learn(chunk.count, now - before);
      before = now;
      onResults(results);
      // Lets signals and timers through: a chain of settled promises would keep them waiting.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    for (const chunk of flying) chunk.readback.cancel();
  }
  return trainer.submitted;
}
