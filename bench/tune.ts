import type { Dataset } from '../src/data/dataset.ts';
import { mnistDataset } from '../src/data/mnist.ts';
import { ResidentDataset } from '../src/data/resident-dataset.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { type Tiles, type TilesEntry, topSuits } from '../src/kernels/tiles.ts';
import { formFor } from '../src/train/schedules/forms.ts';
import { provenance } from './provenance.ts';
import { LEAST_REPEATS, type Spread } from './suites/suite.ts';
import {
  agrees,
  type Choices,
  choicesFor,
  TUNED,
  type TunedSchedule,
  tilesText,
  withKind,
} from './tune-candidates.ts';
import { Contest, TuneRefusal, type TuneShape } from './tune-contest.ts';

/** What is tuned, and how long that may take. */
export interface TuneRequest {
  readonly schedules: readonly string[];
  readonly shapes: readonly TuneShape[];
  /** Seconds for all of it: what is left is shared out among the shapes still to come. */
  readonly seconds: number;
  readonly repeats?: number;
  /** MNIST, unless other data are given. */
  readonly dataset?: Dataset;
  readonly note: (line: string) => void;
  /** Is given each line as soon as it is sure, so that what stops the rest does not take it along. */
  readonly keep?: (entry: TilesEntry) => Promise<void>;
}

/** What came out of it. */
export interface TuneOutcome {
  readonly entries: readonly TilesEntry[];
  /** Schedules and shapes that the fused kernels do not cover on this device. */
  readonly leftOut: readonly string[];
  /** Tiles that do not compute what the usual ones do, or what their twins do, and that were not taken. */
  readonly wrong: readonly string[];
}

/** Seconds of one run. */
const SECONDS = { gpu: 0.02, cpu: 0.2 };

/** A choice has to be faster by this much to be taken for the better one of two that were not timed by turns. */
const WORTH = 0.99;

/** TILE_Ms whose dispatches are tuned one by one: those that came out first when all had the same. */
const FINALISTS = 2;

/** How much more of the time the first shape of a schedule gets than the others. */
const FIRST_WEIGHT = 5;

/** The best tiles, and how sure that is. */
interface Found {
  readonly tiles: Tiles;
  readonly ratio: Spread;
  readonly stepsPerSecond: number;
  readonly tried: number;
  readonly wrong: readonly string[];
  /** Whether time ran out before everything was tried. */
  readonly cut: boolean;
}

/** Tries constants that all dispatches share, then others for one kind after the other. */
export async function search(
  contest: Pick<Contest, 'time'>,
  choices: Choices,
  isLate: () => boolean,
): Promise<{ tiles: Tiles; seconds: number; cut: boolean }> {
  const { usual, layers, kinds, top } = choices;
  let cut = false;
  const timed = async (tiles: Tiles): Promise<number> => {
    cut ||= isLate();
    return cut ? Number.POSITIVE_INFINITY : contest.time(tiles);
  };
  let best = { tiles: usual, seconds: await contest.time(usual) };
  // The top's kernel first: it has little to do with the others.
  const tops = usual.top ? [{ constants: usual.top, seconds: best.seconds }] : [];
  for (const constants of top.slice(1)) {
    const tiles = { ...usual, top: constants };
    if (!topSuits(usual.layers, constants)) continue;
    const seconds = await timed(tiles);
    // What was not faster by more than a little does not come before the usual.
    tops.push({ constants, seconds: seconds / WORTH });
    if (seconds < WORTH * best.seconds) best = { tiles, seconds };
  }
  tops.sort((a, b) => a.seconds - b.seconds);
  const uniform: { tiles: Tiles; seconds: number }[] = [best];
  for (const constants of layers.slice(1)) {
    const suiting = tops.find((each) => topSuits(constants, each.constants));
    if (tops.length > 0 && !suiting) continue;
    const tiles = { layers: constants, ...(suiting && { top: suiting.constants }) };
    uniform.push({ tiles, seconds: await timed(tiles) });
  }
  uniform.sort((a, b) => a.seconds - b.seconds);
  // The best of each set of constants that a step's dispatches must share.
  const finalists = uniform.filter(
    ({ tiles }, i) => uniform.findIndex((other) => agrees(choices, tiles, other.tiles.layers)) === i,
  );
  for (const finalist of finalists.slice(0, FINALISTS)) {
    let own = finalist;
    for (const kind of kinds.length > 1 ? kinds : []) {
      for (const constants of layers) {
        if (!agrees(choices, own.tiles, constants)) continue;
        const tiles = withKind(own.tiles, kind, constants);
        if (tilesText(tiles) === tilesText(own.tiles)) continue;
        const seconds = await timed(tiles);
        if (seconds < WORTH * own.seconds) own = { tiles, seconds };
      }
    }
    if (own.seconds < best.seconds) best = own;
  }
  return { ...best, cut };
}

