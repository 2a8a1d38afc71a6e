import { describe, expect, it, type TestContext } from 'vitest';
import { fusedTop } from '../../src/kernels/fused.ts';
import { fusedBackprop } from '../../src/train/schedules/fused.ts';
import { useDevice } from '../support/device.ts';
import {
  expectOfSixteenLess,
  type FusedArena,
  type FusedForm,
  type FusedShape,
  fusedArena,
  fusedForm,
  topContents,
} from '../support/fused.ts';
import { expectTwin, runKernel } from '../support/kernel.ts';

// The specs under test: fusedTop and fusedTopCpu.
const device = useDevice();

const FORMS = ['gpu', 'cpu'] as const;
const SHAPES: readonly FusedShape[] = [
  { B: 1, I: 1, F: 1, C: 2, H: 1 },
  { B: 2, I: 1, F: 19, C: 5, H: 2 },
  { B: 15, I: 1, F: 31, C: 3, H: 1 },
  { B: 16, I: 1, F: 32, C: 16, H: 3 },
  { B: 33, I: 1, F: 33, C: 10, H: 2 },
  { B: 37, I: 1, F: 129, C: 5, H: 2 },
  { B: 65, I: 1, F: 5, C: 13, H: 1 },
  // 10 tiles of statistics, which are merged eight at a time.
  { B: 290, I: 1, F: 36, C: 3, H: 1 },
];
const ODD: FusedShape = { B: 37, I: 1, F: 35, C: 7, H: 2 };

const ALL = SHAPES.map((shape) => [`B ${shape.B}, F ${shape.F}, C ${shape.C}, H ${shape.H}`, shape] as const);

function formOf(context: TestContext, name: (typeof FORMS)[number]): FusedForm {
  return fusedForm(device.gpu, name) ?? context.skip('it needs subgroups of 4 or 8 lanes');
}

const arenaOf = (seed: number, shape: FusedShape, tiles: FusedForm['tiles']): FusedArena =>
  fusedArena(seed, fusedBackprop, shape, { tiles, tick: 3 });

/** The params of its one dispatch of the top's kernel. */
const paramsOf = ({ dispatches }: FusedArena) => dispatches.find((d) => d.kernel === 'top')!.params;

