import { encodePass } from '../gpu/alone.ts';
import { type DispatchTime, encodeProfiledSteps, MOST_PROFILED, type Profile } from '../gpu/profile.ts';
import { CHUNK_LIMIT, type Trainer } from './trainer.ts';

/** How a trainer's steps are run: its plan once for each, or, of a wave, a few turns more, to fill and to drain. */
export interface Turns {
  /** Steps that a turn of the plan does, once all layers are at work. */
  readonly steps: number;
  /** Turns more than steps need by themselves. */
  readonly extra: number;
}

/** Profiled turns of a trainer's plan, all of them with every layer at work. */
export interface ProfiledTurns {
  readonly turns: readonly (readonly DispatchTime[])[];
  /** Wall-clock seconds of a turn: tables, encoding, submit, run. */
  readonly seconds: number;
}

/** How a trainer's steps are run. */
export function turnsOf({ driver }: Trainer): Turns {
  const [one, more] = [driver.turns(1), 8];
  return { steps: Math.round(more / (driver.turns(1 + more) - one)), extra: one - 1 };
}

/** Profiles, read one after the other. */
async function readAll(profiles: readonly Profile[]): Promise<DispatchTime[][]> {
  const found: DispatchTime[][] = [];
  for (const profile of profiles) found.push(await profile.read());
  return found;
}

/**
 * Runs a trainer's next steps with a pass and two timestamps for each dispatch, until `count` turns of its plan have been
 * profiled. They are steps like any other: the next one goes on from them.
 *
 * @throws InputError when the device has no `timestamp-query`; whatever {@link Trainer.results} throws.
 */
export async function profileTurns(trainer: Trainer, count: number, turns: Turns): Promise<ProfiledTurns> {
  const { gpu, plan } = trainer;
  const { steps, extra } = turns;
  // As many in a submit as one query set would hold, and so that the step table does.
  const fit = Math.floor(MOST_PROFILED / plan.dispatches.length) - 2 * extra;
  const most = Math.max(1, Math.min(fit, Math.floor(CHUNK_LIMIT / steps) - extra));
  const found: DispatchTime[][] = [];
  let taken = 0;
  let seconds = 0;
  while (found.length < count) {
    const wanted = Math.min(most, count - found.length);
    const profiles: Profile[] = [];
    const began = performance.now();
    const chunk = trainer.submit(steps * (wanted + extra), (encoder, all) => {
      const each = all.map((events) => plan.runBy(events));
      profiles.push(...encodeProfiledSteps(gpu, each, encoder));
    });
    // Waits for the steps, too.
    const first = await profiles[0]!.read();
    seconds += (performance.now() - began) / 1e3;
    // The turns that fill and drain a wave do as many layers' work, all together, as half of them would.
    taken += wanted + extra;
    const all = [first, ...(await readAll(profiles.slice(1)))];
    await trainer.results(chunk);
    found.push(...all.slice(extra, all.length - extra).slice(0, wanted));
  }
  return { turns: found, seconds: seconds / taken };
}

/**
 * Leaves a trainer in the middle of its steps, with every layer at work, so that a dispatch that is repeated alone finds
 * what it finds in training. The trainer is of no use afterwards but for that.
 */
export async function stopMidway(trainer: Trainer, { steps, extra }: Turns): Promise<void> {
  const { gpu, plan } = trainer;
  const chunk = trainer.submit(steps * (2 * extra + 2), (encoder, all) => {
    const some = all.slice(0, extra + 1).flatMap((events) => plan.runBy(events));
    encodePass(encoder, plan.label, some);
  });
  chunk.readback.cancel();
  await gpu.idle();
}
