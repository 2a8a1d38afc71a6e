import type { Gpu } from '../../gpu/gpu.ts';
import { ceilDiv } from '../../gpu/kernel.ts';
import type { Constants } from '../../gpu/shader.ts';
import { fusedLayers, fusedLayersCpu, fusedTop, fusedTopCpu } from '../../kernels/fused.ts';
import {
  constantsOf,
  featuresFor,
  layersRefuse,
  type Tiles,
  tilesRefuse,
  topRefuses,
  usualTiles,
} from '../../kernels/tiles.ts';
import { wholeQuads } from '../../reference/fused/layout.ts';
import { classRowOf } from '../../reference/fused/work.ts';

/** Which of the two forms that the fused kernels have. */
export type FormName = 'gpu' | 'cpu';

/** The fused kernels in one form, with the constants that suit the sizes. */
export interface FusedForms {
  readonly layers: typeof fusedLayers;
  /** Of a dispatch of a kind. */
  readonly layerConstants: (kind: string) => Constants;
  /** The roles that a dispatch with some is compiled for, where these are the dispatches of the schedule. */
  readonly rolesFor: (roles: number, dispatches: readonly number[]) => number;
  readonly top: typeof fusedTop;
  readonly topConstants: Constants;
  /** Hidden units, and elements of a row of classes, with those that fill a row up. */
  readonly hidden: number;
  readonly classRow: number;
  /** Tiles of rows that column statistics come in, and the sums of the top hidden layer's gradients. */
  readonly tiles: number;
  readonly sumTiles: number;
}

/** Classes that fused_top keeps in a thread's registers. */
const MOST_CLASSES = 24;

/**
 * The form for a device: on a CPU driver the one that hands numbers from lane to lane of a subgroup, if the driver has such
 * as it is written for and the classes fit one; `wanted` asks for one, and gets the other where it cannot be.
 */
export function formFor(gpu: Gpu, classes: number, wanted: FormName | undefined): FormName {
  const lanes = gpu.subgroupSize;
  const fits = (lanes === 4 || lanes === 8) && classes <= 4 * lanes;
  return fits && (wanted ?? (gpu.isCpu ? 'cpu' : 'gpu')) === 'cpu' ? 'cpu' : 'gpu';
}

/** Of what was measured with a GPU form there is nothing in a CPU form. */
const cpuConstants = (tiles: Tiles, kind: string): Constants =>
  'TILE_M' in tiles.layers ? {} : constantsOf(tiles, kind);

/**
 * The most roles that some dispatch has beside these. A CPU driver takes as long to compile a role as to train for many
 * steps, and to leave a role out makes nothing faster there: so as few pipelines as the schedule allows.
 */
export function widest(roles: number, dispatches: readonly number[]): number {
  const count = (bits: number): number => (bits === 0 ? 0 : (bits & 1) + count(bits >> 1));
  return dispatches
    .filter((others) => (others & roles) === roles)
    .reduce((most, others) => (count(others) > count(most) ? others : most), roles);
}

/** Chooses the form: a step's kernels agree on their tiles. */
export function formsFor(
  gpu: Gpu,
  sizes: { B: number; I: number; F: number; C: number; H: number },
  usesTop: boolean,
  wanted?: FormName,
  given?: Tiles,
): FusedForms {
  const { B, F, C } = sizes;
  const hidden = wholeQuads(F);
  if (formFor(gpu, C, wanted) === 'cpu') {
    const LANES = gpu.subgroupSize!;
    return {
      layers: fusedLayersCpu,
      layerConstants: (kind) => ({ ...(given && cpuConstants(given, kind)), LANES }),
      rolesFor: widest,
      top: fusedTopCpu,
      topConstants: { LANES, CLASSES: 4 * ceilDiv(C, 4) },
      hidden: F,
      classRow: C,
      // Whoever needs sums over the batch has whole columns.
      tiles: 1,
      sumTiles: 1,
    };
  }
  // What was measured on one device need not fit another of its kind.
  const usual = usualTiles('gpu');
  const whole = given && { ...given, top: usesTop ? { ...usual.top, ...given.top } : undefined };
  const tiles =
    whole && tilesRefuse(gpu.limits, whole, { ...sizes, F: hidden }) === undefined ? whole : usual;
  const { TILE_M } = tiles.layers as { TILE_M: number };
  const top = (tiles.top ?? usual.top) as { ROWS: number; LANES: number };
  return {
    layers: fusedLayers,
    layerConstants: (kind) => {
      const constants = constantsOf(tiles, kind);
      return { ...constants, FEATURES: featuresFor(constants, hidden) };
    },
    rolesFor: (roles) => roles,
    top: fusedTop,
    topConstants: { ...top, TILE_M, FEATURES: hidden, CLASSES: C },
    hidden,
    classRow: classRowOf('tiles', C),
    tiles: ceilDiv(B, TILE_M),
    sumTiles: usesTop ? ceilDiv(B, top.ROWS) : ceilDiv(B, TILE_M),
  };
}

/** Why the kernels do not cover these sizes on this device, if they do not. */
export function formsRefuse(
  gpu: Gpu,
  { B, I, F, C, H }: { B: number; I: number; F: number; C: number; H: number },
  usesTop: boolean,
  wanted?: FormName,
): string | undefined {
  const { maxComputeWorkgroupsPerDimension } = gpu.limits;
  const cpu = formFor(gpu, C, wanted) === 'cpu';
  const { layers, top } = usualTiles('gpu');
  const hidden = wholeQuads(F);
  if (!cpu && layersRefuse(gpu.limits, layers, hidden) !== undefined)
    return `they have no room for ${F} hidden units on this device`;
  // Where it is the CPU form that would be taken for fewer classes, that may cover more of them.
  const most =
    formFor(gpu, 1, wanted) === 'cpu' ? Math.max(4 * gpu.subgroupSize!, MOST_CLASSES) : MOST_CLASSES;
  if (!cpu && C > MOST_CLASSES) return `they cover up to ${most} classes`;
  if (!cpu && usesTop && topRefuses(gpu.limits, top!, hidden, C) !== undefined)
    return `they have no room for ${C} classes beside ${F} hidden units on this device`;
  const side = cpu ? 4 * gpu.subgroupSize! : 32;
  const tiles = H * ceilDiv(Math.max(B, I, F + C + 1), side) * ceilDiv(F, side) * 2;
  if (tiles > maxComputeWorkgroupsPerDimension)
    return 'they would take more workgroups than this device allows';
  return undefined;
}
