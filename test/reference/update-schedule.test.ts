import { afterEach, describe, expect, test, vi } from 'vitest';
import { Random } from '../../src/data/random.ts';
import { ALL_EVENTS, type Events } from '../../src/gpu/liveness.ts';
import { adamCorrection } from '../../src/reference/adam.ts';
import { eventSet, hasEvent, layerEvent, MOST_LAYERS, modelEvent } from '../../src/train/events.ts';
import { ADAM } from '../../src/train/optimizer.ts';
import { rules } from '../../src/train/rules.ts';
import type { TrainOptions } from '../../src/train/trainer.ts';
import { UpdateSchedule } from '../../src/train/update-schedule.ts';

const LAYERS = 4;

/** The events that a rule's step has when nothing is left out. */
function updatingOf(name: string, layers = LAYERS): number[] {
  const rule = rules.get(name)!;
  const shape = { inputs: 6, hidden: 5, layers, classes: 3 };
  const all = Array.from({ length: layers }, (_, i) => i);
  const learning = all.filter((i) => rule.updates?.(i, shape) ?? true);
  const models = new Set(all.flatMap((i) => rule.modelsOf?.(i, shape) ?? []));
  return [...learning.map(layerEvent), ...[...models].map(modelEvent)];
}

function schedule(name: string, given: Partial<TrainOptions> = {}, layers = LAYERS): UpdateSchedule {
  const rule = rules.get(name)!;
  const common = { rule, hidden: 5, layers, batchSize: 7, learningRate: 0.01, lrDrops: [], seed: 11 };
  const options: TrainOptions = { ...common, ...given };
  // Of its step table an optimizer reads nothing before it records.
  const shape = { inputs: 6, hidden: 5, layers, classes: 3 };
  return new UpdateSchedule(options, shape, updatingOf(name, layers));
}

const take = (s: UpdateSchedule, steps: number, first = 0): Events[] =>
  Array.from({ length: steps }, (_, i) => s.next(first + i).events);

/** The layers of a set, without the models. */
const layersOf = (events: Events): Events => events & ((1n << BigInt(MOST_LAYERS)) - 1n);

afterEach(() => vi.restoreAllMocks());

describe('events', () => {
  test('of layers and models are all different, and are found in the set made of them', () => {
    const all = Array.from({ length: MOST_LAYERS }, (_, i) => [layerEvent(i), modelEvent(i)]).flat();
    expect(new Set(all).size).toBe(2 * MOST_LAYERS);
    const some = [layerEvent(0), layerEvent(31), modelEvent(0), modelEvent(61)];
    const set = eventSet(some);
    for (const event of [...all, modelEvent(61)]) expect(hasEvent(set, event)).toBe(some.includes(event));
    expect(eventSet([])).toBe(0n);
    for (const event of all) expect(hasEvent(ALL_EVENTS, event)).toBe(true);
  });
});

describe('with update probability 1', () => {
  test.each([...rules.keys()])('%s: nothing is drawn, and all that may happen does', (name) => {
    const uniform = vi.spyOn(Random.prototype, 'uint32');
    const s = schedule(name, { updateProbability: 1 });
    uniform.mockClear();
    const steps = take(s, 20);
    expect(uniform).not.toHaveBeenCalled();
    const delayed = name === 'delayed-bp';
    expect(s.everything).toBe(!delayed);
    const last = delayed ? eventSet(updatingOf(name)) : ALL_EVENTS;
    expect(steps.at(-1)).toBe(last);
    if (!delayed) expect(new Set(steps)).toEqual(new Set([ALL_EVENTS]));
  });

  test("every event has a row, and what is nobody's has one that changes nothing", () => {
    const { row } = schedule('cdni').next(0);
    for (const event of updatingOf('cdni')) expect(row(event).stepSize).toBeGreaterThan(0);
    expect(row(modelEvent(9))).toEqual({ stepSize: 0, epsHat: 1 });
  });

  test('a step is everything only without warm-up, delay and chance', () => {
    expect(schedule('cdni').everything).toBe(true);
    expect(schedule('cdni', { sgWarmup: 0, updateProbability: 1 }).everything).toBe(true);
    expect(schedule('cdni', { sgWarmup: 1 }).everything).toBe(false);
    expect(schedule('bp', { updateProbability: 0.999 }).everything).toBe(false);
    expect(schedule('delayed-bp').everything).toBe(false);
  });
});

