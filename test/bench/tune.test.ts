import { describe, expect, it } from 'vitest';
import { search, tune } from '../../bench/tune.ts';
import { type Choices, TUNED, tilesText } from '../../bench/tune-candidates.ts';
import { Contest, TuneRefusal } from '../../bench/tune-contest.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import type { Constants } from '../../src/gpu/shader.ts';
import { constantsOf, type Tiles, type TilesEntry, usualTiles } from '../../src/kernels/tiles.ts';
import { formFor } from '../../src/train/schedules/forms.ts';
import { tinySet } from '../support/cli.ts';
import { useQuickDevice } from '../support/quick-device.ts';

describe('the search', () => {
  const usual = { M: 4, N: 4 };
  const choices: Choices = {
    usual: { layers: usual, top: { R: 1 } },
    layers: [usual, { M: 4, N: 8 }, { M: 8, N: 4 }, { M: 8, N: 8 }, { M: 16, N: 4 }],
    shared: ['M'],
    kinds: ['up', 'down'],
    top: [{ R: 1 }, { R: 2 }, { R: 3 }],
  };

  /** A contest whose times are the sum of those of its parts. */
  function contest(kind: (name: string, c: Constants) => number, top: (c: Constants) => number) {
    const asked: string[] = [];
    return {
      asked,
      time: async (tiles: Tiles) => {
        asked.push(tilesText(tiles));
        return ['up', 'down'].reduce(
          (sum, name) => sum + kind(name, constantsOf(tiles, name)),
          top(tiles.top ?? {}),
        );
      },
    };
  }

  it('finds the best of what all dispatches share, and then of each kind', async () => {
    const best: Readonly<Record<string, number>> = { up: 8, down: 4 };
    const { time } = contest(
      (name, { M, N }) => (M === 8 ? 1 : 2) + (N === best[name] ? 0 : 0.5),
      ({ R }) => (R === 2 ? 0.1 : 0.4),
    );
    const found = await search({ time }, choices, () => false);
    expect(found).toMatchObject({ cut: false, seconds: 2.1 });
    expect(found.tiles.top).toEqual({ R: 2 });
    expect(constantsOf(found.tiles, 'up')).toEqual({ M: 8, N: 8 });
    expect(constantsOf(found.tiles, 'down')).toEqual({ M: 8, N: 4 });
  });

  it('stays with the usual where nothing is faster by more than a little', async () => {
    const { time } = contest(
      (_, { N }) => (N === 4 ? 1 : 0.995),
      () => 0,
    );
    const found = await search({ time }, { ...choices, top: [] }, () => false);
    // What was timed first and has the shortest time of all is taken as it is, and has to win its duel.
    expect(['M=4,N=4; top: R=1', 'M=4,N=8; top: R=1', 'M=8,N=8; top: R=1']).toContain(tilesText(found.tiles));
    const same = contest(
      () => 1,
      () => 0,
    );
    expect(tilesText((await search(same, choices, () => false)).tiles)).toBe('M=4,N=4; top: R=1');
  });

  it('never takes what cannot be compiled, and stops when the time is up', async () => {
    const { time, asked } = contest(
      (_, { M }) => (M === 4 ? 1 : Number.POSITIVE_INFINITY),
      () => 0,
    );
    const found = await search({ time }, choices, () => asked.length >= 4);
    expect(found).toMatchObject({ cut: true, seconds: 2 });
    expect(asked).toHaveLength(4);
  });
});

