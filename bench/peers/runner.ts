import { CHUNK_LIMIT, type Chunk, type Trainer } from '../../src/train/trainer.ts';
import { PeerError, type PeerProcess } from './process.ts';

/** How fast some training steps were. */
export interface Timed {
  readonly steps: number;
  readonly seconds: number;
  /** Of the last of them. */
  readonly loss: number;
}

/** Something that trains: syngrad, or a peer. */
export interface Runner {
  /** Trains for about so many steps, the last loss read back. */
  run(steps: number): Promise<Timed>;
}

/** Seconds that one submit should take at most: long enough to hide the host. */
const CHUNK_SECONDS = 0.2;

/** Submits on their way at a time. */
const IN_FLIGHT = 2;

/** syngrad's own steps, in chunks as a training run has them. */
export class TrainerRunner implements Runner {
  readonly trainer: Trainer;
  #chunk = 1;

  constructor(trainer: Trainer) {
    this.trainer = trainer;
  }

  async run(steps: number): Promise<Timed> {
    const { trainer } = this;
    // Whole chunks, as the device's driver knows how long one of a certain size takes.
    const until = trainer.submitted + Math.ceil(steps / this.#chunk) * this.#chunk;
    const first = trainer.submitted;
    const flying: Chunk[] = [];
    const began = performance.now();
    let loss = Number.NaN;
    while (trainer.submitted < until || flying.length > 0) {
      while (trainer.submitted < until && flying.length < IN_FLIGHT) flying.push(trainer.submit(this.#chunk));
      const { losses } = await trainer.results(flying.shift()!);
      loss = losses.at(-1)!;
    }
    return { steps: until - first, seconds: (performance.now() - began) / 1e3, loss };
  }

  /** Takes larger chunks, up to what such a rate allows. */
  pace(stepsPerSecond: number): void {
    const most = Math.min(CHUNK_LIMIT, Math.max(1, CHUNK_SECONDS * stepsPerSecond));
    this.#chunk = 2 ** Math.floor(Math.log2(most));
  }
}

/** A number as JSON holds it, which is null for what is none. */
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN);

/** The losses of a peer's first steps. */
export async function firstLosses(peer: PeerProcess, steps: number, patience: number): Promise<number[]> {
  const { losses } = await peer.ask({ check: steps }, patience);
  return Array.isArray(losses) ? losses.map(numberOf) : [];
}

/** A peer's steps, timed by itself. */
export class PeerRunner implements Runner {
  readonly #peer: PeerProcess;
  readonly #patience: number;

  constructor(peer: PeerProcess, patience: number) {
    this.#peer = peer;
    this.#patience = patience;
  }

  async run(steps: number): Promise<Timed> {
    const answer = await this.#peer.ask({ run: steps }, this.#patience);
    const timed = {
      steps: Number(answer.steps),
      seconds: Number(answer.seconds),
      loss: numberOf(answer.loss),
    };
    if (!(timed.steps > 0 && timed.seconds > 0)) throw new PeerError(`no time in ${JSON.stringify(answer)}`);
    if (!Number.isFinite(timed.loss)) throw new PeerError('its loss is not finite any more');
    return timed;
  }
}

/** Milliseconds before each repeat in which the other's threads stop spinning (OpenMP's may go on for 200). */
const SETTLE_MS = 250;

/** Runs until a run takes at least a quarter of `seconds`; returns the steps that take about `seconds`. */
export async function calibrate(runner: Runner, seconds: number): Promise<number> {
  let steps = 1;
  // The first run compiles, allocates, and touches memory for the first time.
  await runner.run(steps);
  for (;;) {
    const timed = await runner.run(steps);
    const rate = timed.steps / Math.max(timed.seconds, 1e-6);
    if (runner instanceof TrainerRunner) runner.pace(rate);
    if (timed.seconds >= seconds / 4) {
      // Some compile anew for a run of another length: the same run again tells what it takes by itself.
      const again = await runner.run(steps);
      const faster = Math.max(rate, again.steps / Math.max(again.seconds, 1e-6));
      if (runner instanceof TrainerRunner) runner.pace(faster);
      if (again.seconds >= seconds / 4) return Math.max(1, Math.round(faster * seconds));
      steps = Math.max(again.steps + 1, Math.ceil(faster * seconds));
      continue;
    }
    // Towards the aim, but not by so much that a slow start is taken at its word.
    steps = Math.min(16 * timed.steps, Math.max(timed.steps + 1, Math.ceil(rate * seconds)));
  }
}

/** Rates of one pair of runs, one behind the other. */
export interface Pair {
  /** Steps a second. */
  readonly ours: number;
  readonly theirs: number;
}

/** Times two runners by turns: ours, theirs, ours, theirs, so that both see the same machine. */
export async function alternate(
  ours: { readonly runner: Runner; readonly steps: number },
  theirs: { readonly runner: Runner; readonly steps: number },
  repeats: number,
  settle = SETTLE_MS,
): Promise<readonly Pair[]> {
  const rate = async ({ runner, steps }: typeof ours): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, settle));
    const timed = await runner.run(steps);
    return timed.steps / timed.seconds;
  };
  await rate(ours);
  await rate(theirs);
  const pairs: Pair[] = [];
  for (let i = 0; i < repeats; i++) pairs.push({ ours: await rate(ours), theirs: await rate(theirs) });
  return pairs;
}
