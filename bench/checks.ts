import type { ResidentDataset } from '../src/data/resident-dataset.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { forwardMacs } from '../src/nn/mlp.ts';
import type { CheckRecord } from '../src/report/record.ts';
import { Trainer, type TrainOptions } from '../src/train/trainer.ts';

/** Multiply-adds of a step above which its float64 twins would take too long: about a second each 200 million. */
const MOST_MACS = 600e6;

/** The paper's sizes, which a check falls back to where the run's own are too large. */
const SMALLER = { batchSize: 256, hidden: 256, layers: 4 };

/** The learning rate of a check at most: with a large one, the second step may already be full of infinities. */
const MOST_RATE = 1e-3;

/**
 * Runs the second step of a method on this device, a dispatch at a time, and compares everything every kernel writes
 * with its float64 twin. The first step runs unchecked, so that predictors and moments are no longer zero.
 */
export async function checkMethod(
  gpu: Gpu,
  data: ResidentDataset,
  options: TrainOptions,
): Promise<CheckRecord> {
  const { features: inputs, classes } = data.dataset;
  const { hidden, layers, batchSize, rule } = options;
  const macs = 3 * batchSize * forwardMacs({ inputs, hidden, layers, classes });
  const fits = macs <= MOST_MACS;
  const checked: TrainOptions = {
    ...options,
    learningRate: Math.min(options.learningRate, MOST_RATE),
    batchSize: fits ? batchSize : Math.min(batchSize, SMALLER.batchSize),
    hidden: fits ? hidden : Math.min(hidden, SMALLER.hidden),
    layers: fits ? layers : Math.min(layers, SMALLER.layers),
  };
  const trainer = new Trainer(gpu, data, checked);
  try {
    await trainer.ready();
    await trainer.results(trainer.submit(1));
    const report = await trainer.check();
    return {
      method: rule.name,
      passed: report.passed,
      dispatches: trainer.plan.dispatches.length,
      tensors: report.tensors.length,
      worst: Math.max(...report.tensors.map((t) => t.worst)),
      shape: { batch: checked.batchSize, hidden: checked.hidden, layers: checked.layers },
      failures: report.failures,
    };
  } finally {
    trainer.destroy();
  }
}
