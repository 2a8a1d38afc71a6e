import type { AdapterInfo } from '../gpu/adapters.ts';
import type { Score } from '../train/evaluate.ts';
import type { CurvePoint } from '../train/run.ts';

/** Version of the record's schema. Fields are added under the same number, and none is renamed or removed. */
export const SCHEMA_VERSION = 1;

/** What a benchmark was asked to do; as on the command line. */
export interface BenchConfig {
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
  readonly shape: { readonly batch: number; readonly hidden: number; readonly layers: number };
  readonly failures: readonly string[];
}

/** One method, trained once. */
export interface RunRecord {
  readonly method: string;
  readonly schedule: string;
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
  /** Multiply-adds of one step's matrix products. */
  readonly macsPerStep: number;
  readonly dispatchesPerStep: number;
  /** Scores at the end; null unless the run finished. */
  readonly train: Score | null;
  readonly validation: Score | null;
  readonly test: Score | null;
  readonly curve: readonly CurvePoint[];
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

const COLUMNS = [
  'method',
  'seed',
  'step',
  'seconds',
  'train_loss',
  'train_accuracy',
  'validation_loss',
  'validation_accuracy',
];

/** The learning curves of all runs as comma-separated values, a row for each point. */
export function curvesCsv(runs: readonly RunRecord[]): string {
  const rows = runs.flatMap(({ method, seed, curve }) =>
    curve.map(({ step, seconds, train, validation }) =>
      [method, seed, step, seconds, train.loss, train.accuracy, validation.loss, validation.accuracy].join(
        ',',
      ),
    ),
  );
  return `${[COLUMNS.join(','), ...rows].join('\n')}\n`;
}
