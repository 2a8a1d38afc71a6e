import type { Dispatch } from './plan.ts';

/** A set of events: bit e is set when event e is in it. */
export type Events = bigint;

/** The set that holds every event. */
export const ALL_EVENTS: Events = -1n;

/**
 * Why a dispatch is there, which decides in which steps it is left out.
 *
 * - a number: it is the effect of that event (a parameter update), and runs in the steps that have the event
 * - `always`: it runs in every step
 * - `observe`: it looks at what it reads whenever that is made for others, and makes nobody work for it
 * - nothing: it runs when a dispatch behind it that runs reads what it writes
 */
export type Role = number | 'always' | 'observe' | undefined;

/** Whether a step with these events runs a dispatch with these needs: in a step without any, only what always runs. */
export const runsIn = (needs: Events, events: Events): boolean =>
  events === ALL_EVENTS || needs === ALL_EVENTS || (needs & events) !== 0n;

const accessed = ({ kernel, tensors }: Dispatch, access: 'read' | 'read_write'): GPUBuffer[] =>
  Object.entries(kernel.spec.buffers)
    .filter(([, declared]) => declared === access)
    .map(([name]) => tensors[name]!.buffer);

/**
 * For each dispatch the events that need it: of whatever a step does not need nothing is run. Found backwards, as a
 * compiler finds what lives: a dispatch is needed by whoever needs the tensors it writes.
 *
 * Of a tensor that several dispatches write, the earlier ones are needed as well: `read_write` does not tell a kernel
 * that overwrites from one that updates in place, and an effect may be left out.
 */
export function neededFor(dispatches: readonly Dispatch[]): Events[] {
  const needs: Events[] = dispatches.map(() => 0n);
  // Of each buffer: the events that need what is in it at this point of the step.
  const live = new Map<GPUBuffer, Events>();
  for (let i = dispatches.length - 1; i >= 0; i--) {
    const dispatch = dispatches[i]!;
    const { role } = dispatch;
    if (role === 'observe') continue;
    const written = accessed(dispatch, 'read_write');
    if (typeof role === 'number') needs[i] = 1n << BigInt(role);
    else if (role === 'always') needs[i] = ALL_EVENTS;
    else needs[i] = written.reduce((events, buffer) => events | (live.get(buffer) ?? 0n), 0n);
    for (const buffer of [...written, ...accessed(dispatch, 'read')]) {
      live.set(buffer, (live.get(buffer) ?? 0n) | needs[i]!);
    }
  }
  // An observer runs with whoever made the first thing it reads.
  const maker = new Map<GPUBuffer, Events>();
  dispatches.forEach((dispatch, i) => {
    if (dispatch.role === 'observe') needs[i] = maker.get(accessed(dispatch, 'read')[0]!) ?? 0n;
    else for (const buffer of accessed(dispatch, 'read_write')) maker.set(buffer, needs[i]!);
  });
  return needs;
}
