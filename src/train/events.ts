import type { Events } from '../gpu/liveness.ts';

// What may happen in a step, as bits: each layer's update, and each model's. A step without an event leaves out all
// that is done for it alone.

/** Layers and models that have events of their own. */
export const MOST_LAYERS = 32;

/** The event that layer i is updated; i is counted from 0, the output layer included. */
export const layerEvent = (i: number): number => i;

/** The event that model i beside the network is updated, counted from 0. */
export const modelEvent = (i: number): number => MOST_LAYERS + i;

/** A set of events from the events in it. */
export const eventSet = (events: Iterable<number>): Events => {
  let set = 0n;
  for (const event of events) set |= 1n << BigInt(event);
  return set;
};

/** Whether an event is in a set. */
export const hasEvent = (set: Events, event: number): boolean => ((set >> BigInt(event)) & 1n) === 1n;
