import { describe, expect, it, type TestContext } from 'vitest';
import { ROLE } from '../../src/kernels/fused-jobs.ts';
import { fusedBackprop, fusedSynthetic } from '../../src/train/schedules/fused.ts';
import type { PackedSchedule, Spans } from '../../src/train/schedules/packed.ts';
import type { Extras } from '../../src/train/schedules/params.ts';
import { delayedWave, wave, waveOfOne } from '../../src/train/schedules/wave.ts';
import { useDevice } from '../support/device.ts';
import {
  type Compiled,
  compiled,
  compilesSlowly,
  expectOfSixteenLess,
  type FusedArena,
  type FusedDispatch,
  type FusedForm,
  type FusedShape,
  fusedArena,
  fusedForm,
  ticksOf,
} from '../support/fused.ts';
import { expectTwin, runKernel } from '../support/kernel.ts';

// The specs under test: fusedLayers and fusedLayersCpu.
const device = useDevice();

const FORMS = ['gpu', 'cpu'] as const;

/** The schedules, and which of the shapes below each is checked at: all roles are in each of them but the first. */
const SCHEDULES: Readonly<Record<string, readonly [PackedSchedule, readonly number[]]>> = {
  'bp, fused': [fusedBackprop, [0, 2, 5, 8]],
  'cdni, fused': [fusedSynthetic, [1, 4]],
  'cdni, wave': [wave, [0, 1, 2, 3, 4, 5, 6, 7, 8]],
  'cdni, wave of one': [waveOfOne, [3, 7]],
  'delayed-bp, wave': [delayedWave, [2, 3]],
};

// What is merged eight tiles at a time takes more than one turn here: 10 tiles of rows, and 37 of the sums by the top's kernel.
const MANY: FusedShape = { B: 290, I: 3, F: 36, C: 3, H: 2 };
// One and one more or less than a tile, primes, more than a tile both ways; a hidden layer, and several.
const SHAPES: readonly FusedShape[] = [
  { B: 1, I: 1, F: 1, C: 2, H: 1 },
  { B: 2, I: 5, F: 19, C: 5, H: 2 },
  { B: 31, I: 37, F: 33, C: 10, H: 3 },
  { B: 32, I: 64, F: 32, C: 3, H: 2 },
  { B: 33, I: 19, F: 31, C: 5, H: 3 },
  { B: 37, I: 33, F: 64, C: 16, H: 1 },
  { B: 64, I: 31, F: 5, C: 2, H: 2 },
  { B: 5, I: 32, F: 37, C: 13, H: 2 },
  MANY,
];
const ODD: FusedShape = { B: 37, I: 21, F: 35, C: 5, H: 2 };

const nameOf = ({ B, I, F, C, H }: FusedShape) => `B ${B}, I ${I}, F ${F}, C ${C}, H ${H}`;

/** The form of the kernels on this device. */
function formOf(context: TestContext, name: (typeof FORMS)[number]): FusedForm {
  return fusedForm(device.gpu, name) ?? context.skip('it needs subgroups of 4 or 8 lanes');
}

/** Checks dispatches of the layers' kernel. */
async function check(form: FusedForm, arena: FusedArena, some = arena.dispatches): Promise<void> {
  for (const dispatch of some.filter((d) => d.kernel === 'layers')) {
    for (const { params, constants } of compiled(device.gpu, form, dispatch)) {
      await expectTwin(device.gpu, form.layers, params, arena.contents, constants);
    }
  }
}

/** Runs a dispatch of roles that are compiled together. */
function run(form: FusedForm, arena: FusedArena, dispatch: FusedDispatch) {
  const [only] = compiled(device.gpu, form, dispatch) as [Compiled];
  return runKernel(device.gpu, form.layers, only.params, arena.contents, only.constants);
}