/** Tunes one schedule at one shape; what does not beat the usual tiles beyond doubt gives way to them. */
async function tuneOne(
  gpu: Gpu,
  data: ResidentDataset,
  tuned: TunedSchedule,
  shape: TuneShape,
  { until, repeats }: { until: number; repeats: number },
): Promise<Found> {
  const { classes } = data.dataset;
  const form = formFor(gpu, classes, undefined);
  const choices = choicesFor(gpu, form, tuned.packed, { ...shape, classes });
  const { usual } = choices;
  const contest = new Contest(gpu, data, tuned, shape, { form, usual, seconds: SECONDS[gpu.info.kind] });
  if (performance.now() < until) await contest.compile(choices);
  const { tiles, seconds, cut } = await search(contest, choices, () => performance.now() >= until);
  const { tried, wrong } = contest;
  const same = { tiles: usual, ratio: { median: 1, p10: 1, p90: 1, repeats: 0 }, tried, wrong, cut };
  if (tilesText(tiles) === tilesText(usual)) return { ...same, stepsPerSecond: 1 / seconds };
  if (!(await contest.passes(tiles))) return { ...same, stepsPerSecond: 1 / (await contest.time(usual)) };
  const { ratio, stepsPerSecond } = await contest.duel(tiles, repeats);
  if (ratio.p10 > 1) return { tiles, ratio, stepsPerSecond, tried, wrong, cut };
  return { ...same, stepsPerSecond: stepsPerSecond / ratio.median };
}

/** Finds the fastest tiles for each schedule and shape on this device. */
export async function tune(
  gpu: Gpu,
  { schedules, shapes, seconds, repeats = LEAST_REPEATS, dataset, note, keep }: TuneRequest,
): Promise<TuneOutcome> {
  const data = new ResidentDataset(gpu, dataset ?? (await mnistDataset()));
  const { dawn, commit } = provenance();
  const end = performance.now() + 1e3 * seconds;
  const targets = schedules.flatMap((schedule) => shapes.map((shape) => ({ schedule, ...shape })));
  // The first shape of a schedule compiles what the others find compiled.
  const weights = targets.map((_, i) => (i % shapes.length === 0 ? FIRST_WEIGHT : 1));
  const entries: TilesEntry[] = [];
  const leftOut: string[] = [];
  const wrong: string[] = [];
  try {
    for (const [i, target] of targets.entries()) {
      const { schedule, ...shape } = target;
      const name = `${schedule}, ${shape.layers} layers x ${shape.batch}`;
      const now = performance.now();
      const left = weights.slice(i).reduce((sum, weight) => sum + weight, 0);
      const until = now + ((end - now) * weights[i]!) / left;
      try {
        const found = await tuneOne(gpu, data, TUNED.get(schedule)!, shape, { until, repeats });
        const { tiles, ratio, stepsPerSecond, tried, cut } = found;
        wrong.push(...found.wrong.map((tiles) => `${name}: ${tiles}`));
        const measured = {
          date: new Date().toISOString(),
          commit,
          driver: gpu.info.driver,
          dawn,
          ratio,
          stepsPerSecond,
          tried,
        };
        const entry = { ...target, tiles, measured };
        entries.push(entry);
        await keep?.(entry);
        note(
          `${name}: ${ratio.repeats > 0 ? `${ratio.median.toFixed(2)} times as fast` : 'nothing faster than the usual'}, ` +
            `${tilesText(tiles)} (${tried} tried${cut ? ', then the time was up' : ''})`,
        );
      } catch (error) {
        if (!(error instanceof TuneRefusal)) throw error;
        leftOut.push(`${name}: ${error.message}`);
        note(`${name}: left out, ${error.message}`);
      }
    }
    return { entries, leftOut, wrong };
  } finally {
    data.destroy();
  }
}
