import { InputError } from '../errors.ts';
import type { BenchConfig, RuleAxes } from '../report/record.ts';
import type { LearningRule } from '../train/rule.ts';
import { rules } from '../train/rules.ts';
import { hasWave } from '../train/schedules/choose.ts';
import { labelContext } from '../train/synthetic.ts';

type Config = BenchConfig & RuleAxes;

/** An option that only some methods heed. */
interface Axis {
  readonly option: string;
  readonly name: keyof RuleAxes;
  /** The value at which it changes nothing. */
  readonly off: number | string | null;
  /** What a method needs to heed it. */
  readonly needs: string;
  readonly heeds: (rule: LearningRule, config: Config) => boolean;
}

const synthetic = ({ heeds }: LearningRule): boolean => heeds.synthetic;

/** Whether a rule's predictors have hidden layers. */
const isDeep = ({ heeds }: LearningRule, { sgHidden }: Config): boolean =>
  sgHidden === null ? heeds.width === true : sgHidden > 0;

/** Whether a rule's models are such linear predictors as the wave has kernels for. */
const isLinear = (rule: LearningRule, config: Config): boolean =>
  rule.context === labelContext && !isDeep(rule, config) && config.sgOutput !== 'sigmoid';

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
    heeds: (rule, config) => rule.heeds.synthetic && isDeep(rule, config),
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
    needs: 'a method that has a wave, with linear predictors if any',
    heeds: (rule, config) => hasWave(rule) && (!rule.heeds.synthetic || isLinear(rule, config)),
  },
  {
    option: '--delay',
    name: 'delay',
    off: 'pipelined',
    needs: 'a method whose gradients come late',
    heeds: (rule) => rule.delay !== undefined,
  },
  { option: '--diagnose', name: 'diagnose', off: null, needs: SYNTHETIC, heeds: synthetic },
];

const shown = (value: unknown): string =>
  typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);

/** Refuses what contradicts itself, or what no chosen method heeds: nobody should believe it had an effect. */
export function checkAxes(config: Config): void {
  const { steps, sgWarmup, updateProbability, diagnose, schedule, waveStages } = config;
  const chosen = config.methods.map((name) => rules.get(name)!);
  if (waveStages !== 3 && schedule !== 'wave' && schedule !== 'best') {
    throw new InputError(
      `--wave-stages ${waveStages}: expected --schedule wave or best, found --schedule ${schedule}`,
    );
  }
  for (const { option, name, off, needs, heeds } of AXES) {
    if (config[name] === off || chosen.some((rule) => heeds(rule, config))) continue;
    const able = [...rules.values()].filter((rule) => heeds(rule, config)).map((rule) => rule.name);
    const those = able.length > 0 ? ` (${able.join(', ')})` : '';
    const byDepth = (name === 'sgWidth' || name === 'waveStages') && config.sgHidden !== null;
    const depth = byDepth ? ` and --sg-hidden ${config.sgHidden}` : '';
    throw new InputError(
      `${option} ${shown(config[name])}: expected ${needs}${those}, found ${config.methods.join(', ')}${depth}`,
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