describe.each(FORMS)('%s form', (name) => {
  it.for(ALL)('%s, seed = B', async ([, shape], context) => {
    const { top, tiles, constants } = formOf(context, name);
    const arena = arenaOf(shape.B, shape, tiles);
    await expectTwin(device.gpu, top, paramsOf(arena), topContents(arena), constants);
  });

  it('with the flag up everything stays as it is', async (context) => {
    const { top, tiles, constants } = formOf(context, name);
    const arena = arenaOf(1, ODD, tiles);
    (arena.contents.state as Uint32Array)[2] = 1;
    await expectTwin(device.gpu, top, paramsOf(arena), topContents(arena), constants);
    const after = await runKernel(device.gpu, top, paramsOf(arena), topContents(arena), constants);
    expect(after).toEqual(topContents(arena));
  });

  it('repeats bit for bit', async (context) => {
    const { top, tiles, constants } = formOf(context, name);
    const arena = arenaOf(2, ODD, tiles);
    const run = () => runKernel(device.gpu, top, paramsOf(arena), topContents(arena), constants);
    expect(await run()).toEqual(await run());
  });

  it('raises the flag for a NaN in a pre-activation, which ReLU lets through', async (context) => {
    const { top, tiles, constants } = formOf(context, name);
    const arena = arenaOf(3, ODD, tiles);
    const params = paramsOf(arena);
    const memory = arena.contents.memory as Float32Array;
    // With the column's statistics, where they have been made.
    const spoil = () => {
      memory[params.z! + 5] = Number.NaN;
      memory[params.norm! + 5] = Number.NaN;
      memory[params.stats! + 5] = Number.NaN;
    };
    const run = () => runKernel(device.gpu, top, params, topContents(arena), constants);
    expect((await run()).state![2]).toBe(0);
    spoil();
    expect((await run()).state![2]).toBe(1);
  });

  it('large logits do not overflow, and of equal ones the first is the best', async (context) => {
    const { top, tiles, constants } = formOf(context, name);
    const arena = arenaOf(4, ODD, tiles);
    const params = paramsOf(arena);
    const { F, classRow } = arena.layout.sizes;
    const weights = arena.contents.weights as Float32Array;
    // All logits are 300 + bias, for all samples: exactly, since W is 0.
    weights.fill(0, params.w, params.w! + F * classRow);
    weights.set([1, 300, 2, 300, 300, -300, 0], params.w! + F * classRow);
    await expectTwin(device.gpu, top, params, topContents(arena), constants);
    const after = await runKernel(device.gpu, top, params, topContents(arena), constants);
    // Correct are those of class 1, the first of the three.
    const labels = new Uint8Array((arena.contents.labels as Uint32Array).buffer);
    const rows = (arena.contents.table as Uint32Array).subarray(4 + 3 * ODD.B, 4 + 4 * ODD.B);
    const expected = rows.filter((s) => labels[s] === 1).length;
    const counted = Array.from(
      { length: tiles ? Math.ceil(ODD.B / tiles.sums) : 1 },
      (_, t) => after.memory![params.loss! + 2 * t + 1]!,
    );
    expect(counted.reduce((a, b) => a + b, 0)).toBe(expected);
    expect(expected).toBeGreaterThan(0);
  });

  it("a logit's size is not seen in the loss, nor in the gradient", async (context) => {
    const { top, tiles, constants } = formOf(context, name);
    const arena = arenaOf(7, ODD, tiles);
    const params = paramsOf(arena);
    const { F, C, classRow } = arena.layout.sizes;
    const weights = arena.contents.weights as Float32Array;
    weights.fill(0, params.w, params.w! + F * classRow);
    weights.set([40, ...Array<number>(C - 1).fill(24)], params.w! + F * classRow);
    // All samples of the class of the largest logit.
    (arena.contents.labels as Uint32Array).fill(0);
    await expectTwin(device.gpu, top, params, topContents(arena), constants);
    const { memory } = await runKernel(device.gpu, top, params, topContents(arena), constants);
    for (let b = 0; b < ODD.B; b++) {
      const at = params.dlogits! + b * classRow;
      expectOfSixteenLess((memory as Float32Array).subarray(at, at + C), C);
    }
    const sums = Array.from(
      { length: tiles ? Math.ceil(ODD.B / tiles.sums) : 1 },
      (_, t) => memory![params.loss! + 2 * t]!,
    );
    const right = ODD.B * Math.log1p((C - 1) * Math.exp(-16));
    expect(Math.abs(sums.reduce((a, b) => a + b, 0) / right - 1)).toBeLessThan(80 * 2 ** -23);
  });

  it.for([
    ['the bias left out', 'w', 1],
    ['gamma and beta exchanged', 'affine', ODD.F],
    ['another epsilon', 'eps', 1e-6],
    ['the batch before', 'lead', 1],
  ] as const)('a mistake is found: %s', async ([, param, by], context) => {
    const { top, tiles, constants } = formOf(context, name);
    // The CPU form has its statistics from elsewhere.
    const changed = name === 'cpu' && param === 'eps' ? 'lead' : param;
    const arena = arenaOf(5, ODD, tiles);
    const wrong: FusedForm['top'] = {
      ...top,
      twin: (p, buffers, c) => top.twin({ ...p, [changed]: p[changed]! + by }, buffers, c),
    };
    const run = expectTwin(device.gpu, wrong, paramsOf(arena), topContents(arena), constants);
    await expect(run).rejects.toThrow('elements of memory');
  });
});

it('other tiles: fewer rows, more lanes, more classes', async () => {
  const shape = { B: 37, I: 1, F: 35, C: 19, H: 2 };
  const arena = arenaOf(6, shape, { stats: 16, sums: 8 });
  const constants = { ROWS: 8, LANES: 16, TILE_M: 16, FEATURES: 40, CLASSES: 24 };
  await expectTwin(device.gpu, fusedTop as never, paramsOf(arena), topContents(arena), constants);
});
