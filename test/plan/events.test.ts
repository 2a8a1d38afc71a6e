import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALL_EVENTS, type Events } from '../../src/gpu/liveness.ts';
import { matmulNNCpu } from '../../src/kernels/matmul.ts';
import { stepAdvance } from '../../src/kernels/metrics.ts';
import * as record from '../../src/kernels/record.ts';
import { delayed, mix, sigmoidBackward } from '../../src/kernels/record-models.ts';
import { writeTensor } from '../../src/tensor.ts';
import { useDevice } from '../support/device.ts';
import { Sketch } from '../support/kernel.ts';

const device = useDevice();
const { N } = Sketch;
const SENTINEL = new Float32Array(N).fill(-12345);

let plan: Sketch;
beforeEach(() => {
  plan = new Sketch(device.gpu, 'events');
  // Two layers that share a trunk, their updates, one that reads the other's parameter, what looks, what always runs,
  // and what nobody needs.
  plan.relu('x', 'trunk');
  plan.look('trunk', 'flag of trunk');
  plan.relu('trunk', 'left');
  plan.mix('trunk', 'x', 'right');
  plan.look('right', 'flag of right');
  plan.update('left', 'p', 0);
  plan.update('right', 'q', 1);
  plan.mix('q', 'x', 'of q');
  plan.update('of q', 'r', 33);
  plan.relu('right', 'dead');
  plan.relu('x', 'clockwork', 'always');
});
afterEach(() => plan.destroy());

const set = (...events: number[]): Events => events.reduce((s, e) => s | (1n << BigInt(e)), 0n);

/** What a step with these events is to run, by the labels of {@link plan}. */
const EXPECTED: [string, Events, string[]][] = [
  ['none', 0n, ['clockwork']],
  ['one that nobody has', set(7), ['clockwork']],
  ['0', set(0), ['trunk', 'flag of trunk', 'left', 'p', 'clockwork']],
  ['1', set(1), ['trunk', 'flag of trunk', 'right', 'flag of right', 'q', 'clockwork']],
  ['33', set(33), ['of q', 'r', 'clockwork']],
  [
    '0, 33 and one that nobody has',
    set(0, 33, 60),
    ['trunk', 'flag of trunk', 'left', 'p', 'of q', 'r', 'clockwork'],
  ],
];
const everything = () => plan.dispatches.map((d) => d.label);

/** Runs the plan on sentinels, and returns the labels of the tensors that are no longer what they were. */
async function written(steps: number | readonly Events[]): Promise<string[]> {
  const { gpu } = device;
  writeTensor(gpu, plan.t('table'), Float32Array.of(1, 0, 0, 0));
  for (const label of everything()) {
    // An infinity raises the flags that look at it.
    if (!label.startsWith('flag')) writeTensor(gpu, plan.t(label), SENTINEL);
    else writeTensor(gpu, plan.t(label), Uint32Array.of(0));
  }
  writeTensor(gpu, plan.t('x'), new Float32Array(N).fill(Number.POSITIVE_INFINITY));
  await plan.ready();
  plan.submit(steps);
  const found: string[] = [];
  for (const label of everything()) {
    const bytes = await gpu.read(plan.t(label).buffer);
    const changed = label.startsWith('flag')
      ? new Uint32Array(bytes)[0] !== 0
      : new Float32Array(bytes).some((v) => v !== SENTINEL[0]);
    if (changed) found.push(label);
  }
  return found;
}

describe('a step runs exactly what its events need, seen by what it has written', () => {
  it.each(EXPECTED)('events: %s', async (_, events, labels) => {
    // r -= (r's input): with events 33 alone, 'of q' comes of q as it was.
    expect(await written([events])).toEqual(labels);
    expect(plan.workOf(events).dispatches).toBe(labels.length);
    expect(everything().filter((label) => plan.runs(label, events))).toEqual(labels);
  });

  it('every event: all there is, what nobody needs too', async () => {
    expect(await written([ALL_EVENTS])).toEqual(everything());
    expect(plan.workOf(ALL_EVENTS).dispatches).toBe(everything().length);
    expect(everything().filter((label) => plan.runs(label, ALL_EVENTS))).toEqual(everything());
    expect(plan.runs('no such label', ALL_EVENTS)).toBe(false);
  });

  it('a number of steps is as many with every event; no steps are none', async () => {
    expect(await written(1)).toEqual(everything());
    expect(await written(0)).toEqual([]);
    expect(await written([])).toEqual([]);
  });

  it('steps with different events: the union', async () => {
    const labels = ['trunk', 'flag of trunk', 'left', 'p', 'of q', 'r', 'clockwork'];
    expect(await written([set(0), 0n, set(33)])).toEqual(labels);
  });
});

