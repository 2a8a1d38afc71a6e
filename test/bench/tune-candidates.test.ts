import { describe, expect, it } from 'vitest';
import { agrees, choicesFor, TILES, TOPS, TUNED, tilesText, withKind } from '../../bench/tune-candidates.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { fusedLayers, fusedTop } from '../../src/kernels/fused.ts';
import { featuresFor, layersRefuse, type Tiles, topRefuses, usualTiles } from '../../src/kernels/tiles.ts';
import { backprop } from '../../src/train/backprop.ts';
import type { Spans } from '../../src/train/schedules/packed.ts';
import type { Extras } from '../../src/train/schedules/params.ts';
import { wave } from '../../src/train/schedules/wave.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { tinySet } from '../support/cli.ts';
import { fusedArena, ticksOf } from '../support/fused.ts';
import { expectTwin } from '../support/kernel.ts';
import { useNullDevice } from '../support/null-device.ts';
import { useQuickDevice } from '../support/quick-device.ts';

const usual = usualTiles('gpu');

const sizes = { hidden: 256, layers: 4, classes: 10 };

describe('what is tried', () => {
  it.each([...TUNED])('of %s begins with the usual, and is what the limits allow', (name, { packed }) => {
    const limits = {
      ...{ maxComputeInvocationsPerWorkgroup: 512, maxComputeWorkgroupStorageSize: 49152 },
      ...{ maxComputeWorkgroupSizeX: 256, maxComputeWorkgroupSizeY: 256, maxComputeWorkgroupSizeZ: 64 },
    } as Gpu['limits'];
    const { layers, top, kinds, shared } = choicesFor({ limits }, 'gpu', packed, sizes);
    expect(packed.name).toBe(name);
    expect(layers).toEqual([usual.layers, ...TILES]);
    expect(top).toEqual(name === 'bp fused' ? [usual.top, ...TOPS] : []);
    expect(new Set(kinds).size).toBe(kinds.length);
    expect(shared).toEqual(['TILE_M']);
    const small = { ...limits, maxComputeInvocationsPerWorkgroup: 128 };
    const few = choicesFor({ limits: small }, 'gpu', packed, sizes).layers;
    expect(few.length).toBeLessThan(layers.length);
    for (const c of few) expect((c.TILE_M! * c.TILE_N! * c.SPLIT!) / 16).toBeLessThanOrEqual(128);
    const piles = choicesFor({ limits }, 'cpu', packed, sizes);
    expect(piles.layers.map((c) => Object.keys(c))).toEqual(piles.layers.map(() => ['PILES']));
    expect(piles.layers[0]).toEqual(usualTiles('cpu').layers);
  });

  it('differs from the usual, and from itself', () => {
    const all = [usual.layers, ...TILES].map((layers) => tilesText({ layers }));
    expect(new Set(all).size).toBe(all.length);
    const tops = [usual.top!, ...TOPS].map((top) => tilesText({ layers: {}, top }));
    expect(new Set(tops).size).toBe(tops.length);
  });

  it('has kinds of dispatches that a step meets', () => {
    const limits = {} as Gpu['limits'];
    const kinds = (name: string) => choicesFor({ limits }, 'cpu', TUNED.get(name)!.packed, sizes).kinds;
    expect(kinds('bp fused')).toEqual(['first forward', 'forward', 'grad+pull', 'grad']);
    expect(kinds('wave')).toEqual(['forward+teach', 'predict', 'grad+pull']);
  });

  it('gives a kind what is other than all have, and no more', () => {
    const tiles = { layers: { TILE_M: 32, TILE_N: 32, SPLIT: 2 } };
    const one = withKind(tiles, 'grad', { TILE_M: 32, TILE_N: 32, SPLIT: 4 });
    expect(one.kinds).toEqual({ grad: { SPLIT: 4 } });
    expect(tilesText(one)).toBe('TILE_M=32,TILE_N=32,SPLIT=2; grad: SPLIT=4');
    expect(tilesText(withKind(one, 'grad', tiles.layers))).toBe(tilesText(tiles));
    const choices = { shared: ['TILE_M'] } as never;
    expect(agrees(choices, tiles, { TILE_M: 32, TILE_N: 8 })).toBe(true);
    expect(agrees(choices, tiles, { TILE_M: 16, TILE_N: 32 })).toBe(false);
  });
});