describe('draws', () => {
  const P = 0.3;

  test('come from the seed: the same again, and others for other seeds', () => {
    const drawn = (seed: number) => take(schedule('bp', { seed, updateProbability: P }), 64);
    expect(drawn(5)).toEqual(drawn(5));
    expect(drawn(5)).not.toEqual(drawn(6));
  });

  test('do not depend on the probability: what happens at a lower one happens at a higher one', () => {
    const low = take(schedule('bp', { updateProbability: 0.2 }), 200);
    const high = take(schedule('bp', { updateProbability: 0.6 }), 200);
    low.forEach((events, i) => {
      expect(events & high[i]!).toBe(events);
    });
    expect(low).not.toEqual(high);
  });

  test.each([...rules.keys()])('are the same for %s as for bp, layer by layer and step by step', (name) => {
    const shape = { inputs: 6, hidden: 5, layers: LAYERS, classes: 3 };
    const rule = rules.get(name)!;
    const bp = take(schedule('bp', { updateProbability: P }), 300);
    const own = take(schedule(name, { updateProbability: P, optimizer: 'sgd', learningRate: 1 }), 300);
    own.forEach((events, step) => {
      const may = Array.from({ length: LAYERS }, (_, i) => i).filter(
        (i) =>
          (rule.updates?.(i, shape) ?? true) && step >= (rule.delay?.(i, shape, { delay: 'pipelined' }) ?? 0),
      );
      const expected = may.filter((i) => hasEvent(bp[step]!, layerEvent(i)));
      expect(layersOf(events), `step ${step}`).toBe(eventSet(expected.map(layerEvent)));
    });
  });

  // A binomial count is within 4.5 standard deviations of its mean but for 7 of a million.
  test.each([0.05, 0.2, 0.5, 0.9])('happen with probability %d in each layer, and independently', (p) => {
    const STEPS = 20_000;
    const drawn = take(schedule('bp', { updateProbability: p }), STEPS);
    const within = (count: number, trials: number, q: number, what: string) =>
      expect(Math.abs(count - trials * q), what).toBeLessThan(4.5 * Math.sqrt(trials * q * (1 - q)));
    for (let i = 0; i < LAYERS; i++) {
      const mine = drawn.map((events) => hasEvent(events, layerEvent(i)));
      within(mine.filter(Boolean).length, STEPS, p, `layer ${i}`);
      // Two steps in a row share a step with their neighbours, so only every other pair counts.
      const pairs = mine.filter((now, t) => t % 2 === 1 && now && mine[t - 1]!).length;
      within(pairs, STEPS / 2, p * p, `layer ${i}, two steps in a row`);
      for (let j = i + 1; j < LAYERS; j++) {
        const both = drawn.filter((events, t) => mine[t]! && hasEvent(events, layerEvent(j))).length;
        within(both, STEPS, p * p, `layers ${i} and ${j}`);
      }
    }
  });

  test('a check leaves nothing out, and leaves the draws of the steps behind it as they are', () => {
    const options = { updateProbability: P, sgWarmup: 5 };
    const plain = take(schedule('cdni', options), 12);
    const s = schedule('cdni', options);
    const before = take(s, 4);
    const checked = s.next(4, true);
    expect(checked.events).toBe(eventSet(updatingOf('cdni')));
    for (const event of updatingOf('cdni')) expect(checked.row(event).stepSize).toBeGreaterThan(0);
    expect([...before, ...take(s, 7, 5)]).toEqual([...plain.slice(0, 4), ...plain.slice(5)]);
    expect(schedule('cdni').next(0, true).events).toBe(ALL_EVENTS);
  });
});

describe('models', () => {
  test.each([
    // Which models go with which layer, of 4 layers.
    ['dni', [[], [0], [1], [2]]],
    ['cdni', [[], [0], [1], [2]]],
    ['bisong', [[], [0], [1], [2]]],
    ['unlocked', [[3], [0, 4], [1, 5], [2]]],
    ['dgl', [[0], [1], [2], []]],
    ['dfa', [[], [], [], []]],
  ])('of %s learn in the steps of their layers', (name, models) => {
    const steps = take(schedule(name, { updateProbability: 0.4 }), 200);
    for (const events of steps) {
      const layers = models.map((_, i) => i).filter((i) => hasEvent(events, layerEvent(i)));
      const expected = layers.flatMap((i) => [layerEvent(i), ...models[i]!.map(modelEvent)]);
      expect(events).toBe(eventSet(expected));
    }
    // All that happens, has happened.
    expect(steps.reduce((a, b) => a | b)).toBe(eventSet(updatingOf(name)));
  });

  test('warm up while the hidden layers wait and the output layer learns', () => {
    const steps = take(schedule('cdni', { sgWarmup: 6 }), 9);
    const waiting = eventSet([layerEvent(3), modelEvent(0), modelEvent(1), modelEvent(2)]);
    expect(steps.slice(0, 6)).toEqual(new Array(6).fill(waiting));
    expect(steps.slice(6)).toEqual(new Array(3).fill(eventSet(updatingOf('cdni'))));
  });

  test('warm up by the same draws as they learn by later', () => {
    const options = { updateProbability: 0.4 };
    const plain = take(schedule('cdni', options), 40);
    const warm = take(schedule('cdni', { ...options, sgWarmup: 25 }), 40);
    const hidden = eventSet([0, 1, 2].map(layerEvent));
    expect(warm).toEqual(plain.map((events, step) => (step < 25 ? events & ~hidden : events)));
  });
});

