import { shaderSource } from '#shaders';
import type { AdapterInfo } from '../gpu/adapters.ts';
import { ceilDiv } from '../gpu/kernel.ts';
import { type Constants, readConstants } from '../gpu/shader.ts';
import { ROLES, type Role } from './fused-jobs.ts';
import { tilesTable } from './tiles-table.ts';

/** Constants of the fused kernels for one schedule: tile sizes, split-K, and what else their shaders let one choose. */
export interface Tiles {
  /** Of every dispatch of the layers' kernel: a step's dispatches agree on TILE_M, as statistics come in tiles of it. */
  readonly layers: Constants;
  /** Of the dispatches of a kind, in place of those. */
  readonly kinds?: Readonly<Record<string, Constants>> | undefined;
  /** Of the top's kernel. */
  readonly top?: Constants | undefined;
}

/** What a choice of tiles is made for. */
export interface TilesFor {
  /** As the schedules call themselves: `bp fused`, `wave`, ... */
  readonly schedule: string;
  readonly layers: number;
  readonly batch: number;
  readonly hidden: number;
}

/** How it was found what is fastest. */
export interface TilesOrigin {
  /** ISO 8601. */
  readonly date: string;
  /** Git commit of the checkout, `-dirty` behind it when files differ; null outside a checkout. */
  readonly commit: string | null;
  readonly driver: string;
  /** Version of the npm package `webgpu`, which is Dawn. */
  readonly dawn: string;
  /** Steps a second in units of what the default constants reach, repeat by repeat and by turns. */
  readonly ratio: {
    readonly median: number;
    readonly p10: number;
    readonly p90: number;
    readonly repeats: number;
  };
  readonly stepsPerSecond: number;
  /** How many choices were tried. */
  readonly tried: number;
}

/** A line of the table. */
export interface TilesEntry extends TilesFor {
  readonly tiles: Tiles;
  readonly measured: TilesOrigin;
}

/** What was found on a device. */
export interface TunedDevice extends Pick<AdapterInfo, 'name' | 'vendor' | 'architecture'> {
  readonly entries: readonly TilesEntry[];
}

/** The table of tiles. */
export interface TilesTable {
  readonly devices: readonly TunedDevice[];
}

/** The table that came with this program. */
export const committedTiles: TilesTable = tilesTable;

/**
 * The part of the table that is about a device: of its own name, or of another of its vendor and architecture.
 */
export function tunedDevice(
  { devices }: TilesTable,
  { name, vendor, architecture }: Pick<AdapterInfo, 'name' | 'vendor' | 'architecture'>,
): TunedDevice | undefined {
  const kin = (device: TunedDevice) =>
    architecture !== '' && device.vendor === vendor && device.architecture === architecture;
  return devices.find((device) => device.name === name) ?? devices.find(kin);
}

/** How far apart two sizes may be: a factor of two. */
const REACH = 1;

/**
 * What a table says about a schedule on a device: the line whose depth, batch and width are nearest, if none is further
 * away than a factor of two; undefined where nothing is known.
 */
export function tilesFor(
  info: Pick<AdapterInfo, 'name' | 'vendor' | 'architecture'>,
  { schedule, layers, batch, hidden }: TilesFor,
  table: TilesTable = committedTiles,
): Tiles | undefined {
  const entries = tunedDevice(table, info)?.entries ?? [];
  const apart = (entry: TilesEntry) => [
    Math.abs(Math.log2(entry.layers / layers)),
    Math.abs(Math.log2(entry.batch / batch)),
    Math.abs(Math.log2(entry.hidden / hidden)),
  ];
  const near = entries
    .filter((entry) => entry.schedule === schedule)
    .map((entry) => ({ entry, apart: apart(entry) }))
    .filter((found) => Math.max(...found.apart) <= REACH)
    .map((found) => ({ ...found, distance: found.apart.reduce((sum, d) => sum + d, 0) }));
  near.sort((a, b) => a.distance - b.distance);
  return near[0]?.entry.tiles;
}

/** What a dispatch of the layers' kernel does, in a word: its roles, and whether it is the first layer's forward alone. */
export function kindOf(
  spans: Readonly<Partial<Record<Role, readonly [first: number, last: number]>>>,
): string {
  const roles = ROLES.filter((role) => spans[role] !== undefined && spans[role][0] <= spans[role][1]);
  const first = roles.length === 1 && roles[0] === 'forward' && spans.forward?.[1] === 1;
  return `${first ? 'first ' : ''}${roles.join('+')}`;
}

/** Which constants of the shaders may be chosen. */
const CHOSEN = {
  gpu: { layers: ['TILE_M', 'TILE_N', 'TILE_K', 'SPLIT'], top: ['ROWS', 'LANES'] },
  cpu: { layers: ['PILES'], top: [] },
} as const;

/** What a form of the kernels runs with where nothing is known: what stands in the shaders. */
export function usualTiles(form: 'gpu' | 'cpu'): Tiles {
  const { layers, top } = CHOSEN[form];
  const suffix = form === 'cpu' ? '_cpu' : '';
  const pick = (file: string, names: readonly string[]): Constants => {
    const found = readConstants(shaderSource(file + suffix));
    return Object.fromEntries(names.map((name) => [name, found[name]!]));
  };
  return { layers: pick('fused_layers', layers), top: pick('fused_top', top) };
}

/** The constants of a dispatch of a kind. */
export const constantsOf = ({ layers, kinds }: Tiles, kind: string): Constants => ({
  ...layers,
  ...kinds?.[kind],
});

/** What a device allows a workgroup. */
export interface WorkgroupLimits {
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupSizeX: number;
  readonly maxComputeWorkgroupSizeY: number;
  readonly maxComputeWorkgroupSizeZ: number;
  readonly maxComputeWorkgroupStorageSize: number;
}