describe("on Dawn's null backend, with the limits every WebGPU device has", () => {
  const device = useNullDevice();

  it.each(TILES.map((c) => [tilesText({ layers: c }), c] as const))(
    '%s compiles, or is refused beforehand',
    async (_, constants) => {
      const { gpu } = device;
      const why = layersRefuse(gpu.limits, constants, sizes.hidden);
      const FEATURES = featuresFor(constants, sizes.hidden);
      const compiled = await gpu.kernel(fusedLayers, { ...constants, FEATURES }).ready.then(
        () => undefined,
        (error: Error) => error.message,
      );
      expect({ why, compiled: compiled === undefined }).toEqual({ why, compiled: why === undefined });
    },
  );

  it.each(TOPS.map((c) => [tilesText({ layers: c }), c] as const))(
    '%s of the top compiles, or is refused beforehand',
    async (_, constants) => {
      const { gpu } = device;
      const why = topRefuses(gpu.limits, constants, sizes.hidden, sizes.classes);
      const sized = { ...constants, FEATURES: sizes.hidden, CLASSES: sizes.classes };
      const compiled = await gpu.kernel(fusedTop, sized).ready.then(
        () => true,
        () => false,
      );
      expect({ why, compiled }).toEqual({ why, compiled: why === undefined });
    },
  );
});

describe('a trainer', () => {
  const device = useNullDevice();

  /** The constants of each dispatch of fused backpropagation with these tiles. */
  function recorded(tiles: Tiles) {
    const { gpu } = device;
    const data = new ResidentDataset(gpu, tinySet());
    const options = { hidden: 24, layers: 4, batchSize: 40, learningRate: 1e-3, lrDrops: [], seed: 1 };
    const trainer = new Trainer(gpu, data, {
      ...{ ...options, rule: backprop, schedule: 'fused', forms: 'gpu', tiles },
    });
    const found = trainer.plan.dispatches.map(({ label, kernel, params, grid }) => ({
      ...{ label, params, grid, c: kernel.constants },
    }));
    trainer.destroy();
    data.destroy();
    return found;
  }

  it('is recorded with its tiles, and those of a kind in their place', () => {
    const layers = { TILE_M: 16, TILE_N: 32, TILE_K: 32, SPLIT: 4 };
    const kinds = { 'grad+pull': { TILE_N: 16 }, 'first forward': { SPLIT: 2 } };
    const found = recorded({ layers, kinds, top: { ROWS: 8, LANES: 16 } });
    expect(found.map(({ label, c }) => [label, c.TILE_M, c.TILE_N, c.SPLIT ?? c.ROWS])).toEqual([
      ['layer1.forward', 16, 32, 2],
      ['layer2.forward', 16, 32, 4],
      ['layer3.forward', 16, 32, 4],
      ['top.loss', 16, undefined, 8],
      ['layer3.backward', 16, 16, 4],
      ['layer2.backward', 16, 16, 4],
      ['layer1.backward', 16, 32, 4],
    ]);
    // Everybody knows how many tiles of rows there are.
    for (const { params } of found) expect(params.tiles).toBe(3);
    expect(found[0]!.params.sum_tiles).toBe(5);
    expect(found[0]!.grid).toEqual([3, 1]);
  });

  it('takes the usual ones where the device does not allow what it is given', () => {
    const layers = { TILE_M: 64, TILE_N: 64, TILE_K: 32, SPLIT: 4 };
    for (const { c } of recorded({ layers })) expect(c.TILE_M).toBe(usual.layers.TILE_M);
  });
});

describe('every role computes what its twin does', () => {
  const device = useQuickDevice();
  const out = 3;
  const ROLES: Readonly<Record<string, [Spans, Extras]>> = {
    forward: [{ forward: [1, out] }, { clock: 0, merge: 'keep' }],
    predict: [{ predict: [1, out] }, { clock: 0 }],
    pull: [{ pull: [2, out] }, { clock: 0, masks: true }],
    grad: [{ grad: [1, out] }, { clock: 0 }],
    teach: [{ teach: [1, out - 1] }, { clock: 0 }],
  };

  it.for(TILES.map((c, i) => [tilesText({ layers: c }), c, i] as const))(
    'with %s',
    async ([, c, i], context) => {
      const { gpu } = device;
      // There each third choice has one of the roles, another one each time.
      if (gpu.isCpu && i % 3 !== 0) context.skip('compiling for the processor takes a second for each role');
      const why = layersRefuse(gpu.limits, c, 35);
      if (why !== undefined) context.skip(`this device does not allow ${why}`);
      const names = Object.keys(ROLES);
      const some = gpu.isCpu ? [names[(i / 3) % names.length]!] : names;
      const shape = { B: c.TILE_M! + 5, I: 21, F: 35, C: 5, H: out - 1 };
      const tiles = { stats: c.TILE_M!, sums: c.TILE_M! };
      const arena = fusedArena(21, wave, shape, { tiles, tick: ticksOf(wave, shape.H).middle });
      for (const name of some) {
        const { params, roles } = arena.layers(...ROLES[name]!);
        const constants = { ...c, FEATURES: featuresFor(c, shape.F), ROLES: roles };
        await expectTwin(gpu, fusedLayers, params as never, arena.contents as never, constants);
      }
    },
  );
});