describe.each(FORMS)('%s form', (name) => {
  describe.each(Object.keys(SCHEDULES))('%s', (which) => {
    const [schedule, shapes] = SCHEDULES[which]!;

    it.for(shapes.map((i) => [nameOf(SHAPES[i]!), SHAPES[i]!] as const))(
      '%s, with all layers at work',
      async ([, shape], context) => {
        const form = formOf(context, name);
        const tick = ticksOf(schedule, shape.H).middle;
        await check(form, fusedArena(shape.B, schedule, shape, { tiles: form.tiles, tick }));
      },
    );
  });

  describe.each(['cdni, wave', 'cdni, wave of one', 'delayed-bp, wave'])('%s', (which) => {
    const [schedule] = SCHEDULES[which]!;
    const { middle, last } = ticksOf(schedule, ODD.H);

    it.for([
      ['the first tick of the first upload', { tick: 0, updates: 0 }],
      ['the first tick of a later one', { tick: 0, updates: 5 }],
      ['the tick after it', { tick: 1, updates: 4 }],
      ['a tick of the first upload', { tick: middle - 1, updates: 0 }],
      ['the tick before the last', { tick: last - 1, updates: 3 }],
      ['the last tick', { tick: last, updates: 2 }],
      ['a tick after the last', { tick: last + 1, updates: 1 }],
    ] as const)('at %s', async ([, at], context) => {
      const form = formOf(context, name);
      const arena = fusedArena(7, schedule, ODD, { tiles: form.tiles, ...at });
      // Of the two that take turns at the wave of one, the first.
      await check(form, arena, arena.dispatches.slice(0, schedule.ticks === 2 ? 1 : 3));
    });
  });

  describe('each role alone', () => {
    const [out, clock] = [ODD.H + 1, 0] as const;
    const ALONE: Readonly<Record<string, [Spans, Extras, FusedShape?]>> = {
      FORWARD: [{ forward: [1, out] }, { clock }],
      'FORWARD that merges': [{ forward: [2, out] }, { clock, merge: 'only' }],
      'FORWARD that merges many tiles': [{ forward: [2, out] }, { clock, merge: 'only' }, MANY],
      'FORWARD that keeps what it merges': [{ forward: [2, out] }, { clock, merge: 'keep' }],
      TEACH: [{ teach: [1, ODD.H] }, { clock }],
      PREDICT: [{ predict: [1, ODD.H] }, { clock }],
      'the loss': [{ predict: [out, out] }, { clock }],
      GRAD: [{ grad: [1, out] }, { clock }],
      'PULL for predictors': [{ pull: [2, out] }, { clock }],
      'PULL for layers': [{ pull: [2, out] }, { clock, masks: true }],
      // As its clock is that of its jobs, or the other one.
      'FORWARD, and the clock is moved on': [{ forward: [1, 1] }, { clock, sets: { clock: 1, advance: 1 } }],
      'GRAD, and losses are added up': [{ grad: [2, 2] }, { clock: 1, sumsLoss: true }],
    };

    it.for(Object.keys(ALONE))('%s', async (what, context) => {
      const form = formOf(context, name);
      const [spans, extras, shape = ODD] = ALONE[what]!;
      const tick = ticksOf(wave, shape.H).middle;
      const arena = fusedArena(11, wave, shape, { tiles: form.tiles, tick });
      await check(form, arena, [arena.layers(spans, extras)]);
    });

    it('predictors that are not told the label', async (context) => {
      const form = formOf(context, name);
      const tick = ticksOf(wave, ODD.H).middle;
      await check(form, fusedArena(12, wave, ODD, { tiles: form.tiles, tick, labelRows: false }));
    });
  });

  it('with the flag up everything stays as it is', async (context) => {
    const form = formOf(context, name);
    const arena = fusedArena(13, wave, ODD, { tiles: form.tiles, tick: 3 });
    (arena.contents.state as Uint32Array)[2] = 1;
    await check(form, arena);
    expect(await run(form, arena, arena.dispatches.at(-1)!)).toEqual(arena.contents);
  });

  it('repeats bit for bit', async (context) => {
    const form = formOf(context, name);
    const arena = fusedArena(14, wave, ODD, { tiles: form.tiles, tick: 3 });
    for (const dispatch of arena.dispatches) {
      expect(await run(form, arena, dispatch)).toEqual(await run(form, arena, dispatch));
    }
  });

  it("a logit's size is not seen in the loss, nor in the gradient", async (context) => {
    const form = formOf(context, name);
    const arena = fusedArena(16, wave, ODD, { tiles: form.tiles, tick: ticksOf(wave, ODD.H).middle });
    const { memory, sizes } = arena.layout;
    const { B, C, classRow, slots } = sizes;
    const content = arena.contents.memory as Float32Array;
    for (let row = 0; row < slots * B; row++) {
      content.set([40, ...Array<number>(C - 1).fill(24)], memory.logits + row * classRow);
    }
    content.fill(999, memory.dlogits, memory.loss);
    (arena.contents.labels as Uint32Array).fill(0);
    const loss = arena.layers({ predict: [ODD.H + 1, ODD.H + 1] }, { clock: 0 });
    await check(form, arena, [loss]);
    const after = await run(form, arena, loss);
    const rows = Array.from({ length: slots * B }, (_, row) => memory.dlogits + row * classRow)
      .map((at) => (after.memory as Float32Array).subarray(at, at + C))
      .filter((row) => row[0] !== 999);
    expect(rows).toHaveLength(B);
    for (const row of rows) expectOfSixteenLess(row, C);
    const losses = new Float32Array((after.state as Uint32Array).slice().buffer, 16, sizes.capacity);
    const before = new Float32Array((arena.contents.state as Uint32Array).slice().buffer, 16, sizes.capacity);
    const [written] = losses.filter((v, i) => !Object.is(v, before[i]));
    const right = Math.log1p((C - 1) * Math.exp(-16));
    expect(Math.abs(written! / right - 1)).toBeLessThan(80 * 2 ** -23);
  });

  it.for([
    ['a pre-activation', 'z', 1],
    ['a logit', 'logits', 1],
    ['none', '', 0],
  ] as const)('PREDICT and the loss raise the flag for a NaN: %s', async ([, part, flag], context) => {
    const form = formOf(context, name);
    const arena = fusedArena(15, wave, ODD, { tiles: form.tiles, tick: 3, updates: 7 });
    const predict = arena.dispatches.find((d) => d.roles === ROLE.predict)!;
    const { memory, sizes } = arena.layout;
    const { B, F, zSlots, slots, tiles } = sizes;
    const content = arena.contents.memory as Float32Array;
    if (part === 'logits') content[memory.logits + (10 % slots) * B * sizes.C] = Number.NaN;
    if (part === 'z') {
      // Of layer 1's batch 10, with the statistics of its column.
      content[(10 % zSlots) * B * F + 5] = Number.NaN;
      content[memory.norm + (10 % zSlots) * 4 * F + 5] = Number.NaN;
      content[memory.stats + (10 % slots) * tiles * 2 * F + 5] = Number.NaN;
    }
    const after = await run(form, arena, predict);
    expect(after.state![2]).toBe(flag);
  });
});

