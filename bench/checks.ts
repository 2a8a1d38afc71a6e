import type { ResidentDataset } from '../src/data/resident-dataset.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { ALL_EVENTS } from '../src/gpu/liveness.ts';
import type { Tiles } from '../src/kernels/tiles.ts';
import type { CheckRecord } from '../src/report/record.ts';
import { Trainer, type TrainOptions } from '../src/train/trainer.ts';

/** Multiply-adds of a step above which its float64 twins would take too long: about a second each 300 million. */
const MOST_MACS = 320e6;

/** As many are enough where batches are cut: such methods have many small tensors, which take their time too. */
const ENOUGH_MACS = 200e6;

/** The paper's sizes, which a check falls back to where the run's own are too large. */
const SMALLER = { batchSize: 256, hidden: 256, layers: 4 };

/** The learning rate of a check at most: with a large one, the second step may already be full of infinities. */
const MOST_RATE = 1e-3;

/** Batches that a check may make do with, so that batch norm still has something to average over. */
const BATCHES = [128, 64, 32];

/** Of which fused kernels take what is usual: constants that say nothing. */
const USUAL: Tiles = { layers: {} };

/** A step recorded for its check, and the width that its predictors were narrowed to, if they were. */
export interface Recorded {
  readonly trainer: Trainer;
  readonly sgWidth?: number;
}

const macsOf = ({ plan }: Trainer): number => plan.workOf(ALL_EVENTS).macs;

/**
 * The schedule that a run has, and why, where it is not the one that was asked for.
 *
 * @throws InputError for what this device or these data do not allow
 */
export function choiceFor(
  gpu: Gpu,
  data: ResidentDataset,
  options: TrainOptions,
): Pick<Trainer, 'schedule' | 'because'> {
  const trainer = new Trainer(gpu, data, options);
  trainer.destroy();
  const { schedule, because } = trainer;
  return { schedule, because };
}

/**
 * Records a method's step at the run's own sizes or, where its twins would take long, at the paper's, or else with
 * predictors no wider than the network and with the largest batch that is quick enough.
 */
function atCheckedSizes(gpu: Gpu, data: ResidentDataset, options: TrainOptions): Recorded {
  const { rule, batchSize, hidden, layers, synthetic } = options;
  const own = new Trainer(gpu, data, options);
  if (macsOf(own) <= MOST_MACS) return { trainer: own };
  own.destroy();

  const smaller = {
    ...options,
    // Not those that the table has for the smaller sizes.
    tiles: own.driver.tiles ?? USUAL,
    batchSize: Math.min(batchSize, SMALLER.batchSize),
    hidden: Math.min(hidden, SMALLER.hidden),
    layers: Math.min(layers, SMALLER.layers),
  };
  const plain = new Trainer(gpu, data, smaller);
  if (macsOf(plain) <= MOST_MACS) return { trainer: plain };
  plain.destroy();

  const width = Math.min(synthetic?.width ?? smaller.hidden, smaller.hidden);
  const narrow = { ...smaller, synthetic: { ...synthetic, width } };
  const deep = rule.heeds.synthetic && (synthetic?.hidden ?? (rule.heeds.width ? 1 : 0)) > 0;
  const sgWidth = deep ? { sgWidth: width } : {};
  const whole = new Trainer(gpu, data, narrow);
  // Multiply-adds grow with the batch in proportion.
  const perSample = macsOf(whole) / smaller.batchSize;
  if (perSample * smaller.batchSize <= MOST_MACS) return { trainer: whole, ...sgWidth };
  whole.destroy();
  const fits = BATCHES.find((batch) => batch < smaller.batchSize && perSample * batch <= ENOUGH_MACS);
  const part = Math.min(fits ?? BATCHES.at(-1)!, smaller.batchSize);
  return { trainer: new Trainer(gpu, data, { ...narrow, batchSize: part }), ...sgWidth };
}

/**
 * Records the step that a method is checked on: of the schedule that the run has, with every part at work from the
 * first step on.
 */
export function recordChecked(gpu: Gpu, data: ResidentDataset, options: TrainOptions): Recorded {
  const { learningRate, sgLearningRate = learningRate } = options;
  return atCheckedSizes(gpu, data, {
    ...options,
    // Chosen by the run's own options: with those below the choice might be another, and so would the kernels.
    schedule: choiceFor(gpu, data, options).schedule,
    learningRate: Math.min(learningRate, MOST_RATE),
    sgLearningRate: Math.min(sgLearningRate, MOST_RATE),
    updateProbability: 1,
    sgWarmup: 0,
  });
}

/**
 * Runs a step of a method on this device, a dispatch at a time, and compares everything every kernel writes with its
 * float64 twin. The steps before it run unchecked, so that predictors and moments are no longer zero, and late
 * gradients have arrived.
 */
export async function checkMethod(
  gpu: Gpu,
  data: ResidentDataset,
  options: TrainOptions,
): Promise<CheckRecord> {
  const { rule } = options;
  const { trainer, ...narrowed } = recordChecked(gpu, data, options);
  try {
    const { batchSize, hidden, layers } = trainer.options;
    await trainer.ready();
    const late = Array.from(
      { length: layers },
      (_, i) => rule.delay?.(i, trainer.shape, { delay: options.delay ?? 'pipelined' }) ?? 0,
    );
    await trainer.results(trainer.submit(1 + Math.max(...late)));
    const report = await trainer.check();
    return {
      method: rule.name,
      passed: report.passed,
      dispatches: trainer.plan.dispatches.length,
      tensors: report.tensors.length,
      worst: Math.max(...report.tensors.map((t) => t.worst)),
      shape: { batch: batchSize, hidden, layers, ...narrowed },
      failures: report.failures,
    };
  } finally {
    trainer.destroy();
  }
}
