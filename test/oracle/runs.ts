import { BatchOrder } from '../../src/data/batches.ts';
import { type Dataset, makeDataset } from '../../src/data/dataset.ts';
import { mnistDataset } from '../../src/data/mnist.ts';
import { TF1 } from '../../src/nn/conventions.ts';
import type { TrainOptions } from '../../src/train/trainer.ts';

/** A run that PyTorch does as well, from the same weights on the same batches. */
export interface OracleRun extends Pick<TrainOptions, 'learningRate' | 'optimizer' | 'lambda' | 'synthetic'> {
  readonly rule: string;
  readonly steps: number;
  /** PyTorch's constants, or those of TensorFlow 1 in 2017. */
  readonly conventions: 'pytorch' | 'tf1';
  /** Of delayed backprop: steps that the gradient of layer i, of L from 1, comes late for each layer above it. */
  readonly delayPerLayer?: 1 | 2;
}

/** What all runs share. */
export const NETWORK = { hidden: 32, layers: 4, batchSize: 64 };

/** Width of the hidden layers of predictors that have a width of their own. */
const width = 24;

const bp = (optimizer: OracleRun['optimizer'] & string, learningRate: number) =>
  (['pytorch', 'tf1'] as const).map(
    (conventions) =>
      [
        `bp-${optimizer}-${conventions}`,
        { rule: 'bp', steps: 200, optimizer, learningRate, conventions },
      ] as const,
  );

const other = (rule: string, more: Partial<OracleRun> = {}): OracleRun => ({
  ...{ rule, steps: 50, optimizer: 'adam', learningRate: 3e-3, conventions: 'pytorch' },
  ...more,
});

/**
 * Predictors of gradients learn by momentum here: Adam makes full steps of gradients that are nothing but rounding, and
 * these predictors have some (see `leftOut` in the fixtures), so that with Adam even PyTorch's float32 soon says little.
 */
const predicted = (rule: string, more: Partial<OracleRun> = {}): OracleRun =>
  other(rule, { optimizer: 'momentum', learningRate: 0.01, ...more });

/** All runs, by the names of their fixtures. */
export const RUNS: ReadonlyMap<string, OracleRun> = new Map<string, OracleRun>([
  ...bp('adam', 1e-3),
  ...bp('sgd', 0.02),
  ...bp('momentum', 0.01),
  ['cdni', predicted('cdni')],
  // The fused kernels have no other optimizer.
  ['cdni-adam', other('cdni', { learningRate: 1e-3 })],
  ['bp-lambda', predicted('cdni', { lambda: 0.5 })],
  ['dni', predicted('dni', { synthetic: { width } })],
  ['bisong', predicted('bisong')],
  ['unlocked', predicted('unlocked')],
  ['dgl', other('dgl')],
  ['fa', other('fa')],
  ['dfa', other('dfa')],
  ['delayed-bp', other('delayed-bp', { delayPerLayer: 2 })],
  ['delayed-bp-pipedream', other('delayed-bp', { delayPerLayer: 1 })],
]);

/** The first 1,024 training images of MNIST, and the first 500 test images. */
export async function oracleData(): Promise<Dataset> {
  const { name, classes, features, train, test } = await mnistDataset();
  const first = ({ values, labels }: Dataset['train'], count: number) => ({
    values: values.subarray(0, count * features),
    labels: labels.subarray(0, count),
  });
  const parts = { train: first(train, 1024), validation: first(test, 1), test: first(test, 500) };
  return makeDataset({ name, classes, ...parts });
}

/** The rows of `data.train` that the batches of so many steps have, one batch after the other. */
export function batchRows(data: Dataset, steps: number, seed: number): Uint32Array {
  const { batchSize } = NETWORK;
  const order = new BatchOrder(data.train.count, batchSize, seed);
  const rows = new Uint32Array(steps * batchSize);
  for (let t = 0; t < steps; t++) order.next(rows, t * batchSize);
  return rows;
}

/** Those of TensorFlow 1 in 2017 that matter to a run; weights begin as they do in the other runs. */
const TF1_OF_RUNS: TrainOptions['conventions'] = { ...TF1, init: 'he', validation: 'last' };

/** The options of a trainer for a run. */
export const trainOptions = (
  { learningRate, optimizer, lambda, synthetic, conventions, delayPerLayer }: OracleRun,
  rule: TrainOptions['rule'],
  seed: number,
): TrainOptions => ({
  ...NETWORK,
  ...{ seed, rule, learningRate, optimizer, lambda, synthetic, lrDrops: [] },
  delay: delayPerLayer === 1 ? 'pipedream' : 'pipelined',
  conventions: conventions === 'tf1' ? TF1_OF_RUNS : undefined,
});
