import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { submitAlone } from '../../src/gpu/check.ts';
import { ALL_EVENTS, type Events, neededFor, type Role, runsIn } from '../../src/gpu/liveness.ts';
import type { Dispatch } from '../../src/gpu/plan.ts';
import { writeTensor } from '../../src/tensor.ts';
import { useDevice } from '../support/device.ts';
import { Random, Sketch } from '../support/kernel.ts';

const device = useDevice();

let plan: Sketch;
beforeEach(() => {
  plan = new Sketch(device.gpu, 'liveness');
});
afterEach(() => plan.destroy());

/** What each dispatch is needed for: its label and its events, by number. */
const needs = (): [string, number[] | 'all'][] =>
  plan.dispatches.map(({ label }, i) => {
    const events = plan.needs[i]!;
    const numbers = Array.from({ length: 64 }, (_, e) => e).filter((e) => (events >> BigInt(e)) & 1n);
    return [label, events === ALL_EVENTS ? 'all' : numbers];
  });

describe('what each dispatch is needed for', () => {
  it('in a chain: all that leads to the update, nothing behind it', () => {
    plan.relu('x', 'a');
    plan.relu('a', 'b');
    plan.update('b', 'p', 3);
    plan.relu('b', 'c');
    plan.relu('p', 'd');
    expect(needs()).toEqual([
      ['a', [3]],
      ['b', [3]],
      ['p', [3]],
      ['c', []],
      ['d', []],
    ]);
  });

  it('in a fork and in a diamond: what both sides need, for both', () => {
    plan.relu('x', 'a');
    plan.relu('a', 'left');
    plan.relu('a', 'right');
    plan.mix('left', 'right', 'both');
    plan.update('left', 'p', 0);
    plan.update('both', 'q', 40);
    expect(needs()).toEqual([
      ['a', [0, 40]],
      ['left', [0, 40]],
      ['right', [40]],
      ['both', [40]],
      ['p', [0]],
      ['q', [40]],
    ]);
  });

  it('of an update that reads what another one has written: its own event only', () => {
    plan.relu('x', 'a');
    plan.update('a', 'p', 0);
    plan.relu('p', 'b');
    plan.update('b', 'q', 1);
    // In a step without event 0, event 1 takes p as it is.
    expect(needs()).toEqual([
      ['a', [0]],
      ['p', [0]],
      ['b', [1]],
      ['q', [1]],
    ]);
  });

  it('of an update of what this step has made: whoever reads it afterwards needs what was there', () => {
    plan.relu('x', 'p');
    plan.relu('x', 'g');
    plan.update('g', 'p', 0);
    plan.update('p', 'q', 1);
    expect(needs()).toEqual([
      ['p', [0, 1]],
      ['g', [0]],
      ['p', [0]],
      ['q', [1]],
    ]);
  });

  it('of a tensor that is updated in place: what was there, and what it is updated with', () => {
    plan.relu('x', 'sum');
    plan.relu('y', 'g');
    plan.update('g', 'sum');
    plan.update('sum', 'p', 2);
    expect(needs().map(([, events]) => events)).toEqual([[2], [2], [2], [2]]);
  });

  it('of a tensor written twice: a reader between the two needs the first, a later one both', () => {
    plan.relu('x', 'a');
    plan.update('a', 'p', 0);
    plan.relu('y', 'a');
    plan.update('a', 'q', 1);
    expect(needs()).toEqual([
      ['a', [0, 1]],
      ['p', [0]],
      ['a', [1]],
      ['q', [1]],
    ]);
  });

  it('of what always runs: everything in every step', () => {
    plan.relu('x', 'a');
    plan.relu('x', 'b');
    plan.relu('a', 'c', 'always');
    plan.update('b', 'p', 1);
    expect(needs()).toEqual([
      ['a', 'all'],
      ['b', [1]],
      ['c', 'all'],
      ['p', [1]],
    ]);
  });

  it('of an observer: what the last maker of the first tensor it reads is needed for', () => {
    plan.look('a', 'flag before');
    plan.relu('x', 'a');
    plan.look('a', 'flag after');
    plan.relu('a', 'b');
    plan.look('b', 'flag of b');
    plan.update('a', 'p', 1);
    plan.update('b', 'q', 2);
    plan.look('p', 'flag of p');
    plan.relu('x', 'dead');
    plan.look('dead', 'flag of dead');
    plan.look('x', 'flag of x');
    expect(needs()).toEqual([
      ['flag before', []],
      ['a', [1, 2]],
      ['flag after', [1, 2]],
      ['b', [2]],
      ['flag of b', [2]],
      ['p', [1]],
      ['q', [2]],
      ['flag of p', [1]],
      ['dead', []],
      ['flag of dead', []],
      ['flag of x', []],
    ]);
  });

  it('of an observer whose flag an update reads: nothing is made for it', () => {
    plan.relu('x', 'a');
    plan.relu('a', 'b');
    plan.look('b', 'flag down');
    plan.update('a', 'p', 0);
    plan.update('b', 'q', 1);
    expect(needs()).toEqual([
      ['a', [0, 1]],
      ['b', [1]],
      ['flag down', [1]],
      ['p', [0]],
      ['q', [1]],
    ]);
  });

  it('is known for dispatches that are recorded later, and for none', () => {
    expect(plan.needs).toEqual([]);
    plan.relu('x', 'a');
    expect(needs()).toEqual([['a', []]]);
    plan.update('a', 'p', 5);
    expect(needs()).toEqual([
      ['a', [5]],
      ['p', [5]],
    ]);
  });

  it('decides which run: with every event all, without any what always runs', () => {
    for (const own of [0n, 1n, 6n, ALL_EVENTS]) expect(runsIn(own, ALL_EVENTS)).toBe(true);
    for (const events of [0n, 1n, 1n << 63n]) expect(runsIn(ALL_EVENTS, events)).toBe(true);
    expect([runsIn(6n, 1n), runsIn(6n, 2n), runsIn(6n, 9n), runsIn(0n, 7n), runsIn(6n, 0n)]).toEqual([
      false,
      true,
      false,
      false,
      false,
    ]);
  });
});

