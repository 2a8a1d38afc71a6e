import type { Dataset } from '../src/data/dataset.ts';
import { ResidentDataset } from '../src/data/resident-dataset.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import type { MethodProfile, ProfileOrigin, ProfileRecord } from '../src/report/profile/record.ts';
import { profileTitle } from '../src/report/profile/tables.ts';
import type { TracedMethod } from '../src/report/profile/trace.ts';
import type { BenchConfig, CheckRecord } from '../src/report/record.ts';
import { rules } from '../src/train/rules.ts';
import { Trainer } from '../src/train/trainer.ts';
import { checkMethod } from './checks.ts';
import { optionsOf, scheduleOf } from './paper.ts';
import { expectPassed, originOf } from './profile-roof.ts';
import { profileTrainer } from './profile-steps.ts';
import { hostLoad } from './suites/record.ts';

/** Whom a profiler tells how it goes. */
export interface ProfileListener {
  /** The configuration suits the data and the device; the checks come next. */
  onStart?(): void;
  /** A method has not the schedule that was asked for: what it has instead, and why. */
  onOtherSchedule?(method: string, schedule: string, because: string): void;
  onCheck?(check: CheckRecord): void;
  onRoof?(origin: ProfileOrigin): void;
  onMethod?(profile: MethodProfile, origin: ProfileOrigin): void;
}

/** What is profiled, beside what a benchmark is told. */
export interface ProfileOptions {
  /** Steps under the profiler. */
  readonly steps: number;
  /** False to time dispatches by wall-clock slopes even where there are timestamps. */
  readonly timestamps: boolean;
}

/** What was found out, and the profiled steps themselves, for a trace. */
export interface ProfileOutcome {
  readonly record: ProfileRecord;
  readonly traced: readonly TracedMethod[];
}

/**
 * Profiles the training steps of some methods: first checks their kernels on this device, then measures its roof, then
 * each method's steps, unprofiled and profiled.
 *
 * @throws InputError for a configuration that this device or these data do not allow; CheckFailedError.
 */
export async function profileMethods(
  gpu: Gpu,
  dataset: Dataset,
  config: BenchConfig,
  { steps, timestamps }: ProfileOptions,
  listener: ProfileListener = {},
): Promise<ProfileOutcome> {
  const host = hostLoad();
  const data = new ResidentDataset(gpu, dataset);
  const methods = config.methods.map((method) => optionsOf(rules.get(method)!, config));
  const profiles: MethodProfile[] = [];
  const traced: TracedMethod[] = [];
  try {
    // Once at full size, as checks may be smaller: what does not fit is refused before anything is done.
    const others: [string, string, string][] = [];
    for (const options of methods) {
      const trainer = new Trainer(gpu, data, options);
      if (trainer.because) others.push([options.rule.name, trainer.schedule, trainer.because]);
      trainer.destroy();
    }
    listener.onStart?.();
    for (const [method, schedule, because] of others) listener.onOtherSchedule?.(method, schedule, because);
    const checks: CheckRecord[] = [];
    for (const options of methods) {
      const check = await checkMethod(gpu, data, options);
      expectPassed(gpu, check.failures);
      listener.onCheck?.(check);
      checks.push(check);
    }
    const origin = await originOf(gpu, timestamps, host);
    listener.onRoof?.(origin);
    for (const [i, options] of methods.entries()) {
      const trainer = new Trainer(gpu, data, options);
      try {
        const how = { steps, timestamps: origin.timing === 'timestamps' };
        const found = await profileTrainer(trainer, origin.roof, how);
        const method = {
          method: options.rule.name,
          schedule: scheduleOf(trainer),
          check: checks[i]!,
          ...found.profile,
        };
        profiles.push(method);
        traced.push({ title: profileTitle(method), steps: found.traced });
        listener.onMethod?.(method, origin);
      } finally {
        trainer.destroy();
      }
    }
    const { batch, hidden, layers, seed, schedule = 'layered', optimizer = 'adam' } = config;
    const asked = { methods: config.methods, schedule, steps, batch, hidden, layers, seed, optimizer };
    const record: ProfileRecord = {
      kind: 'steps',
      ...origin,
      config: { ...asked, data: dataset.name },
      methods: profiles,
    };
    return { record, traced };
  } finally {
    data.destroy();
  }
}
