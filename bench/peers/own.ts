import type { ResidentDataset } from '../../src/data/resident-dataset.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { CheckRecord } from '../../src/report/record.ts';
import type { ScheduleName } from '../../src/train/schedules/driver.ts';
import { Trainer, type TrainOptions } from '../../src/train/trainer.ts';
import { checkMethod } from '../checks.ts';
import { CheckFailedError } from '../paper.ts';
import type { Spread } from '../suites/suite.ts';
import { type Agreement, CHECK_STEPS, compareLosses, type Tolerance } from './agreement.ts';
import { compareRunners, type MeasureOptions, type Ours } from './measure.ts';
import { calibrate, TrainerRunner } from './runner.ts';

/** One of syngrad's own schedules of the step. */
export interface OwnRow {
  readonly schedule: ScheduleName;
  readonly dispatchesPerStep: number;
  /** Every kernel against its twin, on this device. */
  readonly check: CheckRecord;
  /** Its first losses against those of the first schedule; null of that one itself. */
  readonly agreement: Agreement | null;
  /** Steps a second, by turns with the other schedule; null where there is no other. */
  readonly stepsPerSecond: Spread | null;
}

/** syngrad's step, ready to be timed: checked, warm, and paced. */
export interface OwnStep extends Ours {
  readonly runner: TrainerRunner;
  readonly schedule: ScheduleName;
  /** Why that is not the schedule asked for. */
  readonly because: string | null;
  readonly dispatchesPerStep: number;
  readonly check: CheckRecord;
}

/**
 * Records a schedule's step, checks every kernel of it, and trains until it is warm.
 *
 * @throws CheckFailedError when a kernel does not do what its twin does
 */
export async function prepareOwn(
  gpu: Gpu,
  data: ResidentDataset,
  options: TrainOptions,
  seconds: number,
): Promise<OwnStep> {
  const check = await checkMethod(gpu, data, options);
  if (!check.passed) {
    throw new CheckFailedError(
      `kernels fail their check on ${gpu.info.name}, so that nothing was timed:\n${check.failures.join('\n')}`,
    );
  }
  const trainer = new Trainer(gpu, data, options);
  try {
    await trainer.ready();
    const { losses } = await trainer.results(trainer.submit(CHECK_STEPS));
    const runner = new TrainerRunner(trainer);
    const steps = await calibrate(runner, seconds);
    const { schedule, because = null, work } = trainer;
    const dispatchesPerStep = work.dispatches / work.steps;
    return { runner, check, losses: [...losses], steps, schedule, because, dispatchesPerStep };
  } catch (error) {
    trainer.destroy();
    throw error;
  }
}

const rowOf = (
  { schedule, dispatchesPerStep, check }: OwnStep,
  agreement: Agreement | null = null,
  stepsPerSecond: Spread | null = null,
): OwnRow => ({ schedule, dispatchesPerStep, check, agreement, stepsPerSecond });

/**
 * The schedules of a step against each other, by turns.
 *
 * @throws CheckFailedError when their first losses differ
 */
export async function compareSchedules(
  first: OwnStep,
  second: OwnStep | undefined,
  tolerance: Tolerance,
  options: Pick<MeasureOptions, 'repeats' | 'seconds' | 'settle'>,
): Promise<readonly OwnRow[]> {
  if (second === undefined) return [rowOf(first)];
  const agreement = compareLosses(first.losses, second.losses, tolerance);
  if (!agreement.agrees) {
    throw new CheckFailedError(
      `the first losses of the schedules ${first.schedule} and ${second.schedule} differ by up to ` +
        `${agreement.worst}, more than ${tolerance.value}, so that nothing was timed`,
    );
  }
  const { ours, theirs } = await compareRunners(first, second.runner, options);
  return [rowOf(first, null, ours), rowOf(second, agreement, theirs)];
}