const LENGTH = 14;
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** Records a random plan over few tensors, most of which are written more than once; 4 events, some always. */
function randomPlan(seed: number): void {
  const random = new Random(seed);
  const name = () => NAMES[random.below(NAMES.length)]!;
  for (let i = 0; i < LENGTH; i++) {
    const kind = random.below(8);
    const role = [undefined, undefined, undefined, 0, 1, 2, 3, 'always'][random.below(8)] as Role;
    const y = name();
    // A dispatch does not read what it writes, unless by updating it.
    const other = () => NAMES.filter((n) => n !== y)[random.below(NAMES.length - 1)]!;
    if (kind < 3) plan.relu(other(), y, role);
    else if (kind < 5) plan.mix(other(), other(), y, role);
    else if (kind < 7) plan.update(other(), y, role);
    else plan.look(name(), 'flag down');
  }
}

const buffers = ({ kernel, tensors: bound }: Dispatch, access: string) =>
  Object.entries(kernel.spec.buffers)
    .filter(([, a]) => a === access)
    .map(([n]) => bound[n]!.buffer);

/** Whether the event reaches the dispatch, by walking from each dispatch to all that may use what it has written. */
function reaches(dispatches: readonly Dispatch[], from: number, event: number): boolean {
  const { role } = dispatches[from]!;
  if (role === 'always' || role === event) return true;
  const written = buffers(dispatches[from]!, 'read_write');
  // An update that does not happen in such a step is not a way to anything.
  const walk = dispatches.flatMap((d, j) => {
    const meets = [...buffers(d, 'read'), ...buffers(d, 'read_write')].some((b) => written.includes(b));
    return j > from && d.role !== 'observe' && meets ? [j] : [];
  });
  return typeof role !== 'number' && walk.some((j) => reaches(dispatches, j, event));
}

describe('random plans', () => {
  it.each(Array.from({ length: 30 }, (_, i) => i + 1))(
    'need what a walk along all paths finds, seed %i',
    (seed) => {
      randomPlan(seed);
      const { dispatches } = plan;
      const found = neededFor(dispatches);
      dispatches.forEach((d, i) => {
        if (d.role === 'observe') return;
        // Event 63 is nobody's: what it needs is what always runs.
        for (const event of [0, 1, 2, 3, 63]) {
          const expected = reaches(dispatches, i, event);
          expect(((found[i]! >> BigInt(event)) & 1n) === 1n, `${i} ${d.label}, event ${event}`).toBe(
            expected,
          );
        }
        expect(found[i]! === ALL_EVENTS || found[i]! < 16n).toBe(true);
      });
    },
  );

  it.each([101, 102, 103, 104, 105, 106])(
    'give each update that happens the same bits as if nothing else were left out, seed %i',
    async (seed) => {
      const { gpu } = device;
      randomPlan(seed);
      for (const name of NAMES) plan.t(name);
      await plan.ready();
      const { dispatches } = plan;
      const reset = () => {
        const random = new Random(seed).fork('start');
        writeTensor(gpu, plan.t('table'), Float32Array.of(0.5, 0, 0, 0));
        for (const name of NAMES) {
          writeTensor(
            gpu,
            plan.t(name),
            Float32Array.from({ length: Sketch.N }, () => random.normal()),
          );
        }
      };
      const happens = ({ role }: Dispatch, events: Events) =>
        role === 'always' || (typeof role === 'number' && ((events >> BigInt(role)) & 1n) === 1n);
      for (const events of [0n, 1n, 6n, 8n, 15n]) {
        // A tensor counts if the last to write it, of those that run, is an update that happens.
        const last = new Map<GPUBuffer, Dispatch>();
        for (const d of dispatches) {
          if (d.role === 'observe' || (typeof d.role === 'number' && !happens(d, events))) continue;
          for (const b of buffers(d, 'read_write')) last.set(b, d);
        }
        reset();
        for (const d of dispatches) if (typeof d.role !== 'number' || happens(d, events)) submitAlone(gpu, d);
        const expected = new Map<GPUBuffer, Uint32Array>();
        for (const [b, d] of last) {
          if (happens(d, events)) expected.set(b, new Uint32Array(await gpu.read(b)));
        }
        reset();
        plan.submit([events]);
        for (const [b, bits] of expected) {
          expect(new Uint32Array(await gpu.read(b)), `${b.label}, events ${events}`).toEqual(bits);
        }
      }
    },
  );
});