/** Most 4 x 4 blocks of a slice that a thread of fused_layers holds, in registers, while it works on the slice before. */
const MOST_LOADS = 4;

/** Why fused_layers cannot be compiled with these constants for layers of F units, if it cannot. */
export function layersRefuse(limits: WorkgroupLimits, c: Constants, F: number): string | undefined {
  const { TILE_M = 0, TILE_N = 0, TILE_K = 0, SPLIT = 0 } = c;
  if (Object.values({ TILE_M, TILE_N, TILE_K, SPLIT }).some((n) => n < 1)) return 'a constant is missing';
  if (TILE_M % 4 !== 0 || TILE_N % 4 !== 0 || TILE_K % 4 !== 0) return 'tiles are made of 4 x 4 blocks';
  if (TILE_K % SPLIT !== 0) return 'a slice is shared out evenly';
  if (SPLIT > 2 && SPLIT % 4 !== 0) return 'the rows of a block are shared out evenly';
  const threads = (TILE_M * TILE_N * SPLIT) / 16;
  if (threads > limits.maxComputeInvocationsPerWorkgroup) return `${threads} threads`;
  if (TILE_N / 4 > limits.maxComputeWorkgroupSizeX) return `${TILE_N / 4} threads across`;
  if (TILE_M / 4 > limits.maxComputeWorkgroupSizeY) return `${TILE_M / 4} threads down`;
  if (SPLIT > limits.maxComputeWorkgroupSizeZ) return `${SPLIT} groups of threads`;
  const loads = ceilDiv(((TILE_M + TILE_N) / 4) * (TILE_K / 4), threads);
  if (loads > MOST_LOADS) return `${loads} blocks of a slice for each thread`;
  const slices = slicesFor({ TILE_M, TILE_N, TILE_K, SPLIT });
  if (slices < (2 * Math.min(SPLIT, 4) * TILE_M * TILE_N) / 16)
    return 'slices too small for the sums at the end';
  const bytes = 16 * (slices + featuresFor(c, F)) + 16;
  if (bytes > limits.maxComputeWorkgroupStorageSize) return `${bytes} bytes of workgroup memory`;
  return undefined;
}

/** Quads of workgroup memory that fused_layers has for its slices, and for the groups' sums in the end. */
function slicesFor({ TILE_M, TILE_N, TILE_K, SPLIT }: Readonly<Record<string, number>>): number {
  const threads = (TILE_M! * TILE_N! * SPLIT!) / 16;
  return Math.max(TILE_K! * (TILE_M! / 4 + TILE_N! / 4 + 2), SPLIT === 1 ? threads : 4 * threads);
}

/** Quads of workgroup memory that fused_layers keeps its features' coefficients in. */
export const featuresFor = ({ TILE_M = 0, TILE_N = 0, TILE_K = 1 }: Constants, F: number): number =>
  TILE_K * ceilDiv(Math.max(F, TILE_M + TILE_N), TILE_K);

/** Numbers of its columns that a thread of fused_top has in registers at most, where there are 255. */
const MOST_HELD = 160;

/** Why fused_top cannot be compiled with these constants for F units and C classes, if it cannot. */
export function topRefuses(limits: WorkgroupLimits, c: Constants, F: number, C: number): string | undefined {
  const { ROWS = 0, LANES = 0 } = c;
  const threads = ROWS * LANES;
  if (threads < 1) return 'a constant is missing';
  if (threads > limits.maxComputeInvocationsPerWorkgroup) return `${threads} threads`;
  if (LANES > limits.maxComputeWorkgroupSizeX) return `${LANES} threads across`;
  if (ROWS > limits.maxComputeWorkgroupSizeY) return `${ROWS} threads down`;
  const pairs = ROWS * C;
  const parts = Math.max(Math.floor(threads / pairs), 1);
  const held = ceilDiv(F, threads) * (ROWS + C + 4);
  if (held > MOST_HELD) return `${held} numbers for a thread to hold`;
  const bytes = 4 * (ROWS * (F + 1) + (parts + 2) * pairs) + 12 * ROWS + 16;
  if (bytes > limits.maxComputeWorkgroupStorageSize) return `${bytes} bytes of workgroup memory`;
  return undefined;
}

/**
 * Whether the top's kernel goes with these constants of the layers': every layer has room for as many sums of gradients as
 * the top's tiles make, which the other layers' tiles must not exceed.
 */
export const topSuits = ({ TILE_M = 0 }: Constants, { ROWS = 0 }: Constants): boolean =>
  TILE_M === 0 || ROWS <= TILE_M;

/** Why a device cannot run a network with these tiles of the GPU forms, if it cannot. */
export function tilesRefuse(
  limits: WorkgroupLimits & { readonly maxComputeWorkgroupsPerDimension: number },
  { layers, kinds = {}, top }: Tiles,
  { B, I, F, C, H }: { B: number; I: number; F: number; C: number; H: number },
): string | undefined {
  for (const c of [layers, ...Object.values(kinds).map((kind) => ({ ...layers, ...kind }))]) {
    const why = layersRefuse(limits, c, F);
    if (why !== undefined) return why;
    if (c.TILE_M !== layers.TILE_M) return 'kinds that disagree on TILE_M';
    // Two products of every layer in one dispatch, the tallest there are.
    const workgroups = 2 * (H + 1) * ceilDiv(Math.max(B, I, F + C + 1), c.TILE_M!) * ceilDiv(F, c.TILE_N!);
    if (workgroups > limits.maxComputeWorkgroupsPerDimension) return `${workgroups} workgroups`;
  }
  if (top && !topSuits(layers, top)) return 'sums in larger tiles than statistics';
  return top && topRefuses(limits, top, F, C);
}
