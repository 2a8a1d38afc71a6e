import type { Dataset } from '../src/data/dataset.ts';
import { ResidentDataset } from '../src/data/resident-dataset.ts';
import { InputError } from '../src/errors.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import {
  type BenchConfig,
  type BenchRecord,
  type CheckRecord,
  type RunRecord,
  SCHEMA_VERSION,
} from '../src/report/record.ts';
import { Diagnoser, type Diagnosis } from '../src/train/diagnose.ts';
import type { LearningRule } from '../src/train/rule.ts';
import { rules } from '../src/train/rules.ts';
import { type CurvePoint, type Progress, type RunResult, run } from '../src/train/run.ts';
import { Trainer, type TrainOptions } from '../src/train/trainer.ts';
import { checkMethod } from './checks.ts';
import { AXES } from './presets.ts';
import { provenance } from './provenance.ts';

/** Whom a benchmark tells how it goes. */
export interface BenchListener {
  /** The configuration suits the data and the device; the checks come next. */
  onStart?(): void;
  /** A method has not the schedule that was asked for: what it has instead, and why. */
  onOtherSchedule?(method: string, schedule: string, because: string): void;
  onCheck?(check: CheckRecord): void;
  onRunStart?(method: string): void;
  onProgress?(method: string, progress: Progress): void;
  onPoint?(method: string, point: CurvePoint): void;
  onRunEnd?(run: RunRecord): void;
}

/** A kernel that does not compute what its twin does on this device: nothing it is part of may be timed. */
export class CheckFailedError extends Error {
  override name = 'CheckFailedError';
}

function ruleOf(method: string): LearningRule {
  const rule = rules.get(method);
  if (!rule) throw new InputError(`unknown method '${method}': there are ${[...rules.keys()].join(', ')}`);
  return rule;
}

/** What a rule is trained with; of the axes, those that it heeds. */
export function optionsOf(rule: LearningRule, asked: BenchConfig): TrainOptions {
  const config = { ...AXES, ...asked };
  const hasModels = rule.modelsOf !== undefined;
  return {
    rule,
    hidden: config.hidden,
    layers: config.layers,
    batchSize: config.batch,
    learningRate: config.lr,
    lrDrops: config.lrDrops,
    seed: config.seed,
    optimizer: config.optimizer,
    conventions: config.conventions,
    updateProbability: config.updateProbability,
    lambda: rule.heeds.lambda ? config.lambda : 0,
    schedule: config.schedule,
    waveStages: config.waveStages,
    delay: config.delay,
    synthetic: {
      hidden: config.sgHidden ?? undefined,
      width: config.sgWidth ?? undefined,
      labels: config.sgLabels ?? undefined,
      output: config.sgOutput ?? undefined,
    },
    ...(hasModels && { sgLearningRate: config.sgLr ?? undefined, sgWarmup: config.sgWarmup }),
  };
}

/** The schedule as records name it: the wave of one dispatch is another than that of three. */
export const scheduleOf = ({ schedule, options }: Trainer): string =>
  schedule === 'wave' && options.waveStages === 1 ? 'wave-1' : schedule;

function runRecord(
  trainer: Trainer,
  result: RunResult,
  diagnostics: readonly Diagnosis[] | undefined,
): RunRecord {
  const { rule, seed } = trainer.options;
  const { work } = trainer;
  // Rates are of what was submitted: steps that were never waited for count on both sides.
  const submitted = Math.max(1, work.steps);
  const stepsPerSecond = result.trainSeconds > 0 ? result.steps / result.trainSeconds : 0;
  return {
    method: rule.name,
    schedule: scheduleOf(trainer),
    ...(trainer.because && { scheduleNote: trainer.because }),
    ...(trainer.driver.staleness && { staleness: trainer.driver.staleness }),
    ...(trainer.driver.uploadSteps && { uploadSteps: trainer.driver.uploadSteps }),
    seed,
    status: result.status,
    error: result.error?.message ?? null,
    steps: result.steps,
    trainSeconds: result.trainSeconds,
    stepsPerSecond,
    layerUpdatesPerSecond: (stepsPerSecond * work.layerUpdates) / submitted,
    layerUpdates: work.layerUpdates,
    idleSteps: work.idleSteps,
    macsPerStep: work.macs / submitted,
    dispatchesPerStep: work.dispatches / submitted,
    train: result.train ?? null,
    validation: result.validation ?? null,
    test: result.test ?? null,
    curve: result.curve,
    ...(diagnostics && { diagnostics }),
  };
}

