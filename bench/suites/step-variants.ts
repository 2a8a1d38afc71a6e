import { InputError } from '../../src/errors.ts';
import { rules } from '../../src/train/rules.ts';
import type { ScheduleName } from '../../src/train/schedules/driver.ts';
import { fusedBackprop, fusedSynthetic } from '../../src/train/schedules/fused.ts';
import type { PackedSchedule } from '../../src/train/schedules/packed.ts';
import { delayedWave, wave, waveOfOne } from '../../src/train/schedules/wave.ts';
import type { Trainer, TrainOptions } from '../../src/train/trainer.ts';
import { presets } from '../presets.ts';

/** A learning rule under a schedule. */
export interface Variant {
  /** Unique, and short enough for the head of a column. */
  readonly name: string;
  readonly method: 'bp' | 'cdni' | 'delayed-bp';
  readonly schedule: ScheduleName;
  readonly waveStages: 1 | 3;
  /** The schedule's name in the table of tiles; none of the layered one. */
  readonly tuned?: string;
}

/** First steps whose losses are looked at before anything is timed. */
export const FIRST_STEPS = 4;

/**
 * First steps from equal weights whose losses are those of the layered schedule: all of them where nothing comes late.
 * Where predictors alone learn a step late, the third loss is the first to show it, since what they predict is 0 to
 * begin with; where layers do so too, the second.
 */
export const sameLosses = ({ driver: { staleness } }: Pick<Trainer, 'driver'>): number =>
  staleness === undefined ? FIRST_STEPS : staleness.gradient > 0 ? 1 : 2;

const variant = (method: Variant['method'], schedule: ScheduleName, packed?: PackedSchedule): Variant => ({
  name: `${method} ${schedule}`,
  ...{ method, schedule, waveStages: 3 },
  ...(packed && { tuned: packed.name }),
});

/**
 * All that is measured, in the order of the table's columns. A method's layered schedule comes before its others; delayed
 * backpropagation, which unlocks layers without predictors, is there for its wave alone.
 */
export const VARIANTS: readonly Variant[] = [
  variant('bp', 'layered'),
  variant('bp', 'fused', fusedBackprop),
  variant('cdni', 'layered'),
  variant('cdni', 'fused', fusedSynthetic),
  variant('cdni', 'wave', wave),
  variant('delayed-bp', 'wave', delayedWave),
  { ...variant('cdni', 'wave', waveOfOne), name: 'cdni wave, 1 stage', waveStages: 1 },
];

/** The variants that the map compares: how many times as many steps the first does in a second. */
export const MAP = { of: 'cdni wave', to: 'bp fused' } as const;

/** The fair rival's map: it unlocks the layers without predictors, and its gradients are late. */
export const RIVAL = { of: 'delayed-bp wave', to: 'bp fused' } as const;

/** The depths and batches to measure. */
export interface Grid {
  readonly layers: readonly number[];
  readonly batch: readonly number[];
}

const FULL: Grid = { layers: [3, 4, 6, 8, 12, 16], batch: [32, 64, 128, 256, 512, 1024] };
const REDUCED: Grid = { layers: [3, 4, 8], batch: [32, 64, 256] };
const QUICK: Grid = { layers: [3, 4], batch: [32] };

/** The grid that suits a device, unless something else is asked for. */
export function gridOf(
  { isCpu, quick }: { isCpu: boolean; quick: boolean },
  asked: Partial<Grid> & { readonly full?: boolean },
): Grid {
  const grid = asked.full ? FULL : quick ? QUICK : isCpu ? REDUCED : FULL;
  return { layers: asked.layers ?? grid.layers, batch: asked.batch ?? grid.batch };
}

/** Reads whole numbers with commas between, each once, as rising ones. */
export const numbers =
  (option: string, least: number, most: number) =>
  (text: string): number[] => {
    const found = text.split(',').map((part) => {
      const value = Number(part);
      if (part.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
        throw new InputError(
          `${option}: expected whole numbers from ${least} to ${most} with commas between, found '${text}'`,
        );
      }
      return value;
    });
    return [...new Set(found)].sort((a, b) => a - b);
  };

/** The network, the learning rate and the seed of Bisong 2017. */
export const PAPER = presets['bisong-50k']!;

/** The network and the batch of a step. */
export interface StepShape {
  readonly layers: number;
  readonly batch: number;
  readonly hidden: number;
}

/** What a variant is trained with. */
export function trainOptions(
  { method, schedule, waveStages }: Pick<Variant, 'method' | 'schedule' | 'waveStages'>,
  { layers, batch, hidden }: StepShape,
): TrainOptions {
  const { lr: learningRate, seed } = PAPER;
  return {
    rule: rules.get(method)!,
    ...{ hidden, layers, batchSize: batch, learningRate, lrDrops: [], seed },
    ...{ schedule, waveStages },
  };
}
