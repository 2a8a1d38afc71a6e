import { wallSlope } from '../src/gpu/alone.ts';
import { type DispatchTime, infoOf } from '../src/gpu/profile.ts';
import { layerRows } from '../src/report/profile/layers.ts';
import type { MethodProfile, Roof, Spread, TimedDispatch, Unprofiled } from '../src/report/profile/record.ts';
import {
  gpuSecondsOf,
  kernelRows,
  rooflineSeconds,
  spanSeconds,
  spreadOf,
  timedDispatches,
} from '../src/report/profile/rows.ts';
import { fromSlopes } from '../src/report/profile/slopes.ts';
import { inspectTimestamps } from '../src/report/profile/timestamps.ts';
import { profileTurns, stopMidway, type Turns, turnsOf } from '../src/train/profile.ts';
import { CHUNK_LIMIT, type Chunk, type Trainer } from '../src/train/trainer.ts';

/** Seconds that a chunk of steps should take at least, as in training. */
const CHUNK_SECONDS = 0.2;

/** Chunks behind the median at least and at most, and the seconds that they should fill. */
const REPEATS = { least: 5, most: 100, seconds: 1 };

/** Chunks before the first that counts, beside those that find their size: until waits have settled. */
const WARM_UP = 3;

/** Chunks on their way at a time, as in training. */
const IN_FLIGHT = 2;

/** Steps a second with nobody looking: chunks as in training, timed from one result to the next. */
export async function throughput(trainer: Trainer): Promise<Unprofiled> {
  await trainer.ready();
  await trainer.gpu.idle();
  const alone = async (count: number): Promise<number> => {
    const began = performance.now();
    await trainer.results(trainer.submit(count));
    return (performance.now() - began) / 1e3;
  };
  let count = 1;
  await alone(count);
  let took = await alone(count);
  while (2 * took <= CHUNK_SECONDS && count < CHUNK_LIMIT) {
    count *= 2;
    took = await alone(count);
  }
  // A wave that did little but fill and drain would be measured for what it is not.
  const least = Math.min(trainer.driver.leastSteps ?? 1, CHUNK_LIMIT);
  if (count < least) {
    count = least;
    took = await alone(count);
  }
  const repeats = Math.min(REPEATS.most, Math.max(REPEATS.least, Math.ceil(REPEATS.seconds / took)));
  const rates: number[] = [];
  let host = 0;
  const flying: Chunk[] = [];
  try {
    let before = 0;
    // One more than is timed, since the first has nothing before it that it could be timed from.
    for (let submitted = 0, done = 0; done < WARM_UP + repeats + 1; done++) {
      while (flying.length < IN_FLIGHT && submitted < WARM_UP + repeats + 1) {
        const began = performance.now();
        flying.push(trainer.submit(count));
        if (submitted++ >= WARM_UP) host += performance.now() - began;
      }
      await trainer.results(flying.shift()!);
      const now = performance.now();
      if (done > WARM_UP) rates.push((1e3 * count) / (now - before));
      before = now;
    }
  } finally {
    for (const chunk of flying) chunk.readback.cancel();
  }
  return { steps: count, stepsPerSecond: spreadOf(rates), hostSeconds: host / 1e3 / (count * (repeats + 1)) };
}

/** The dispatches of a step, each repeated alone and timed by the wall clock; equal ones are timed once. */
async function slopedDispatches({ gpu, plan }: Trainer, turns: Turns) {
  const known = new Map<string, Spread | null>();
  const dispatches: TimedDispatch[] = [];
  const slopes = { pairs: 0, notPositive: 0 };
  for (const dispatch of plan.dispatches) {
    const info = infoOf(dispatch);
    const key = JSON.stringify([info.kernel, info.constants, dispatch.params]);
    if (!known.has(key)) {
      const { samples } = await wallSlope(gpu, dispatch);
      const found = fromSlopes(samples);
      known.set(key, found.seconds);
      slopes.pairs += found.slopes.pairs;
      slopes.notPositive += found.slopes.notPositive;
    }
    dispatches.push({ ...info, calls: 1 / turns.steps, seconds: known.get(key)! });
  }
  return { dispatches, slopes };
}

/** What dispatches took, and how that is known. */
interface Dispatches
  extends Pick<MethodProfile, 'steps' | 'spanSeconds' | 'profiledWallSeconds' | 'timestamps' | 'slopes'> {
  readonly dispatches: readonly TimedDispatch[];
}

/** A method's profile without what was known before its steps ran, and the steps themselves for a trace. */
export interface StepsProfile {
  readonly profile: Omit<MethodProfile, 'method' | 'schedule' | 'check'>;
  readonly traced: readonly (readonly DispatchTime[])[];
}

async function byTimestamps(trainer: Trainer, steps: number, turns: Turns) {
  // The first may have to wait for memory.
  await profileTurns(trainer, 1, turns);
  const profiled = await profileTurns(trainer, Math.ceil(steps / turns.steps), turns);
  const timestamps = inspectTimestamps(profiled.turns.flat());
  const span = spanSeconds(profiled.turns);
  const found: Dispatches = {
    steps: profiled.turns.length * turns.steps,
    spanSeconds: span === null ? null : span / turns.steps,
    profiledWallSeconds: profiled.seconds / turns.steps,
    timestamps,
    slopes: null,
    dispatches: timedDispatches(profiled.turns, timestamps, turns.steps),
  };
  return { found, traced: profiled.turns };
}

async function bySlopes(trainer: Trainer, turns: Turns): Promise<Dispatches> {
  await stopMidway(trainer, turns);
  const none = { steps: 0, spanSeconds: null, profiledWallSeconds: null, timestamps: null };
  return { ...none, ...(await slopedDispatches(trainer, turns)) };
}

/** Measures a trainer's steps: first unprofiled, then under the profiler, or else dispatch by dispatch. */
export async function profileTrainer(
  trainer: Trainer,
  roof: Roof,
  { steps, timestamps }: { readonly steps: number; readonly timestamps: boolean },
): Promise<StepsProfile> {
  const unprofiled = await throughput(trainer);
  const turns = turnsOf(trainer);
  const { found, traced } = timestamps
    ? await byTimestamps(trainer, steps, turns)
    : { found: await bySlopes(trainer, turns), traced: [] };
  const { dispatches } = found;
  const sum = (of: (dispatch: TimedDispatch) => number) =>
    dispatches.reduce((all, dispatch) => all + dispatch.calls * of(dispatch), 0);
  const profile = {
    unprofiled,
    ...found,
    dispatchesPerStep: sum(() => 1),
    gpuSeconds: gpuSecondsOf(dispatches),
    rooflineSeconds: sum((dispatch) => rooflineSeconds(dispatch, roof)),
    kernels: kernelRows(dispatches, roof),
    layers: layerRows(dispatches, roof),
  };
  return { profile, traced };
}
