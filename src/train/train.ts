import type { Dataset } from '../data/dataset.ts';
import { ResidentDataset } from '../data/resident-dataset.ts';
import { InputError } from '../errors.ts';
import type { Mlp } from '../nn/mlp.ts';
import { backprop } from './backprop.ts';
import { cdni } from './cdni.ts';
import type { LearningRule } from './rule.ts';
import { type RunOptions, type RunResult, run } from './run.ts';
import { Trainer, type TrainOptions } from './trainer.ts';

/** What the rules may be told beside the common options. */
type RuleChoices = Pick<
  TrainOptions,
  | 'optimizer'
  | 'updateProbability'
  | 'sgLearningRate'
  | 'sgWarmup'
  | 'lambda'
  | 'synthetic'
  | 'conventions'
  | 'delay'
  | 'schedule'
  | 'waveStages'
>;

/** How to train a network of one's own; what is left out is the paper's, but for the learning rate. */
export interface TrainNetworkOptions extends Partial<Omit<RunOptions, 'steps'>>, RuleChoices {
  readonly steps: number;
  /** 256 by default, or all of the training data if that is less. */
  readonly batchSize?: number;
  /** 0.001 by default, Adam's usual one; the paper's is 3e-5. */
  readonly learningRate?: number;
  /** Steps at which the learning rate is divided by 10; none by default. */
  readonly lrDrops?: readonly number[];
  /** Of the shuffle; 1 by default. */
  readonly seed?: number;
}

/** All of them: programs in plain JavaScript have no compiler to tell them of one that is misspelt. */
const KNOWN: Readonly<Record<keyof TrainNetworkOptions, true>> = {
  ...{ steps: true, evalEvery: true, trainSamples: true, signal: true },
  ...{ onProgress: true, onPoint: true, pause: true },
  ...{ batchSize: true, learningRate: true, lrDrops: true, seed: true },
  ...{ optimizer: true, updateProbability: true, schedule: true, waveStages: true },
  ...{ sgLearningRate: true, sgWarmup: true, lambda: true, synthetic: true, conventions: true, delay: true },
};

/**
 * Trains a network on a data set by a learning rule, with evaluations in between and scores at the end. The network
 * keeps what it learns; whatever else the training needed is released.
 *
 * @throws InputError for options that there are not, and for data and sizes that do not fit; NonFiniteError, DeviceLostError or OutOfMemoryError when
 *   the run fails.
 */
export async function train(
  rule: LearningRule,
  net: Mlp,
  dataset: Dataset,
  options: TrainNetworkOptions,
): Promise<RunResult> {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(KNOWN, name));
  if (unknown !== undefined) {
    throw new InputError(`train: expected options among ${Object.keys(KNOWN).join(', ')}, found ${unknown}`);
  }
  const {
    steps,
    learningRate = 1e-3,
    lrDrops = [],
    seed = 1,
    evalEvery = Math.max(1, Math.ceil(steps / 10)),
  } = options;
  const batchSize = options.batchSize ?? Math.min(256, dataset.train.count);
  const data = new ResidentDataset(net.gpu, dataset);
  try {
    const { hidden, layers } = net.shape;
    const trainer = new Trainer(
      net.gpu,
      data,
      { ...options, rule, hidden, layers, batchSize, learningRate, lrDrops, seed },
      net,
    );
    try {
      const result = await run(trainer, data, { ...options, evalEvery });
      if (result.error) throw result.error;
      return result;
    } finally {
      trainer.destroy();
    }
  } finally {
    data.destroy();
  }
}

/** {@link train} by backpropagation. */
export const trainBackprop = (net: Mlp, dataset: Dataset, options: TrainNetworkOptions): Promise<RunResult> =>
  train(backprop, net, dataset, options);

/** {@link train} by label-conditioned synthetic gradients. */
export const trainCdni = (net: Mlp, dataset: Dataset, options: TrainNetworkOptions): Promise<RunResult> =>
  train(cdni, net, dataset, options);