it.for([
  ['a variance that is not a number', Number.NaN, 1],
  ['one that is infinite', Number.POSITIVE_INFINITY, 1],
  ['none', 1, 0],
] as const)(
  'FORWARD of the GPU form raises the flag for %s, when it keeps the norm',
  async ([, squares, flag], context) => {
    const form = formOf(context, 'gpu');
    const arena = fusedArena(18, fusedBackprop, ODD, { tiles: form.tiles, tick: 3 });
    const second = arena.dispatches.find((d) => d.label === 'layer2.forward')!;
    const content = arena.contents.memory as Float32Array;
    const { F } = arena.layout.sizes;
    content[arena.layout.memory.stats + F + 5] = squares;
    expect((await run(form, arena, second)).state![2]).toBe(flag);
  },
);

describe('other tiles', () => {
  it.for([
    [{ TILE_M: 16, TILE_N: 16, SPLIT: 4, ROLES: ROLE.predict }, { predict: [1, 3] }],
    [{ TILE_M: 64, TILE_N: 16, TILE_K: 16, SPLIT: 1, ROLES: ROLE.grad }, { grad: [1, 3] }],
  ] as const)('%j', async ([constants, spans], context) => {
    // Mesa's for the processor takes minutes for tiles like these. SwiftShader, which every machine has, runs them all.
    if (compilesSlowly(device.gpu)) context.skip('this driver takes too long to compile the GPU form');
    const form = formOf(context, 'gpu');
    const shape = { B: 70, I: 37, F: 69, C: 5, H: 2 };
    const tiles = { stats: constants.TILE_M, sums: constants.TILE_M };
    const arena = fusedArena(16, wave, shape, { tiles, tick: 3 });
    const { params } = arena.layers(spans as Spans, { clock: 0 });
    await expectTwin(device.gpu, form.layers, params, arena.contents, constants);
  });
});

// A twin that is given something else computes what a kernel with such a mistake would: the bounds must tell them apart.
describe.each(FORMS)('mistakes in the %s form are found', (name) => {
  type Change = (p: Record<string, number>) => Partial<Record<string, number>>;
  const MISTAKES: Readonly<Record<string, [dispatch: number, Change]>> = {
    'pixels scaled by 1/256': [0, () => ({ scale: 1 / 256 })],
    'weights of another version': [0, (p) => ({ lag_grad: p.lag_grad! + 1 })],
    'targets of another batch': [0, (p) => ({ lag_teach: p.lag_teach! + 1 })],
    "another event's step size": [0, (p) => ({ at_updates: p.at_updates! + 2 * p.capacity! })],
    'bias and label rows left out': [1, (p) => ({ at_models: p.at_models! + 1 })],
    'gamma and beta exchanged': [1, (p) => ({ at_affine: p.at_affine! + p.F! })],
    'another running average': [name === 'gpu' ? 1 : 0, () => ({ momentum: 0.1001 })],
    'another epsilon': [name === 'gpu' ? 1 : 0, () => ({ eps: 1.1e-5 })],
    'dn of another layer': [2, (p) => ({ at_dn: p.at_dn! + p.slots! * p.B! * p.F! })],
    'a moment that forgets too fast': [2, () => ({ beta1: 0.8999 })],
    'a second moment that forgets too fast': [2, () => ({ beta2: 0.9989 })],
    "another step's step size": [2, (p) => ({ at_updates: p.at_updates! + 2 })],
    'a gradient of the sum': [2, (p) => ({ B: p.B! - 1 })],
  };

  it.for(Object.keys(MISTAKES))('%s', async (what, context) => {
    const form = formOf(context, name);
    const [index, change] = MISTAKES[what]!;
    const arena = fusedArena(17, wave, ODD, { tiles: form.tiles, tick: 3 });
    const parts = compiled(device.gpu, form, arena.dispatches[index]!);
    const wrong: FusedForm['layers'] = {
      ...form.layers,
      twin: (p, buffers, c) => form.layers.twin({ ...p, ...change(p) } as never, buffers, c),
    };
    const checked = async () => {
      for (const { params, constants } of parts) {
        await expectTwin(device.gpu, wrong, params, arena.contents, constants);
      }
    };
    await expect(checked()).rejects.toThrow('elements of');
  });
});
