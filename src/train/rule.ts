import type { Random } from '../data/random.ts';
import type { Batch } from '../data/resident.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../gpu/plan.ts';
import type { Conventions } from '../nn/conventions.ts';
import type { Mlp, MlpShape } from '../nn/mlp.ts';
import type { Parameter } from '../nn/parameter.ts';
import type { Tensor } from '../tensor.ts';
import type { MetricRows } from './loss.ts';
import type { Optimizer } from './optimizer.ts';

/** Something that learns beside the network: a synthetic-gradient model, a local classifier, an input model. */
export interface SideModel {
  readonly parameters: readonly Parameter[];
  /** Releases what the model holds beside its parameters, which are released for it. */
  destroy?(): void;
}

/** How late pipelined backpropagation's gradients are: 2 (L - l) steps at layer l of L, or PipeDream's L - l. */
export const DELAYS = ['pipelined', 'pipedream'] as const;
export type PipelineDelay = (typeof DELAYS)[number];

/** What rules may be told; each says which of it it heeds. */
export interface RuleOptions {
  /** Synthetic-gradient models: what is left out is the rule's own. */
  readonly synthetic: {
    readonly hidden?: number | undefined;
    readonly width?: number | undefined;
    readonly labels?: boolean | undefined;
    readonly output?: 'linear' | 'sigmoid' | undefined;
  };
  /** BP(lambda): the share of the true gradient in what a layer learns from. 0 is pure SG, 1 is backprop. */
  readonly lambda: number;
  /** Those that the models begin and learn by. */
  readonly conventions: Conventions;
  readonly batchSize: number;
  readonly delay: PipelineDelay;
}

/** What a learning rule records its step on. */
export interface StepContext<M extends SideModel = SideModel> {
  readonly plan: Plan;
  readonly net: Mlp;
  readonly batch: Batch;
  readonly optimizer: Optimizer;
  readonly metrics: MetricRows;
  readonly models: readonly M[];
  readonly options: RuleOptions;
}

/** What a context may be made of: it is known without running the network. */
export type ContextSource = Pick<StepContext, 'plan' | 'net' | 'batch'>;

/** A way to learn. */
export interface LearningRule<M extends SideModel = SideModel> {
  /** As on `--methods`. */
  readonly name: string;
  /** As in tables. */
  readonly title: string;
  /** What it is, in a phrase, for `--help`. */
  readonly about: string;
  /**
   * Whether a hidden layer is updated without waiting for the backward pass of the layers above it. Pipelined backprop
   * is none: it stands for a pipeline, but here each of its steps goes all the way up and down.
   */
  readonly unlocks: boolean;
  /** Which options beside the common ones it heeds. */
  readonly heeds: {
    /** Those of synthetic-gradient models: its first models are such, one for each hidden layer. */
    readonly synthetic: boolean;
    readonly lambda: boolean;
    /** True when those models have hidden layers even if none are asked for, so that a width is heeded. */
    readonly width?: boolean;
  };
  /** Makes the models that the rule trains beside the network. */
  createModels(gpu: Gpu, shape: MlpShape, options: RuleOptions, random: Random): M[];
  /** Records one training step, from the batch to the last parameter update. */
  record(step: StepContext<M>): void;
  /** What synthetic-gradient models are conditioned on; the labels (B) by default. */
  context?(source: ContextSource): Tensor;
  /** The models that are trained in the steps that update layer i (counted from 0); none by default. */
  modelsOf?(i: number, shape: MlpShape): number[];
  /** Whether layer i is ever updated; all are by default. A test holds it against what the rule records. */
  updates?(i: number, shape: MlpShape): boolean;
  /** Steps that layer i's gradient is late by; 0 by default. Until the first has come, it is not updated. */
  delay?(i: number, shape: MlpShape, options: Pick<RuleOptions, 'delay'>): number;
}
