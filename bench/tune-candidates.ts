import type { Gpu } from '../src/gpu/gpu.ts';
import type { Constants } from '../src/gpu/shader.ts';
import { kindOf, layersRefuse, type Tiles, topRefuses, usualTiles } from '../src/kernels/tiles.ts';
import type { FormName } from '../src/train/schedules/forms.ts';
import { fusedBackprop, fusedSynthetic } from '../src/train/schedules/fused.ts';
import type { PackedSchedule } from '../src/train/schedules/packed.ts';
import { delayedWave, wave, waveOfOne } from '../src/train/schedules/wave.ts';

/** A schedule that can be tuned, and what asks a trainer for it. */
export interface TunedSchedule {
  readonly packed: PackedSchedule;
  readonly method: 'bp' | 'cdni' | 'delayed-bp';
  readonly schedule: 'fused' | 'wave';
  readonly waveStages: 1 | 3;
}

/** Every schedule of the fused kernels, by its name. */
export const TUNED: ReadonlyMap<string, TunedSchedule> = new Map(
  (
    [
      { packed: fusedBackprop, method: 'bp', schedule: 'fused', waveStages: 3 },
      { packed: wave, method: 'cdni', schedule: 'wave', waveStages: 3 },
      { packed: fusedSynthetic, method: 'cdni', schedule: 'fused', waveStages: 3 },
      { packed: waveOfOne, method: 'cdni', schedule: 'wave', waveStages: 1 },
      { packed: delayedWave, method: 'delayed-bp', schedule: 'wave', waveStages: 3 },
    ] as const
  ).map((tuned) => [tuned.packed.name, tuned]),
);

/** What may be chosen for a schedule on a device. */
export interface Choices {
  /** What the schedule runs with where nothing is known. */
  readonly usual: Tiles;
  /** Constants of the layers' kernel, the usual ones first. */
  readonly layers: readonly Constants[];
  /** Constants that all dispatches of a step must share. */
  readonly shared: readonly string[];
  /** Kinds of dispatches that may differ in the others. */
  readonly kinds: readonly string[];
  /** Constants of the top's kernel, the usual ones first; none where the schedule has no such kernel. */
  readonly top: readonly Constants[];
}

/**
 * Tiles to try, TILE_M x TILE_N x TILE_K and SPLIT. Small ones and more groups of threads keep a large GPU busy with a small
 * batch; large ones read less. Long slices have fewer barriers, short ones less to hold in registers.
 */
export const TILES: readonly Constants[] = [
  [32, 32, 32, 4],
  [32, 32, 64, 2],
  [32, 32, 128, 2],
  // As many warps on a processor as hide the time of a load, where tiles are fewer than processors.
  [32, 32, 64, 8],
  [32, 32, 128, 8],
  [32, 64, 64, 4],
  [32, 16, 32, 4],
  [32, 16, 64, 8],
  [16, 32, 32, 4],
  [16, 32, 64, 8],
  [16, 32, 128, 8],
  [16, 16, 32, 4],
  [16, 16, 64, 8],
  [16, 16, 64, 16],
  [16, 16, 128, 8],
  [8, 32, 64, 8],
  [8, 32, 64, 16],
  [16, 64, 32, 4],
  [32, 64, 32, 2],
  [64, 32, 32, 2],
  [64, 64, 16, 1],
  [32, 32, 16, 1],
].map(([TILE_M, TILE_N, TILE_K, SPLIT]) => ({ TILE_M, TILE_N, TILE_K, SPLIT }) as Constants);

/** Tiles of the top's kernel to try, ROWS and LANES. */
export const TOPS: readonly Constants[] = [
  [8, 16],
  [4, 32],
  [4, 64],
  [2, 64],
  [2, 128],
  [16, 8],
  [16, 16],
].map(([ROWS, LANES]) => ({ ROWS, LANES }) as Constants);

/** Piles to try in the form for CPU drivers. */
const PILES = [1, 2, 4, 16, 32];

/** The kinds of dispatches of a schedule, in the order in which a step meets them, and whether it has the top's kernel. */
export function kindsOf(schedule: PackedSchedule, hiddenLayers: number): { kinds: string[]; top: boolean } {
  const kinds = new Set<string>();
  let top = false;
  schedule.record({
    H: hiddenLayers,
    layers: (_, spans) => kinds.add(kindOf(spans)),
    top: () => {
      top = true;
    },
  });
  return { kinds: [...kinds], top };
}

/** What may be chosen for a schedule: of the form that runs on the device, as far as the device's limits allow. */
export function choicesFor(
  { limits }: Pick<Gpu, 'limits'>,
  form: FormName,
  schedule: PackedSchedule,
  { hidden, layers, classes }: { hidden: number; layers: number; classes: number },
): Choices {
  const { kinds, top } = kindsOf(schedule, layers - 1);
  const all = usualTiles(form);
  const usual = top ? all : { layers: all.layers };
  if (form === 'cpu') {
    const others = PILES.filter((n) => n !== all.layers.PILES).map((n) => ({ PILES: n }));
    return { usual: { layers: all.layers }, layers: [all.layers, ...others], shared: [], kinds, top: [] };
  }
  return {
    usual,
    layers: [
      all.layers,
      ...TILES.filter((constants) => layersRefuse(limits, constants, hidden) === undefined),
    ],
    shared: ['TILE_M'],
    kinds,
    top: top
      ? [
          all.top!,
          ...TOPS.filter((constants) => topRefuses(limits, constants, hidden, classes) === undefined),
        ]
      : [],
  };
}

/** The same tiles with other constants for the dispatches of a kind; none of a kind that has what all have. */
export function withKind(tiles: Tiles, kind: string, constants: Constants): Tiles {
  const { [kind]: _, ...others } = tiles.kinds ?? {};
  const own = Object.fromEntries(Object.entries(constants).filter(([name, n]) => tiles.layers[name] !== n));
  const kinds = Object.keys(own).length > 0 ? { ...others, [kind]: own } : others;
  return { ...tiles, kinds };
}

/** Whether a kind may have these constants beside what the step's other dispatches have. */
export const agrees = ({ shared }: Choices, tiles: Tiles, constants: Constants): boolean =>
  shared.every((name) => tiles.layers[name] === constants[name]);

/** Tiles in a line: what all dispatches have, then what those of a kind have in its place. */
export function tilesText(tiles: Tiles): string {
  const text = (constants: Constants) =>
    Object.entries(constants)
      .map(([name, n]) => `${name}=${n}`)
      .join(',');
  const kinds = Object.keys(tiles.kinds ?? {}).map((kind) => `${kind}: ${text(tiles.kinds![kind]!)}`);
  return [text(tiles.layers), ...kinds, ...(tiles.top ? [`top: ${text(tiles.top)}`] : [])].join('; ');
}