describe('on a device', () => {
  const device = useQuickDevice();
  // One hidden layer: two small pipelines, and the top's.
  const shape = { layers: 2, batch: 8, hidden: 16 };

  it('times choices whose first losses are those of the usual, and checks and races the best', async () => {
    const { gpu } = device;
    const data = new ResidentDataset(gpu, tinySet());
    const form = formFor(gpu, 10, undefined);
    const { layers } = usualTiles(form);
    const usual: Tiles = { layers };
    // Others that compile, each in its form, and one that does not.
    const names = form === 'cpu' ? ['PILES', 'PILES', 'PILES'] : ['TILE_K', 'SPLIT', 'SPLIT'];
    const [good, idle, bad] = [
      names.map((name, k) => ({ layers: { ...layers, [name]: [16, 4, 1][k]! } })),
    ].flat();
    const broken = form === 'cpu' ? { LANES: 3 } : { TILE_N: 30 };
    const tuned = TUNED.get('bp fused')!;
    const contest = new Contest(gpu, data, tuned, shape, { form, usual, seconds: 0.002 });
    const kernel = gpu.kernel.bind(gpu);
    try {
      expect(await contest.time(usual)).toBeGreaterThan(0);
      expect(await contest.time(good!)).toBeGreaterThan(0);
      // Once is enough.
      const before = contest.tried;
      await contest.time(usual);
      expect(contest.tried).toBe(before);
      // A kernel that does nothing, and one that does not compile.
      gpu.kernel = (spec, c = {}) => kernel(spec, 'ROLES' in c ? { ...c, ROLES: 32 } : c);
      expect(await contest.time(idle!)).toBe(Number.POSITIVE_INFINITY);
      gpu.kernel = (spec, c = {}) => kernel(spec, 'ROLES' in c ? { ...c, ...broken } : c);
      expect(await contest.time(bad!)).toBe(Number.POSITIVE_INFINITY);
      expect(contest.wrong).toEqual([tilesText(idle!)]);
      gpu.kernel = kernel;
      expect(await contest.passes(good!)).toBe(true);
      // A twin that expects something else.
      gpu.kernel = (spec, c) => {
        const twin: typeof spec.twin = (...args) =>
          Object.fromEntries(
            Object.entries(spec.twin(...args)).map(([name, found]) => [
              name,
              { value: found!.value.map((x) => x + 1), bound: found!.bound },
            ]),
          );
        return { ...kernel(spec, c), spec: { ...spec, twin } };
      };
      expect(await contest.passes(good!)).toBe(false);
      gpu.kernel = kernel;
      expect(contest.wrong).toEqual([tilesText(idle!), expect.stringMatching(/^\S+ \(.*\)$/)]);
      const { ratio, stepsPerSecond } = await contest.duel(good!, 5);
      expect(ratio.repeats).toBe(5);
      expect(stepsPerSecond).toBeGreaterThan(0);
      const none = new Contest(gpu, data, { ...tuned, schedule: 'wave' }, shape, {
        form,
        usual,
        seconds: 0.002,
      });
      await expect(none.time(usual)).rejects.toThrow(TuneRefusal);
    } finally {
      gpu.kernel = kernel;
      data.destroy();
    }
    expect(gpu.alive.buffers).toBe(0);
  });

  it('tunes a schedule, and says what it was measured with', async () => {
    const { gpu } = device;
    const notes: string[] = [];
    const kept: TilesEntry[] = [];
    const { entries, leftOut, wrong } = await tune(gpu, {
      ...{ schedules: ['bp fused'], shapes: [shape], dataset: tinySet() },
      // Time for the usual alone.
      ...{ seconds: 0, note: (line: string) => notes.push(line) },
      keep: async (entry) => void kept.push(entry),
    });
    expect(kept).toEqual(entries);
    expect({ leftOut, wrong }).toEqual({ leftOut: [], wrong: [] });
    const [found] = entries;
    expect(found).toMatchObject({
      schedule: 'bp fused',
      ...shape,
      measured: { driver: gpu.info.driver, tried: 1 },
    });
    expect(found!.measured.ratio).toEqual({ median: 1, p10: 1, p90: 1, repeats: 0 });
    expect(found!.measured.stepsPerSecond).toBeGreaterThan(0);
    expect(notes).toEqual([
      expect.stringMatching(
        /^bp fused, 2 layers x 8: nothing faster than the usual, .*\(1 tried, then the time was up\)$/,
      ),
    ]);
  });
});
