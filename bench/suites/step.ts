import type { Dataset } from '../../src/data/dataset.ts';
import { mnistDataset } from '../../src/data/mnist.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { InputError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { type Tiles, tilesFor } from '../../src/kernels/tiles.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { CheckFailedError } from '../paper.ts';
import { measurePeaks, type Peaks } from '../peaks.ts';
import { type Failed, unlessWrong } from './measured.ts';
import { checkWritable, writePicture } from './picture.ts';
import { measureCell, type StepCell } from './step-cell.ts';
import { stepMap } from './step-map.ts';
import { stepTable } from './step-table.ts';
import {
  type Grid,
  gridOf,
  MAP,
  numbers,
  PAPER,
  type StepShape,
  trainOptions,
  VARIANTS,
  type Variant,
} from './step-variants.ts';
import type { Measuring, Suite } from './suite.ts';

/** What every kernel of a variant wrote in one step, against the float64 twins. */
export interface StepCheck {
  readonly name: string;
  readonly layers: number;
  readonly batch: number;
  readonly dispatches: number;
  /** Largest error in units of its bound. */
  readonly worst: number;
}

/** What the suite found. */
export interface StepResult {
  readonly peaks: Peaks;
  readonly config: {
    readonly hidden: number;
    readonly learningRate: number;
    readonly seed: number;
    readonly data: string;
  };
  /** The grid, and the variants that the map compares. */
  readonly grid: Grid;
  readonly map: typeof MAP;
  readonly checks: readonly StepCheck[];
  readonly cells: readonly StepCell[];
}

/** Seconds of one repeat. */
const SECONDS = { gpu: 0.04, cpu: 0.3, quick: 0.05 };

/** Rows of a tile where no others are known, and samples of a checked step beside one full tile of them. */
const TILE_M = 32;
const MORE = 8;

/** Layers up to which waves are checked: twins of deeper ones take long, and show nothing more. */
const MOST_LAYERS = 8;

/** Steps before the one that is checked, so that moments and predictors are no longer zero. */
const STEPS_BEFORE = 2;

/**
 * Compares all that a variant's kernels write in one step with the twins. Nothing to report where the schedule does not
 * cover the network.
 *
 * @throws CheckFailedError when they differ
 */
export async function checkVariant(
  gpu: Gpu,
  data: ResidentDataset,
  variant: Variant,
  { layers, hidden, tiles }: { layers: number; hidden: number; tiles?: Tiles | undefined },
): Promise<StepCheck | undefined> {
  const { name, schedule } = variant;
  const batch = Math.min((tiles?.layers.TILE_M ?? TILE_M) + MORE, data.train.count);
  let trainer: Trainer;
  try {
    trainer = new Trainer(gpu, data, {
      ...trainOptions(variant, { layers, batch, hidden }),
      ...{ learningRate: 1e-3, tiles },
    });
  } catch (error) {
    // What the device has no memory for.
    if (error instanceof InputError) return undefined;
    throw error;
  }
  try {
    if (trainer.schedule !== schedule) return undefined;
    await trainer.ready();
    await trainer.results(trainer.submit(STEPS_BEFORE));
    const { passed, failures, tensors } = await trainer.check();
    if (!passed) {
      throw new CheckFailedError(
        `step: the kernels of ${name} with ${layers} layers fail their check on ${gpu.info.name}, so that nothing was timed:\n${failures.join('\n')}`,
      );
    }
    const worst = Math.max(...tensors.map((tensor) => tensor.worst));
    return { name, layers, batch, dispatches: trainer.plan.dispatches.length, worst };
  } finally {
    trainer.destroy();
  }
}

/** The tiles that a variant has at the batches of the grid, each once. */
function tilesOf(
  { info }: Gpu,
  { tuned }: Variant,
  { layers, hidden }: Omit<StepShape, 'batch'>,
  grid: Grid,
) {
  if (tuned === undefined) return [undefined];
  const all = grid.batch.map((batch) => tilesFor(info, { schedule: tuned, layers, batch, hidden }));
  return [...new Map(all.map((tiles) => [JSON.stringify(tiles), tiles])).values()];
}

/**
 * Checks every variant once, with all its tiles, and the waves at each depth up to {@link MOST_LAYERS}, since a dispatch
 * of theirs does all layers.
 */
