import type { Batch } from '../data/resident.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import type { Mlp, MlpShape } from '../nn/mlp.ts';
import type { GradientModel } from '../nn/synthetic-gradient.ts';
import type { MetricRows } from './loss.ts';
import type { Adam } from './optimizer.ts';

/** What a learning rule records its step on. */
export interface StepContext {
  readonly plan: Plan;
  readonly net: Mlp;
  readonly batch: Batch;
  readonly optimizer: Adam;
  readonly metrics: MetricRows;
  /** One for each hidden layer, from the bottom up; none for rules that use none. */
  readonly models: readonly GradientModel[];
}

/** A way to learn. */
export interface LearningRule {
  /** As on `--methods`. */
  readonly name: string;
  /** As in tables. */
  readonly title: string;
  /** Makes the models that the rule trains beside the network. */
  createModels(gpu: Gpu, shape: MlpShape): GradientModel[];
  /** Records one training step, from the batch to the last parameter update. */
  record(step: StepContext): void;
  /** Multiply-adds of one step's matrix products, for one sample. */
  macs(shape: MlpShape): number;
}
