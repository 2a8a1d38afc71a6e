import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { TUNED } from '../../bench/tune-candidates.ts';
import {
  mergeTable,
  parseTable,
  readTable,
  tablePath,
  tableText,
  withEntries,
} from '../../bench/tune-table.ts';
import type { AdapterInfo } from '../../src/gpu/adapters.ts';
import {
  committedTiles,
  constantsOf,
  kindOf,
  layersRefuse,
  type TilesEntry,
  type TilesTable,
  tilesFor,
  tilesRefuse,
  usualTiles,
} from '../../src/kernels/tiles.ts';
import { useFolder } from '../support/cli.ts';

const temp = useFolder();

const gpu: AdapterInfo = {
  ...{ kind: 'gpu', name: 'GPU One', vendor: 'maker', architecture: 'kin', driver: 'driver 1.2' },
  ...{ backend: 'vulkan', origin: 'system' },
};

/** A line of a table, told from others by its TILE_N. */
function entry(layers: number, batch: number, TILE_N: number, part: Partial<TilesEntry> = {}): TilesEntry {
  const ratio = { median: 1.2, p10: 1.1, p90: 1.3, repeats: 5 };
  return {
    ...{ schedule: 'wave', layers, batch, hidden: 256 },
    tiles: { layers: { TILE_M: 32, TILE_N, TILE_K: 32, SPLIT: 2 } },
    measured: {
      ...{ date: '2026-01-01T00:00:00.000Z', commit: null, driver: 'driver 1.2', dawn: '0.6.2' },
      ...{ ratio, stepsPerSecond: 1000, tried: 7 },
    },
    ...part,
  };
}

/** What a WebGPU device has at least. */
const LEAST = {
  ...{ maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupStorageSize: 16384 },
  ...{ maxComputeWorkgroupSizeX: 256, maxComputeWorkgroupSizeY: 256, maxComputeWorkgroupSizeZ: 64 },
  maxComputeWorkgroupsPerDimension: 65535,
};
const SIZES = { B: 256, I: 784, F: 256, C: 10, H: 3 };

describe('tiles for a shape', () => {
  const table = withEntries({ devices: [] }, gpu, [
    entry(4, 64, 16),
    entry(4, 256, 32),
    entry(8, 64, 64),
    entry(4, 256, 8, { schedule: 'bp fused' }),
  ]);
  const found = (layers: number, batch: number, part: object = {}, info: object = {}) =>
    tilesFor({ ...gpu, ...info }, { schedule: 'wave', layers, batch, hidden: 256, ...part }, table)?.layers
      .TILE_N;

  it('are those of the nearest line of the same schedule', () => {
    expect(found(4, 64)).toBe(16);
    expect(found(4, 90)).toBe(16);
    expect(found(4, 200)).toBe(32);
    expect(found(4, 512)).toBe(32);
    expect(found(12, 64)).toBe(64);
    expect(found(16, 100)).toBe(64);
    expect(found(4, 256, { schedule: 'bp fused' })).toBe(8);
  });

  it('are not known further away than a factor of two, for other schedules, or for other devices', () => {
    expect(found(4, 513)).toBeUndefined();
    expect(found(17, 64)).toBeUndefined();
    expect(found(4, 256, { hidden: 600 })).toBeUndefined();
    expect(found(4, 256, { schedule: 'wave of one' })).toBeUndefined();
    expect(found(4, 256, {}, { name: 'GPU Two', architecture: 'other' })).toBeUndefined();
    expect(
      tilesFor(gpu, { schedule: 'wave', layers: 4, batch: 64, hidden: 256 }, { devices: [] }),
    ).toBeUndefined();
  });

  it('are those of kin where the device itself is not in the table, unless kin has no name', () => {
    expect(found(4, 64, {}, { name: 'GPU Two' })).toBe(16);
    const nameless = withEntries({ devices: [] }, { ...gpu, architecture: '' }, [entry(4, 64, 16)]);
    const two = { ...gpu, name: 'GPU Two', architecture: '' };
    expect(tilesFor(two, { schedule: 'wave', layers: 4, batch: 64, hidden: 256 }, nameless)).toBeUndefined();
  });

  it('of a kind of dispatches stand in place of all dispatches', () => {
    const tiles = { layers: { TILE_M: 32, SPLIT: 2 }, kinds: { 'grad+pull': { SPLIT: 4 } } };
    expect(constantsOf(tiles, 'grad+pull')).toEqual({ TILE_M: 32, SPLIT: 4 });
    expect(constantsOf(tiles, 'forward')).toEqual({ TILE_M: 32, SPLIT: 2 });
  });

  it('have kinds by roles, the first layer for itself', () => {
    expect(kindOf({ forward: [1, 1] })).toBe('first forward');
    expect(kindOf({ forward: [2, 2] })).toBe('forward');
    expect(kindOf({ forward: [1, 4], teach: [1, 3] })).toBe('forward+teach');
    // As of a schedule that leaves a role out where there is no such layer.
    expect(kindOf({ grad: [3, 3], pull: [2, 1] })).toBe('grad');
  });
});