describe('steps whose events differ', () => {
  it('run each update as often as its event is there, and what always runs in all of them', async () => {
    const { gpu } = device;
    const [step, flag] = [plan.t('step'), plan.t('flag')];
    plan.dispatch(stepAdvance, { label: 'advance', params: {}, tensors: { step, flag }, role: 'always' });
    writeTensor(gpu, plan.t('x'), Float32Array.of(1, 2, 4, 8));
    writeTensor(gpu, plan.t('table'), Float32Array.of(-1, 0, 0, 0));
    await plan.ready();
    // Event 0 three times of eight, event 1 twice, two steps idle.
    plan.submit([set(0), 0n, set(0, 1), set(7), 0n, set(0), set(1), 0n]);
    const read = async (name: string) => [...new Float32Array(await gpu.read(plan.t(name).buffer))];
    expect(await read('p')).toEqual([3, 6, 12, 24]);
    expect(await read('q')).toEqual([2, 4, 8, 16]);
    expect(await read('r')).toEqual([0, 0, 0, 0]);
    expect(new Uint32Array(await gpu.read(step.buffer))).toEqual(Uint32Array.of(8));
  });

  it('leave the same bits as a number of steps, if each has every event', async () => {
    const { gpu } = device;
    const run = async (steps: number | readonly Events[]) => {
      writeTensor(gpu, plan.t('x'), Float32Array.of(0.3, -0.7, 1.1, 5));
      writeTensor(gpu, plan.t('table'), Float32Array.of(0.1, 0, 0, 0));
      for (const name of ['p', 'q', 'r']) writeTensor(gpu, plan.t(name), Float32Array.of(1, 2, 3, 4));
      await plan.ready();
      plan.submit(steps);
      const bits: Uint32Array[] = [];
      for (const label of everything()) bits.push(new Uint32Array(await gpu.read(plan.t(label).buffer)));
      return bits;
    };
    const three = await run(3);
    expect(await run([ALL_EVENTS, ALL_EVENTS, ALL_EVENTS])).toEqual(three);
    expect(await run(2)).not.toEqual(three);
  });
});

describe('the work of a step', () => {
  it('counts the multiply-adds of the matrix products that it runs', () => {
    const [x, w] = [plan.tensor('X', [5, 7]), plan.tensor('W', [7, 3])];
    const z = record.matmulNN(plan, 'z', x, w);
    const dX = record.matmulNT(plan, 'dX', z, w);
    const h = record.reluForward(plan, 'h', dX);
    const before = plan.workOf(set(2));
    expect(before).toEqual({ dispatches: 1, macs: 0 });
    plan.dispatch(matmulNNCpu, {
      label: 'out',
      params: { M: 5, K: 7, N: 3 },
      tensors: { a: h, b: w, c: plan.tensor('out', [5, 3]) },
      role: 50,
    });
    // X W, its product with W^T, ReLU, and a product with W again; and what always runs.
    expect(plan.workOf(set(50))).toEqual({ dispatches: 5, macs: 3 * 5 * 7 * 3 });
    expect(plan.workOf(set(0)).macs).toBe(0);
  });

  it('is counted anew when more is recorded', () => {
    expect(plan.workOf(set(0)).dispatches).toBe(5);
    plan.update('left', 's', 0);
    expect(plan.workOf(set(0)).dispatches).toBe(6);
    expect(plan.runs('s', set(0))).toBe(true);
  });
});

describe('records of what only some rules need', () => {
  it('refuse shapes that do not fit', () => {
    const recorded = plan.dispatches.length;
    const [a, b] = [plan.tensor('A', [3, 4]), plan.tensor('B', [4, 3])];
    expect(() => mix(plan, 'm', a, b, 0.5)).toThrow('mix: A is (3, 4), B is (4, 3)');
    expect(() => sigmoidBackward(plan, 's', a, b)).toThrow('sigmoid_backward: A is (3, 4), B is (4, 3)');
    expect(plan.dispatches).toHaveLength(recorded);
  });

  it('a delayed tensor is made in every step, since a later one will ask for it', async () => {
    const { gpu } = device;
    const [clock, flag] = [plan.t('step of the clock'), plan.t('flag')];
    plan.relu('x', 'late by 3');
    const late = delayed(plan, 'late', plan.t('late by 3'), clock, 3);
    const tensors = { step: clock, flag };
    plan.dispatch(stepAdvance, { label: 'tick', params: {}, tensors, role: 'always' });
    for (const label of ['late by 3', 'late.delay_line', 'tick']) expect(plan.runs(label, 0n)).toBe(true);
    await plan.ready();
    for (let step = 0; step < 9; step++) {
      writeTensor(gpu, plan.t('x'), new Float32Array(N).fill(step + 1));
      plan.submit([step % 4 === 3 ? set(0) : 0n]);
      const expected = new Float32Array(N).fill(Math.max(0, step - 2));
      expect(new Float32Array(await gpu.read(late.buffer)), `step ${step}`).toEqual(expected);
    }
  });
});
