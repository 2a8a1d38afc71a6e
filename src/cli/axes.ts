import { InputError } from '../errors.ts';
import type { BenchConfig, RuleAxes } from '../report/record.ts';
import type { LearningRule } from '../train/rule.ts';
import { rules } from '../train/rules.ts';
import { hasWave } from '../train/schedules/choose.ts';

type Config = BenchConfig & RuleAxes;

/** An option that only some methods heed. */
interface Axis {
  readonly option: string;
  readonly name: keyof RuleAxes;
  /** The value at which it changes nothing. */
  readonly off: number | null;
  /** What a method needs to heed it. */
  readonly needs: string;
  readonly heeds: (rule: LearningRule, config: Config) => boolean;
}

const synthetic = ({ heeds }: LearningRule): boolean => heeds.synthetic;

const SYNTHETIC = 'a method with synthetic gradients';
const MODELS = 'a method with predictors or local classifiers';

const AXES: readonly Axis[] = [
  {
    option: '--lambda',
    name: 'lambda',
    off: 0,
    needs: 'a method that can mix the true gradient into a synthetic one',
    heeds: (rule) => rule.heeds.lambda,
  },
  { option: '--sg-hidden', name: 'sgHidden', off: null, needs: SYNTHETIC, heeds: synthetic },
  {
    option: '--sg-width',
    name: 'sgWidth',
    off: null,
    needs: 'a method with synthetic gradients whose predictors have hidden layers',
    heeds: (rule, { sgHidden }) =>
      rule.heeds.synthetic && (sgHidden === null ? rule.heeds.width === true : sgHidden > 0),
  },
  { option: '--sg-labels', name: 'sgLabels', off: null, needs: SYNTHETIC, heeds: synthetic },
  { option: '--sg-output', name: 'sgOutput', off: null, needs: SYNTHETIC, heeds: synthetic },
  { option: '--sg-lr', name: 'sgLr', off: null, needs: MODELS, heeds: (rule) => rule.modelsOf !== undefined },
  {
    option: '--sg-warmup',
    name: 'sgWarmup',
    off: 0,
    needs: MODELS,
    heeds: (rule) => rule.modelsOf !== undefined,
  },
  {
    option: '--wave-stages',
    name: 'waveStages',
    off: 3,
    needs: 'a method that has a wave, and --schedule wave or best',
    heeds: (rule, { schedule }) => (schedule === 'wave' || schedule === 'best') && hasWave(rule),
  },
  { option: '--diagnose', name: 'diagnose', off: null, needs: SYNTHETIC, heeds: synthetic },
];

const shown = (value: unknown): string =>
  typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);

/** Refuses what contradicts itself, or what no chosen method heeds: nobody should believe it had an effect. */
export function checkAxes(config: Config): void {
  const { steps, sgWarmup, updateProbability, diagnose } = config;
  const chosen = config.methods.map((name) => rules.get(name)!);
  for (const { option, name, off, needs, heeds } of AXES) {
    if (config[name] === off || chosen.some((rule) => heeds(rule, config))) continue;
    const able = [...rules.values()].filter((rule) => heeds(rule, config)).map((rule) => rule.name);
    const those = able.length > 0 ? ` (${able.join(', ')})` : '';
    const linear = name === 'sgWidth' && config.sgHidden === 0 ? ' and --sg-hidden 0' : '';
    throw new InputError(
      `${option} ${shown(config[name])}: expected ${needs}${those}, found ${config.methods.join(', ')}${linear}`,
    );
  }
  const late = chosen.find((rule) => rule.delay !== undefined);
  if (updateProbability < 1 && late) {
    throw new InputError(
      `--update-probability ${updateProbability}: expected 1 with ${late.name}, whose delay line counts every step`,
    );
  }
  if (sgWarmup > 0 && sgWarmup >= steps) {
    throw new InputError(
      `--sg-warmup ${sgWarmup}: expected fewer steps than the ${steps} of the run, in which no hidden layer would learn`,
    );
  }
  if (diagnose !== null && diagnose > steps) {
    throw new InputError(
      `--diagnose ${diagnose}: expected at most the ${steps} steps of the run, in which it would never look`,
    );
  }
}

/** Which options are for some of the methods alone: a phrase for each. */
export function partialAxes(config: Config): string[] {
  const phrases: string[] = [];
  for (const { option, name, off, heeds } of AXES) {
    if (config[name] === off) continue;
    const heeding = config.methods.filter((method) => heeds(rules.get(method)!, config));
    if (heeding.length < config.methods.length) phrases.push(`${option} for ${heeding.join(', ')} alone`);
  }
  return phrases;
}