describe('what a device allows', () => {
  const usual = usualTiles('gpu');

  it('is what stands in the shader, on every device', () => {
    expect(tilesRefuse(LEAST, usual, SIZES)).toBeUndefined();
    expect(usual.layers).toHaveProperty('TILE_M');
    expect(usual.top).toHaveProperty('ROWS');
  });

  it.each([
    [{ TILE_M: 64, TILE_N: 64, SPLIT: 2 }, '512 threads'],
    [{ TILE_M: 30 }, 'tiles are made of 4 x 4 blocks'],
    [{ TILE_K: 36, SPLIT: 8 }, 'a slice is shared out evenly'],
    [{ TILE_K: 36, SPLIT: 6 }, 'the rows of a block are shared out evenly'],
    [{ TILE_M: 16, TILE_N: 16, TILE_K: 64, SPLIT: 1 }, '8 blocks of a slice for each thread'],
    [{ TILE_M: 64, TILE_N: 64, TILE_K: 4, SPLIT: 1 }, 'slices too small for the sums at the end'],
    [{ TILE_K: 64 }, '22544 bytes of workgroup memory'],
    [{ SPLIT: 0 }, 'a constant is missing'],
  ])('refuses %j: %s', (part, why) => {
    expect(layersRefuse(LEAST, { TILE_M: 32, TILE_N: 32, TILE_K: 32, SPLIT: 2, ...part }, 256)).toBe(why);
  });

  it('refuses kinds that disagree on TILE_M, too many workgroups, and a top that is too large', () => {
    const kinds = { 'grad+pull': { TILE_M: 16 } };
    expect(tilesRefuse(LEAST, { ...usual, kinds }, SIZES)).toBe('kinds that disagree on TILE_M');
    expect(tilesRefuse(LEAST, usual, { ...SIZES, B: 2e6 })).toMatch(/^\d+ workgroups$/);
    const low = { ...usual, layers: { ...usual.layers, TILE_M: 4, TILE_K: 16 } };
    expect(tilesRefuse(LEAST, low, SIZES)).toBe('sums in larger tiles than statistics');
    const top = { ROWS: 32, LANES: 16 };
    expect(tilesRefuse(LEAST, { ...usual, top }, SIZES)).toBe('512 threads');
    expect(tilesRefuse(LEAST, { ...usual, top: { ROWS: 16, LANES: 16 } }, { ...SIZES, C: 24 })).toMatch(
      / bytes of/,
    );
  });
});

describe('the file of the table', () => {
  it('is as tune would write it, and the program reads the same', async () => {
    expect(readFileSync(tablePath(), 'utf8')).toBe(tableText(committedTiles));
    expect(await readTable(tablePath())).toEqual(committedTiles);
  });

  it('holds nothing that a schedule would not find, or a device could not run', () => {
    for (const { name, entries } of committedTiles.devices) {
      for (const found of entries) {
        const { schedule, layers, hidden, batch, tiles, measured } = found;
        expect(TUNED.has(schedule), `${name}: ${schedule}`).toBe(true);
        expect(measured.ratio.median).toBeGreaterThanOrEqual(1);
        expect(Date.parse(measured.date)).toBeGreaterThan(0);
        if (!('TILE_M' in tiles.layers)) continue;
        const roomy = {
          ...LEAST,
          maxComputeInvocationsPerWorkgroup: 1024,
          maxComputeWorkgroupStorageSize: 2 ** 16,
        };
        const sizes = { B: batch, I: 784, F: hidden, C: 10, H: layers - 1 };
        expect(tilesRefuse(roomy, tiles, sizes)).toBeUndefined();
      }
    }
  });

  it('takes new lines, in place of older ones, and leaves other devices alone', async () => {
    const path = temp.join('tiles.ts');
    const before: TilesTable = withEntries({ devices: [] }, { ...gpu, name: 'Another' }, [entry(4, 64, 4)]);
    await writeFile(path, tableText(before));
    await mergeTable(path, gpu, [entry(8, 64, 16), entry(4, 64, 16)]);
    await mergeTable(path, gpu, [entry(4, 64, 32)]);
    const { devices } = await readTable(path);
    expect(devices.map(({ name }) => name)).toEqual(['Another', 'GPU One']);
    expect(devices[0]).toEqual(before.devices[0]);
    expect(devices[1]!.entries.map(({ layers, tiles }) => [layers, tiles.layers.TILE_N])).toEqual([
      [4, 32],
      [8, 16],
    ]);
    expect(await readFile(path, 'utf8')).toMatch(
      /^\/\/ biome-ignore-all format: .*\n\/\/ .*\nexport const tilesTable = \{/,
    );
  });

  it('that does not exist begins with what came with the program', async () => {
    expect(await readTable(temp.join('none.ts'))).toBe(committedTiles);
  });

  it.each([
    ['nothing of the kind', 'another file'],
    ['export const tilesTable = {"devices": [};', 'one that is not JSON behind `tilesTable =`'],
    ['export const tilesTable = {"other": []};', 'one without devices'],
  ])('%s is refused', (text, found) => {
    expect(() => parseTable('x.ts', text)).toThrow(
      `--out x.ts: expected a table that tune has written, found ${found}`,
    );
  });

  it('that is a folder is refused', async () => {
    await expect(readTable(temp.path)).rejects.toThrow(
      /expected a file that can be read, but it cannot \(EISDIR\)/,
    );
  });
});