async function checkAll(
  gpu: Gpu,
  data: ResidentDataset,
  variants: readonly Variant[],
  hidden: number,
  grid: Grid,
  failed: Failed | undefined,
  stopped: () => boolean,
): Promise<{ checks: StepCheck[]; wrong: Map<string, string> }> {
  const checks: StepCheck[] = [];
  const wrong = new Map<string, string>();
  for (const variant of variants) {
    const depths = grid.layers.filter((layers, i) => i === 0 || layers <= MOST_LAYERS);
    for (const layers of variant.schedule === 'wave' ? depths : depths.slice(0, 1)) {
      if (stopped()) break;
      for (const tiles of tilesOf(gpu, variant, { layers, hidden }, grid)) {
        const check = await unlessWrong(failed, () =>
          checkVariant(gpu, data, variant, { layers, hidden, tiles }),
        );
        if (check && 'leftOut' in check) wrong.set(variant.name, check.leftOut);
        else if (check) checks.push(check);
      }
    }
  }
  return { checks, wrong };
}

/** What may be other than usual: the whole grid on every device; and for tests another network, and other data. */
export interface StepOptions {
  readonly full?: boolean;
  readonly hidden?: number;
  readonly dataset?: Dataset;
  readonly seconds?: number;
  readonly copyBytes?: number;
  readonly variants?: readonly Variant[];
}

/** Checks and measures the whole grid. */
export async function measureSteps(
  { gpu, repeats, quick, note, failed, stopped = () => false }: Measuring,
  asked: Partial<Grid> & StepOptions,
): Promise<StepResult> {
  const grid = gridOf({ isCpu: gpu.isCpu, quick }, asked);
  const { hidden = PAPER.hidden, dataset = await mnistDataset(), copyBytes, variants = VARIANTS } = asked;
  const data = new ResidentDataset(gpu, dataset);
  try {
    const { checks, wrong } = await checkAll(gpu, data, variants, hidden, grid, failed, stopped);
    note(
      `step: ${checks.length} schedules checked, worst error ${Math.max(0, ...checks.map((c) => c.worst)).toPrecision(3)} of its bound`,
    );
    const peaks = await measurePeaks(gpu, { repeats, ...(copyBytes !== undefined && { copyBytes }) });
    note(`peaks: ${peaks.gflops.toPrecision(3)} GFLOP/s, ${peaks.gbs.toPrecision(3)} GB/s`);
    const { seconds = quick ? SECONDS.quick : SECONDS[gpu.info.kind] } = asked;
    const cells: StepCell[] = [];
    for (const layers of grid.layers) {
      for (const batch of grid.batch) {
        if (stopped()) break;
        const cell = await measureCell(
          { gpu, data, repeats, seconds, peaks, hidden, wrong, failed },
          { layers, batch },
          variants,
        );
        cells.push(cell);
        const ratio = cell.waveToBp ? `${MAP.of} / ${MAP.to} ${cell.waveToBp.median.toFixed(2)}` : 'no ratio';
        note(`step: ${layers} layers, batch ${batch}: ${ratio}`);
      }
    }
    const { lr: learningRate, seed } = PAPER;
    return {
      peaks,
      config: { hidden, learningRate, seed, data: dataset.name },
      grid,
      map: MAP,
      checks,
      cells,
    };
  } finally {
    data.destroy();
  }
}

function fileName(text: string): string {
  if (text.trim() === '') throw new InputError("--map: expected a file's name, found none");
  return text;
}

/** `syngrad bench step`. */
export const stepSuite: Suite<StepResult> = {
  name: 'step',
  about: 'bp and cdni under each schedule, over depths and batches, and where the wave pays',
  options: [
    { flags: '--layers <list>', about: 'depths, such as 3,4,8', read: numbers('--layers', 2, 32) },
    { flags: '--batch <list>', about: 'batches, such as 32,64', read: numbers('--batch', 2, 55_000) },
    { flags: '--full', about: 'the whole grid on a CPU driver too' },
    { flags: '--map <file.svg>', about: 'draws where the wave pays', read: fileName },
  ],
  async run(context) {
    const { map, ...asked } = (context.options ?? {}) as Partial<Grid> & { full?: boolean; map?: string };
    if (map !== undefined) await checkWritable('--map', map);
    return measureSteps(context, asked);
  },
  count: ({ cells }) => cells.length,
  async finish(result, { options, gpu, note }) {
    const { map } = (options ?? {}) as { map?: string };
    if (map === undefined) return;
    await writePicture('--map', map, stepMap(result, gpu.info).file);
    note(`written: ${map}`);
  },
  table: stepTable,
};
