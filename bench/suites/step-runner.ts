import { CHUNK_LIMIT, type Chunk, type Trainer } from '../../src/train/trainer.ts';

/** Seconds that one submit of steps takes at most, as in training: long enough to hide the host. */
const CHUNK_SECONDS = 0.2;

/** Chunks on their way at a time, as in training. */
const IN_FLIGHT = 2;

/** Seconds of a chunk from which on it is nothing to it that the device waits while the host records the first one. */
const LONG = 0.1;

/** How long some steps took. */
export interface StepTime {
  readonly steps: number;
  readonly seconds: number;
  /** Of them, those in which the JavaScript thread filled tables and recorded commands. */
  readonly hostSeconds: number;
}

/** Runs a trainer's steps as training does, in chunks with one behind the other, and times them. */
export class StepRunner {
  readonly trainer: Trainer;
  #chunk = 1;
  #chunks = 1;
  #seconds = 0;

  constructor(trainer: Trainer) {
    this.trainer = trainer;
  }

  /** Steps of one submit. */
  get chunk(): number {
    return this.#chunk;
  }

  /**
   * Finds how many steps take about `seconds`. A chunk has at least as many as its schedule should have in an upload,
   * however long those take: a wave that did little but fill and drain would be measured for what it is not.
   */
  async calibrate(seconds: number): Promise<void> {
    const { trainer } = this;
    const least = Math.min(trainer.driver.leastSteps ?? 1, CHUNK_LIMIT);
    const alone = async (count: number): Promise<number> => {
      const began = performance.now();
      await trainer.results(trainer.submit(count));
      return (performance.now() - began) / 1e3;
    };
    let count = 1;
    // The first one pays for memory that is touched for the first time.
    await alone(count);
    let took = await alone(count);
    while (2 * took <= Math.min(CHUNK_SECONDS, seconds) && count < CHUNK_LIMIT) {
      count *= 2;
      took = await alone(count);
    }
    if (count < least) {
      count = least;
      took = await alone(count);
    }
    this.#chunk = count;
    this.#seconds = took;
    this.#chunks = Math.max(1, Math.round(seconds / took));
  }

  /** Trains for as many steps as {@link StepRunner.calibrate} has found, and times them. */
  async run(): Promise<StepTime> {
    const { trainer } = this;
    // A chunk ahead of the clock, so that it starts with the device at work.
    const ahead = this.#seconds < LONG ? 1 : 0;
    const all = this.#chunks + ahead;
    const flying: Chunk[] = [];
    let began = performance.now();
    let host = 0;
    try {
      for (let done = 0, submitted = 0; done < all; done++) {
        while (flying.length < IN_FLIGHT && submitted < all) {
          const before = performance.now();
          flying.push(trainer.submit(this.#chunk));
          host += performance.now() - before;
          submitted++;
        }
        await trainer.results(flying.shift()!);
        if (done + 1 === ahead) began = performance.now();
      }
    } finally {
      for (const { readback } of flying) readback.cancel();
    }
    const steps = this.#chunk * this.#chunks;
    // The host's work is of all chunks, the one ahead included.
    const hostSeconds = (host / 1e3) * (this.#chunks / all);
    return { steps, seconds: (performance.now() - began) / 1e3, hostSeconds };
  }
}