describe('late gradients', () => {
  test.each([2, 4, 7])('of %i layers: none is updated before its first has come', (layers) => {
    const steps = take(schedule('delayed-bp', {}, layers), 2 * layers + 3);
    for (let i = 0; i < layers; i++) {
      const first = steps.findIndex((events) => hasEvent(events, layerEvent(i)));
      expect(first, `layer ${i}`).toBe(2 * (layers - 1 - i));
      expect(steps.slice(first).every((events) => hasEvent(events, layerEvent(i)))).toBe(true);
    }
  });
});

describe('step sizes', () => {
  test('are the learning rate of layers or of models, dropped at the same steps', () => {
    const options = { optimizer: 'sgd', learningRate: 0.5, sgLearningRate: 2, lrDrops: [3, 5] } as const;
    const s = schedule('cdni', options);
    for (let step = 0; step < 8; step++) {
      const { row } = s.next(step);
      const drop = step < 3 ? 1 : step < 5 ? 10 : 100;
      expect(row(layerEvent(1)), `step ${step}`).toEqual({ stepSize: 0.5 / drop, epsHat: 0 });
      expect(row(modelEvent(1)), `step ${step}`).toEqual({ stepSize: 2 / drop, epsHat: 0 });
    }
    const { row } = schedule('cdni', { ...options, sgLearningRate: undefined }).next(0);
    expect(row(modelEvent(1)).stepSize).toBe(0.5);
  });

  test("of Adam count each event's own updates, and follow the steps' learning rate", () => {
    const given = { learningRate: 0.5, sgLearningRate: 2, lrDrops: [30] };
    const s = schedule('cdni', { ...given, updateProbability: 0.3, sgWarmup: 10 });
    const times = new Map<number, number>();
    for (let step = 0; step < 60; step++) {
      const { events, row } = s.next(step);
      for (const event of updatingOf('cdni')) {
        if (!hasEvent(events, event)) {
          expect(row(event)).toEqual({ stepSize: 0, epsHat: 1 });
          continue;
        }
        const t = (times.get(event) ?? 0) + 1;
        times.set(event, t);
        const rate = (event < MOST_LAYERS ? 0.5 : 2) / (step < 30 ? 1 : 10);
        expect(row(event), `event ${event}, step ${step}`).toEqual(adamCorrection(rate, t, ADAM));
      }
    }
    // Otherwise the counts would have been the steps all the same.
    expect(Math.max(...times.values())).toBeLessThan(40);
  });

  test('are kept: a row asked for later is the one of its step', () => {
    const s = schedule('bp', { optimizer: 'momentum', learningRate: 1, lrDrops: [1] });
    const [first, second] = [s.next(0), s.next(1)];
    expect([first.row(0).stepSize, second.row(0).stepSize]).toEqual([1, 0.1]);
  });
});

describe('counts', () => {
  test('are of layers updated, models aside, and of steps in which nothing happens', () => {
    const s = schedule('cdni', { updateProbability: 0.1, sgWarmup: 20 });
    expect(s.counts).toEqual({ steps: 0, layerUpdates: 0, idleSteps: 0 });
    const steps = take(s, 300);
    const layers = steps.flatMap((events) => [0, 1, 2, 3].filter((i) => hasEvent(events, layerEvent(i))));
    const idle = steps.filter((events) => events === 0n);
    expect(s.counts).toEqual({ steps: 300, layerUpdates: layers.length, idleSteps: idle.length });
    // 0.9^4 of the steps, about.
    expect(idle.length).toBeGreaterThan(150);
    expect(idle.length).toBeLessThan(250);
  });

  test('of a rule of which only the output layer learns', () => {
    const s = schedule('no-bp');
    take(s, 7);
    expect(s.counts).toEqual({ steps: 7, layerUpdates: 7, idleSteps: 0 });
  });
});
