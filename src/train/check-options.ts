import { InputError } from '../errors.ts';
import { conventionRefuses, PYTORCH } from '../nn/conventions.ts';
import { MOST_LAYERS } from './events.ts';
import { OPTIMIZERS } from './optimizer.ts';
import { DELAYS } from './rule.ts';
import { SCHEDULES } from './schedules/driver.ts';
import type { TrainOptions } from './trainer.ts';

/** Options that are one of a few values, where they are given. */
const CHOICES: { readonly [K in keyof TrainOptions]?: readonly TrainOptions[K][] } = {
  optimizer: OPTIMIZERS,
  schedule: [...SCHEDULES, 'best'],
  waveStages: [1, 3],
  delay: DELAYS,
  forms: ['gpu', 'cpu'],
};

/**
 * Refuses what no training can be done with, whoever asks for it: the command line or a program.
 *
 * @throws InputError that names the option, what was expected and what was found.
 */
export function checkOptions(options: TrainOptions, layers: number): void {
  const { learningRate, sgLearningRate, updateProbability: p = 1, lambda = 0, sgWarmup = 0 } = options;
  const refuse = (name: string, expected: string, found: unknown) => {
    throw new InputError(`${name}: expected ${expected}, found ${String(found)}`);
  };
  for (const [name, values] of Object.entries(CHOICES) as [keyof TrainOptions, readonly unknown[]][]) {
    const found = options[name];
    if (found !== undefined && !values.includes(found)) {
      refuse(name, `one of ${values.join(', ')}`, typeof found === 'string' ? `'${found}'` : found);
    }
  }
  for (const [name, value] of Object.entries(options.conventions ?? {})) {
    const expected = conventionRefuses(name, value);
    if (expected !== undefined)
      refuse(
        Object.hasOwn(PYTORCH, name) ? `conventions.${name}` : 'conventions',
        expected,
        Object.hasOwn(PYTORCH, name) ? value : name,
      );
  }
  if (!Number.isInteger(layers) || layers < 2 || layers > MOST_LAYERS) {
    refuse('layers', `a whole number from 2 to ${MOST_LAYERS}`, layers);
  }
  for (const [name, rate] of Object.entries({
    learningRate,
    sgLearningRate: sgLearningRate ?? learningRate,
  })) {
    if (!(Math.fround(rate) > 0) || !Number.isFinite(Math.fround(rate))) {
      refuse(name, 'a positive number that float32 can hold', rate);
    }
  }
  if (!(p > 0 && p <= 1)) refuse('updateProbability', 'a number above 0 and up to 1', p);
  if (!(lambda >= 0 && lambda <= 1)) refuse('lambda', 'a number from 0 to 1', lambda);
  if (!Number.isInteger(sgWarmup) || sgWarmup < 0) refuse('sgWarmup', 'a whole number of steps', sgWarmup);
}
