import type { AdapterInfo } from '../gpu/adapters.ts';
import type { Conventions } from '../nn/conventions.ts';
import type { Diagnosis } from '../train/diagnose.ts';
import type { Score } from '../train/evaluate.ts';
import type { OptimizerName } from '../train/optimizer.ts';
import type { PipelineDelay } from '../train/rule.ts';
import type { CurvePoint } from '../train/run.ts';
import type { ScheduleWish, Staleness } from '../train/schedules/driver.ts';

/** Version of the record's schema. Fields are added under the same number, and none is renamed or removed. */
export const SCHEMA_VERSION = 1;

/** The options that combine with learning rules; a rule that does not heed one is trained as if it were not there. */
export interface RuleAxes {
  readonly optimizer: OptimizerName;
  /** What a paper leaves to its framework. */
  readonly conventions: Conventions;
  /** Chance of each layer to be updated in a step. */
  readonly updateProbability: number;
  /** BP(lambda): the share of the true gradient. */
  readonly lambda: number;
  /** Synthetic-gradient models: hidden layers, their width, labels, output; null is the rule's own. */
  readonly sgHidden: number | null;
  readonly sgWidth: number | null;
  readonly sgLabels: boolean | null;
  readonly sgOutput: 'linear' | 'sigmoid' | null;
  /** Learning rate of the models beside the network; null is the network's. */
  readonly sgLr: number | null;
  /** Steps in which the hidden layers wait while the models beside them learn. */
  readonly sgWarmup: number;
  /** Steps between two looks at the synthetic gradients; null is never. */
  readonly diagnose: number | null;
  /** How steps are divided into dispatches; what a method has instead, where it has none such, is in its run. */
  readonly schedule: ScheduleWish;
  /** Dispatches of a step of the wave. */
  readonly waveStages: 1 | 3;
  /** How late the gradients of delayed backpropagation are. */
  readonly delay: PipelineDelay;
}

/** What a benchmark was asked to do; as on the command line. The axes are absent in records older than they are. */
export interface BenchConfig extends Partial<RuleAxes> {
  readonly preset: string;
  /** What the preset is, in a sentence, and how it differs from the paper's experiment. */
  readonly presetNote: string;
  readonly methods: readonly string[];
  readonly steps: number;
  readonly batch: number;
  readonly hidden: number;
  readonly layers: number;
  readonly lr: number;
  readonly lrDrops: readonly number[];
  readonly seed: number;
  readonly evalEvery: number;
  /** Training samples of the final score. */
  readonly trainSamples: number;
  readonly data: {
    readonly name: string;
    readonly train: number;
    readonly validation: number;
    readonly test: number;
  };
}

/** How the kernels of one method compared with their float64 twins on this device, before anything was timed. */
export interface CheckRecord {
  readonly method: string;
  readonly passed: boolean;
  /** Dispatches of the checked step, and the tensors they wrote. */
  readonly dispatches: number;
  readonly tensors: number;
  /** Largest error, as a share of the bound that float32 arithmetic allows. */
  readonly worst: number;
  /** Sizes of the checked step; smaller than the run's where its twins would take long. */
  readonly shape: {
    readonly batch: number;
    readonly hidden: number;
    readonly layers: number;
    /** Width of the predictors' hidden layers, where the check made them narrower than the run's. */
    readonly sgWidth?: number;
  };
  readonly failures: readonly string[];
}

/** One method, trained once. */
export interface RunRecord {
  readonly method: string;
  /** `layered`, `fused`, `wave`, or `wave-1`, the wave of one dispatch. */
  readonly schedule: string;
  /** Why that is not the schedule that was asked for; absent where it is. */
  readonly scheduleNote?: string;
  /** By how many steps the schedule is behind the serial order; absent where it is not. */
  readonly staleness?: Staleness;
  /** Steps of an upload, where the results depend on how steps are cut into uploads; absent elsewhere. */
  readonly uploadSteps?: number;
  readonly seed: number;
  readonly status: 'finished' | 'interrupted' | 'failed';
  /** Why it failed, else null. */
  readonly error: string | null;
  /** Steps done. */
  readonly steps: number;
  /** Seconds of training; evaluations are outside the clock. */
  readonly trainSeconds: number;
  readonly stepsPerSecond: number;
  readonly layerUpdatesPerSecond: number;
  /** Updates of the network's layers, over all steps; absent in records older than this field. */
  readonly layerUpdates?: number;
  /** Steps in which nothing was updated, and so nothing computed; absent in records older than this field. */
  readonly idleSteps?: number;
  /** Multiply-adds of one step's matrix products; where steps differ, their mean. */
  readonly macsPerStep: number;
  /** Where steps differ, their mean. */
  readonly dispatchesPerStep: number;
  /** Scores at the end; null unless the run finished. */
  readonly train: Score | null;
  readonly validation: Score | null;
  readonly test: Score | null;
  readonly curve: readonly CurvePoint[];
  /** With `--diagnose`, of a rule that has synthetic gradients. */
  readonly diagnostics?: readonly Diagnosis[];
}

/** All that a benchmark measured, and on what: `record.json`. The schema is docs/record.schema.json. */
export interface BenchRecord {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  /** When it began, ISO 8601. */
  readonly date: string;
  readonly device: AdapterInfo;
  /** Version of the npm package `webgpu`, which is Dawn. */
  readonly dawn: string;
  readonly node: string;
  /** Of syngrad. */
  readonly version: string;
  /** Git commit of the checkout, `-dirty` behind it when files differ; null outside a checkout. */
  readonly commit: string | null;
  readonly config: BenchConfig;
  readonly checks: readonly CheckRecord[];
  readonly runs: readonly RunRecord[];
  /** True when it was stopped before all runs had ended. */
  readonly interrupted: boolean;
}

const CURVE_COLUMNS = [
  'method',
  'seed',
  'step',
  'seconds',
  'train_loss',
  'train_accuracy',
  'validation_loss',
  'validation_accuracy',
];

const DIAGNOSTICS_COLUMNS = [
  'method',
  'seed',
  'step',
  'layer',
  'cosine',
  'sign_agreement',
  'relative_error',
  'sg_norm',
  'true_norm',
  'dead_units',
];

type Cell = string | number | null;

const csv = (columns: readonly string[], rows: readonly (readonly Cell[])[]): string =>
  `${[columns, ...rows].map((row) => row.join(',')).join('\n')}\n`;

/** What no step has measured is no number. */
const measured = (value: number): Cell => (Number.isNaN(value) ? null : value);

/** The learning curves of all runs as comma-separated values, a row for each point. */
export const curvesCsv = (runs: readonly RunRecord[]): string =>
  csv(
    CURVE_COLUMNS,
    runs.flatMap(({ method, seed, curve }) =>
      curve.map(({ step, seconds, train, validation }) => [
        ...[method, seed, step, seconds, measured(train.loss), measured(train.accuracy)],
        ...[validation.loss, validation.accuracy],
      ]),
    ),
  );

/** What was found out about the synthetic gradients, a row for each step and layer looked at. */
export const diagnosticsCsv = (runs: readonly RunRecord[]): string =>
  csv(
    DIAGNOSTICS_COLUMNS,
    runs.flatMap(({ method, seed, diagnostics = [] }) =>
      diagnostics.flatMap(({ step, layers }) =>
        layers.map((at) => [
          ...[method, seed, step, at.layer, at.cosine, at.signAgreement, at.relativeError],
          ...[at.sgNorm, at.trueNorm, at.deadUnits],
        ]),
      ),
    ),
  );