/**
 * Trains one method once, and looks at its synthetic gradients on the way where that is asked for. What happens in the
 * run is not thrown: the record holds what was done until then.
 *
 * @throws InputError for a configuration that this device or these data do not allow.
 */
export async function runOne(
  gpu: Gpu,
  data: ResidentDataset,
  method: string,
  config: BenchConfig,
  listener: BenchListener = {},
  signal?: AbortSignal,
): Promise<{ readonly record: RunRecord; readonly error: Error | undefined }> {
  const rule = ruleOf(method);
  const { steps, evalEvery, trainSamples, diagnose = null } = config;
  const trainer = new Trainer(gpu, data, optionsOf(rule, config));
  let diagnoser: Diagnoser | undefined;
  try {
    const found: Diagnosis[] = [];
    diagnoser = diagnose === null || !rule.heeds.synthetic ? undefined : new Diagnoser(trainer, data);
    const look = async () => {
      if (diagnoser) found.push(await diagnoser.look());
    };
    const result = await run(trainer, data, {
      steps,
      evalEvery,
      trainSamples,
      signal,
      onProgress: (progress) => listener.onProgress?.(rule.name, progress),
      onPoint: (point) => listener.onPoint?.(rule.name, point),
      // Every method pauses alike, so that the pauses favour none.
      pause: diagnose === null ? undefined : { every: diagnose, at: look },
    });
    return { record: runRecord(trainer, result, diagnoser && found), error: result.error };
  } finally {
    diagnoser?.destroy();
    trainer.destroy();
  }
}

/** What a benchmark measured, and what stopped it, if anything did. */
export interface BenchOutcome {
  readonly record: BenchRecord;
  readonly error?: Error;
}

/**
 * The benchmark: first checks the kernels of every method on this device, then trains each in turn and measures.
 *
 * @throws InputError for a configuration that this device or these data do not allow; CheckFailedError. What happens
 *   while a method trains is not thrown: it ends the benchmark, and the outcome holds what was done until then.
 */
export async function benchmark(
  gpu: Gpu,
  dataset: Dataset,
  config: BenchConfig,
  listener: BenchListener = {},
  signal?: AbortSignal,
): Promise<BenchOutcome> {
  const date = new Date().toISOString();
  const methods = config.methods.map(ruleOf);
  const made = provenance();
  const data = new ResidentDataset(gpu, dataset);
  const checks: CheckRecord[] = [];
  const runs: RunRecord[] = [];
  let error: Error | undefined;
  try {
    // Once at full size, as checks may be smaller: what does not fit is refused before anything is done.
    const others: [string, string, string][] = [];
    const schedules: string[] = [];
    for (const rule of methods) {
      const trainer = new Trainer(gpu, data, optionsOf(rule, config));
      schedules.push(trainer.schedule);
      if (trainer.because) others.push([rule.name, trainer.schedule, trainer.because]);
      trainer.destroy();
    }
    await gpu.idle();
    if (config.waveStages === 1 && !schedules.includes('wave')) {
      const found = methods.map(({ name }, i) => `${name}, which runs ${schedules[i]}`);
      throw new InputError(
        `--wave-stages 1: expected a method that runs the wave with these options, found ${found.join('; ')}`,
      );
    }
    listener.onStart?.();
    for (const [method, schedule, because] of others) listener.onOtherSchedule?.(method, schedule, because);
    for (const rule of methods) {
      if (signal?.aborted) break;
      const check = await checkMethod(gpu, data, optionsOf(rule, config));
      checks.push(check);
      if (!check.passed) {
        throw new CheckFailedError(
          `kernels fail their check on ${gpu.info.name}, so that nothing was timed:\n${check.failures.join('\n')}`,
        );
      }
      listener.onCheck?.(check);
    }
    for (const rule of methods) {
      if (signal?.aborted || error) break;
      listener.onRunStart?.(rule.name);
      const trained = await runOne(gpu, data, rule.name, config, listener, signal);
      error = trained.error;
      runs.push(trained.record);
      listener.onRunEnd?.(trained.record);
    }
  } finally {
    data.destroy();
  }
  const interrupted =
    error === undefined && (runs.length < methods.length || runs.some((r) => r.status !== 'finished'));
  const record: BenchRecord = {
    schemaVersion: SCHEMA_VERSION,
    date,
    device: gpu.info,
    ...made,
    config,
    checks,
    runs,
    interrupted,
  };
  return error ? { record, error } : { record };
}
