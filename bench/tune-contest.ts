import type { ResidentDataset } from '../src/data/resident-dataset.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { ShaderError } from '../src/gpu/shader.ts';
import { type Tiles, topSuits } from '../src/kernels/tiles.ts';
import { rules } from '../src/train/rules.ts';
import type { FormName } from '../src/train/schedules/forms.ts';
import { Trainer, type TrainOptions } from '../src/train/trainer.ts';
import { compareLosses, toleranceOf } from './peers/agreement.ts';
import { presets } from './presets.ts';
import { StepRunner } from './suites/step-runner.ts';
import { type Spread, spread } from './suites/suite.ts';
import { type Choices, type TunedSchedule, tilesText } from './tune-candidates.ts';

/** The network and the batch that a schedule is tuned for. */
export interface TuneShape {
  readonly layers: number;
  readonly batch: number;
  readonly hidden: number;
}

/** First steps whose losses must be those of the usual tiles. */
const FIRST_STEPS = 3;

/** Samples of a checked step at most, so that its twins are quick. */
const CHECKED_BATCH = 72;

/** Milliseconds of steps before a choice is timed on a GPU. */
const WARM_UP_MS = 100;

/** Runs behind the time of one choice. */
const RUNS = 3;

/** Where all choices of one schedule and shape are tried. */
export class Contest {
  readonly #gpu: Gpu;
  readonly #data: ResidentDataset;
  readonly #tuned: TunedSchedule;
  readonly #shape: TuneShape;
  readonly #form: FormName;
  readonly #usual: Tiles;
  readonly #seconds: number;
  readonly #known = new Map<string, number>();
  /** Choices that computed something else. */
  readonly wrong: string[] = [];
  #expected: readonly number[] | undefined;

  constructor(
    gpu: Gpu,
    data: ResidentDataset,
    tuned: TunedSchedule,
    shape: TuneShape,
    { form, usual, seconds }: { form: FormName; usual: Tiles; seconds: number },
  ) {
    this.#gpu = gpu;
    this.#data = data;
    this.#tuned = tuned;
    this.#shape = shape;
    this.#form = form;
    this.#usual = usual;
    this.#seconds = seconds;
  }

  /** Choices that were timed. */
  get tried(): number {
    return this.#known.size;
  }

  #trainer(tiles: Tiles, part: Partial<TrainOptions> = {}): Trainer {
    const { method, schedule, waveStages } = this.#tuned;
    const { layers, batch: batchSize, hidden } = this.#shape;
    const { lr: learningRate, seed } = presets['bisong-50k']!;
    const trainer = new Trainer(this.#gpu, this.#data, {
      rule: rules.get(method)!,
      ...{ hidden, layers, batchSize, learningRate, lrDrops: [], seed, schedule, waveStages },
      ...{ forms: this.#form, tiles },
      ...part,
    });
    if (trainer.schedule === schedule) return trainer;
    const { because } = trainer;
    trainer.destroy();
    throw new TuneRefusal(because ?? `it ran as ${trainer.schedule}`);
  }

  /** Whether the first losses are those of the usual tiles. */
  async #agrees(trainer: Trainer): Promise<boolean> {
    const losses = [...(await trainer.results(trainer.submit(FIRST_STEPS))).losses];
    const tolerance = toleranceOf(trainer.shape, this.#shape.batch, 'float32');
    this.#expected ??= losses;
    return compareLosses(this.#expected, losses, tolerance).agrees;
  }

  /**
   * Seconds of a step with these tiles, the usual ones first. Infinity where they cannot be compiled, or where the first
   * losses are not those of the usual tiles.
   */
  async time(tiles: Tiles): Promise<number> {
    const key = tilesText(tiles);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const trainer = this.#trainer(tiles);
    try {
      await trainer.ready();
      if (!(await this.#agrees(trainer))) {
        this.wrong.push(key);
        this.#known.set(key, Number.POSITIVE_INFINITY);
        return Number.POSITIVE_INFINITY;
      }
      const runner = new StepRunner(trainer);
      await runner.calibrate(this.#seconds);
      // A GPU that has idled while something compiled takes a while to reach its clock again.
      const warm = performance.now() + (this.#gpu.isCpu ? 0 : WARM_UP_MS);
      while (performance.now() < warm) await runner.run();
      const times: number[] = [];
      for (let i = 0; i < RUNS; i++) {
        const { seconds, steps } = await runner.run();
        times.push(seconds / steps);
      }
      const { median } = spread(times);
      this.#known.set(key, median);
      return median;
    } catch (error) {
      if (!(error instanceof ShaderError)) throw error;
      this.#known.set(key, Number.POSITIVE_INFINITY);
      return Number.POSITIVE_INFINITY;
    } finally {
      trainer.destroy();
    }
  }

  /**
   * Compiles what the choices need that all dispatches share, all of them beside each other. Which of them compile at all
   * is seen when they are timed. A CPU driver has no processors to spare for it, and few choices.
   */
  async compile({ usual, layers, top }: Choices): Promise<void> {
    if (this.#form === 'cpu') return;
    const all = [
      ...layers.map((each) => ({ ...usual, layers: each })),
      ...top.map((each) => ({ ...usual, top: each })),
    ];
    const suiting = all.filter((tiles) => tiles.top === undefined || topSuits(tiles.layers, tiles.top));
    const trainers = suiting.map((tiles) => this.#trainer(tiles));
    try {
      await Promise.allSettled(trainers.map((trainer) => trainer.ready()));
    } finally {
      for (const trainer of trainers) trainer.destroy();
    }
  }

  /** Whether all that the kernels write with these tiles is what their twins write; what differs is in {@link wrong}. */
  async passes(tiles: Tiles): Promise<boolean> {
    const trainer = this.#trainer(tiles, {
      batchSize: Math.min(this.#shape.batch, CHECKED_BATCH),
      learningRate: 1e-3,
    });
    try {
      await trainer.ready();
      await trainer.results(trainer.submit(2));
      const { passed, failures } = await trainer.check();
      if (!passed) this.wrong.push(`${tilesText(tiles)} (${failures.join('; ')})`);
      return passed;
    } finally {
      trainer.destroy();
    }
  }

  /** Times the usual tiles and others by turns: steps a second of the others, and as a multiple of the usual ones'. */
  async duel(tiles: Tiles, repeats: number): Promise<{ ratio: Spread; stepsPerSecond: number }> {
    const trainers = [this.#usual, tiles].map((each) => this.#trainer(each));
    try {
      const runners = trainers.map((trainer) => new StepRunner(trainer));
      for (const runner of runners) {
        await runner.trainer.ready();
        await runner.calibrate(2 * this.#seconds);
        await runner.run();
      }
      const rates: [number[], number[]] = [[], []];
      for (let i = 0; i < repeats; i++) {
        // There and back again, so that a drift favours none.
        for (const who of i % 2 === 0 ? [0, 1] : [1, 0]) {
          const { steps, seconds } = await runners[who]!.run();
          rates[who]!.push(steps / seconds);
        }
      }
      const [usual, others] = rates;
      return {
        ratio: spread(others.map((rate, i) => rate / usual[i]!)),
        stepsPerSecond: spread(others).median,
      };
    } finally {
      for (const trainer of trainers) trainer.destroy();
    }
  }
}

/** A schedule that does not cover a shape on this device. */
export class TuneRefusal extends Error {
  override name = 'TuneRefusal';
}
