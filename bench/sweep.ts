import type { Dataset } from '../src/data/dataset.ts';
import { ResidentDataset } from '../src/data/resident-dataset.ts';
import { NoResultError } from '../src/errors.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { type BenchRecord, type CheckRecord, SCHEMA_VERSION } from '../src/report/record.ts';
import { rules } from '../src/train/rules.ts';
import type { Trainer, TrainOptions } from '../src/train/trainer.ts';
import { checkMethod, choiceFor } from './checks.ts';
import { type BenchListener, CheckFailedError, optionsOf, runOne } from './paper.ts';
import { provenance } from './provenance.ts';
import type { SweepCell } from './sweep-grid.ts';

/** What cells of one method run in place of the schedule that was asked for. */
export interface Fallback {
  readonly method: string;
  /** How many cells the method has. */
  readonly cells: number;
  /** What so many of them have instead, and why. */
  readonly to: readonly { readonly schedule: string; readonly because: string; readonly cells: number }[];
}

/** What a sweep does with its cells, and whom it tells. */
export interface SweepListener extends Pick<BenchListener, 'onProgress'> {
  /** All cells suit the data and the device; checks and runs come next. */
  onStart?(): Promise<void> | void;
  /** Told after the start, once for each method of which it is so. */
  onFallback?(fallback: Fallback): void;
  onCheck?(check: CheckRecord): void;
  onCellStart?(cell: SweepCell): void;
  /** Keeps the record of a cell that has ended; `seconds` is all it took, its check included. */
  onCellEnd(cell: SweepCell, record: BenchRecord, seconds: number): Promise<void>;
}

/** How a cell is trained. */
const trainOptions = ({ method, config }: SweepCell): TrainOptions => optionsOf(rules.get(method)!, config);

/** Equal for cells whose steps have the same shapes: one check is enough for those of them that have one schedule. */
function shapeKey(cell: SweepCell): string {
  // Left out is what a step reads from its table, or what decides how often its parts are run.
  const { rule, seed, learningRate, lrDrops, updateProbability, sgLearningRate, sgWarmup, ...shape } =
    trainOptions(cell);
  return JSON.stringify([rule.name, shape]);
}

/** What a cell is run by, and why, where it is not what was asked for. */
type Choice = Pick<Trainer, 'schedule' | 'because'>;

/** Which cells have not the schedule that was asked for. */
function fallbacks(all: readonly SweepCell[], choiceOf: (cell: SweepCell) => Choice): Fallback[] {
  return [...new Set(all.map(({ method }) => method))].flatMap((method) => {
    const cells = all.filter((cell) => cell.method === method);
    const to = new Map<string, Fallback['to'][number]>();
    for (const cell of cells) {
      const { schedule, because } = choiceOf(cell);
      if (because === undefined) continue;
      const key = `${schedule}: ${because}`;
      to.set(key, { schedule, because, cells: (to.get(key)?.cells ?? 0) + 1 });
    }
    return to.size > 0 ? [{ method, cells: cells.length, to: [...to.values()] }] : [];
  });
}

/** Tells the schedules of cells. What one is chosen by is asked once, as that records a step at full size. */
function scheduler(gpu: Gpu, data: ResidentDataset): (cell: SweepCell) => Choice {
  const known = new Map<string, Choice>();
  return (cell) => {
    const options = trainOptions(cell);
    const { updateProbability, sgWarmup } = options;
    const key = JSON.stringify([shapeKey(cell), updateProbability, sgWarmup]);
    const choice = known.get(key) ?? choiceFor(gpu, data, options);
    known.set(key, choice);
    return choice;
  };
}

/**
 * Runs the cells of a sweep that are not done, on one device, with the data uploaded once. The kernels of each method,
 * schedule and shape are checked before the first cell that needs them.
 *
 * A cell whose loss stops being finite is a result like any other: its record tells so, and the sweep goes on.
 *
 * @param all every cell of the sweep. Those that share a check have the first one's, so that records do not depend on
 *   where a sweep was stopped and taken up again
 * @param left those of them that are still to be run
 * @throws InputError for a cell that this device or these data do not allow, before anything is run; CheckFailedError;
 *   whatever else ends a run (a lost device, no memory). Cells that had ended before have been kept.
 */
export async function runSweep(
  gpu: Gpu,
  dataset: Dataset,
  all: readonly SweepCell[],
  left: readonly SweepCell[],
  listener: SweepListener,
  signal?: AbortSignal,
): Promise<void> {
  const made = provenance();
  const data = new ResidentDataset(gpu, dataset);
  const choiceOf = scheduler(gpu, data);
  const scheduleOf = (cell: SweepCell) => choiceOf(cell).schedule;
  const checks = new Map<string, CheckRecord>();
  const check = async (cell: SweepCell): Promise<CheckRecord> => {
    const [shape, schedule] = [shapeKey(cell), scheduleOf(cell)];
    const key = `${shape} ${schedule}`;
    const known = checks.get(key);
    if (known) return known;
    const first = all.find((each) => shapeKey(each) === shape && scheduleOf(each) === schedule)!;
    const result = await checkMethod(gpu, data, trainOptions(first));
    if (!result.passed) {
      throw new CheckFailedError(
        `kernels fail their check on ${gpu.info.name}, so that nothing more was timed:\n${result.failures.join('\n')}`,
      );
    }
    checks.set(key, result);
    listener.onCheck?.(result);
    return result;
  };
  try {
    // Each shape once at full size, as checks may be smaller: what does not fit is refused before anything is done.
    for (const cell of left) scheduleOf(cell);
    await gpu.idle();
    await listener.onStart?.();
    for (const fallback of fallbacks(all, choiceOf)) listener.onFallback?.(fallback);
    for (const cell of left) {
      if (signal?.aborted) return;
      const began = performance.now();
      const date = new Date().toISOString();
      const checked = await check(cell);
      if (signal?.aborted) return;
      listener.onCellStart?.(cell);
      const { record, error } = await runOne(gpu, data, cell.method, cell.config, listener, signal);
      // A cell that was broken off is not kept: it is run again as a whole.
      if (record.status === 'interrupted') return;
      if (error && !(error instanceof NoResultError)) throw error;
      const { config } = cell;
      await listener.onCellEnd(
        cell,
        {
          ...{ schemaVersion: SCHEMA_VERSION, date, device: gpu.info, ...made, config },
          ...{ checks: [checked], runs: [record], interrupted: false },
        },
        (performance.now() - began) / 1000,
      );
    }
  } finally {
    data.destroy();
  }
}
