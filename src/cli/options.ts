import { type Command, Option } from 'commander';
import { presets } from '../../bench/presets.ts';
import { InputError } from '../errors.ts';
import {
  type Conventions,
  conventionRefuses,
  conventionsOf,
  conventionsText,
  PYTORCH,
  WORDS,
} from '../nn/conventions.ts';
import { OPTIMIZERS, type OptimizerName } from '../train/optimizer.ts';
import type { PipelineDelay } from '../train/rule.ts';
import { rules } from '../train/rules.ts';
import { SCHEDULES, type ScheduleWish } from '../train/schedules/driver.ts';

/** What the options of `bench` and `train` have been read to; absent ones come from the preset. */
export interface RunOptions {
  readonly preset: string;
  readonly methods?: string[];
  readonly steps?: number;
  readonly batch?: number;
  readonly hidden?: number;
  readonly layers?: number;
  readonly lr?: number;
  readonly lrDrops?: number[];
  readonly seed?: number;
  readonly optimizer?: OptimizerName;
  /** As `--conventions` takes them, the shortest way. */
  readonly conventions?: string;
  readonly updateProbability?: number;
  readonly lambda?: number;
  readonly sgHidden?: number;
  readonly sgWidth?: number;
  readonly sgLabels?: boolean;
  readonly sgOutput?: 'linear' | 'sigmoid';
  readonly sgLr?: number;
  readonly sgWarmup?: number;
  readonly delay?: PipelineDelay;
  readonly schedule?: ScheduleWish;
  readonly waveStages?: 1 | 3;
  readonly evalEvery?: number;
  /** `every` where the number behind it is missing. */
  readonly diagnose?: number | 'every';
  readonly data?: string;
  readonly out?: string;
  readonly adapter?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Most steps, and the largest size, that are believed to be meant. */
const MOST = 1_000_000_000;

/** Reads a whole number, or refuses it in one sentence. */
export function integer(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
    throw new InputError(`${option}: expected a whole number from ${least} to ${most}, found '${text}'`);
  }
  return value;
}

const whole = (option: string, least: number, most: number) => (text: string) =>
  integer(option, text, least, most);

/** Reads a learning rate: positive and finite in float32, which the device computes in. */
export const learningRate =
  (option: string) =>
  (text: string): number => {
    const value = Number(text);
    const seen = Math.fround(value);
    if (text.trim() === '' || !Number.isFinite(seen) || seen <= 0) {
      throw new InputError(
        `${option}: expected a positive number that float32 can hold, such as 3e-5, found '${text}'`,
      );
    }
    return value;
  };

/** Reads a number from 0 to 1; with `above0`, 0 is refused. */
export const share =
  (option: string, above0: boolean) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= 0 && value <= 1) || (above0 && value === 0)) {
      const range = above0 ? 'a number above 0 and up to 1' : 'a number from 0 to 1';
      throw new InputError(`${option}: expected ${range}, found '${text}'`);
    }
    return value;
  };

/** Reads one of some words as what it stands for. */
export const word =
  <T>(option: string, words: Readonly<Record<string, T>>) =>
  (text: string): T => {
    if (!Object.hasOwn(words, text)) {
      throw new InputError(`${option}: expected one of ${Object.keys(words).join(', ')}, found '${text}'`);
    }
    return words[text]!;
  };

/** Reads `every N` or `N`, a word at a time. */
export function every(text: string, before?: number | 'every'): number | 'every' {
  if (text === 'every' && before === undefined) return text;
  if (typeof before === 'number')
    throw new InputError(`--diagnose: expected one number of steps, found '${text}' behind ${before}`);
  return integer('--diagnose', text, 1, MOST);
}

/** Reads the steps at which the learning rate drops: `none`, or rising numbers with commas between. */
export function drops(text: string): number[] {
  if (text === 'none') return [];
  const values = text.split(',').map((part) => integer('--lr-drops', part, 1, MOST));
  if (values.some((value, i) => i > 0 && value <= values[i - 1]!)) {
    throw new InputError(`--lr-drops: expected rising steps such as 300000,400000, found '${text}'`);
  }
  return values;
}

/** Reads methods with commas between, each known and given once. */
export const methods =
  (option: string) =>
  (text: string): string[] => {
    const names = text.split(',').map((name) => name.trim());
    const known = [...rules.keys()].join(', ');
    for (const [i, name] of names.entries()) {
      if (!rules.has(name))
        throw new InputError(`${option}: expected methods among ${known}, found '${name}'`);
      if (names.indexOf(name) !== i)
        throw new InputError(`${option}: expected each method once, found '${name}' twice`);
    }
    return names;
  };

/**
 * Reads `pytorch` or `tf1`, and behind it single conventions as `KEY=VALUE` with commas between.
 *
 * @throws InputError that names the option, the key, what was expected and what was found
 */
export function readConventions(text: string): Conventions {
  const [name = '', ...parts] = text.split(',').map((part) => part.trim());
  const base = word('--conventions', { pytorch: 'pytorch', tf1: 'tf1' } as const)(name);
  const given: Record<string, unknown> = {};
  for (const part of parts) {
    const [, key = '', value = ''] = /^([^=]*)=(.*)$/s.exec(part) ?? [];
    const fail = (expected: string, found: string) => {
      throw new InputError(`--conventions: expected ${expected}, found '${found}'`);
    };
    if (!Object.hasOwn(PYTORCH, key))
      fail(`KEY=VALUE with KEY among ${Object.keys(PYTORCH).join(', ')}`, part);
    if (Object.hasOwn(given, key)) fail(`each key once`, part);
    given[key] =
      key === 'bnBias'
        ? ({ yes: true, no: false } as Record<string, boolean>)[value]
        : Object.hasOwn(WORDS, key) || value === ''
          ? value
          : Number(value);
    const expected = conventionRefuses(key, given[key]);
    if (expected !== undefined) fail(`${expected} for ${key}`, value);
  }
  return conventionsOf(base, given);
}

const preset = (text: string): string =>
  word('--preset', Object.fromEntries(Object.keys(presets).map((name) => [name, name])))(text);

/** Reads a text that says something. */
export function nonEmpty(option: string): (text: string) => string {
  return (text) => {
    if (text.trim() === '') throw new InputError(`${option}: expected some text, found none`);
    return text;
  };
}

/** The option that chooses a device, for every command that opens one. */
export const adapterOption = (): Option =>
  new Option('--adapter <text>', "part of a device's name, or gpu, cpu, system, carried").argParser(
    nonEmpty('--adapter'),
  );

/** Adds the options that combine with learning rules. */
export function addRuleOptions(command: Command): Command {
  const optimizers = Object.fromEntries(OPTIMIZERS.map((name) => [name, name] as const)) as Record<
    string,
    OptimizerName
  >;
  const labels = { on: true, off: false };
  const outputs = { linear: 'linear', sigmoid: 'sigmoid' } as const;
  return command
    .option('--optimizer <name>', OPTIMIZERS.join(', '), word('--optimizer', optimizers))
    .option(
      '--update-probability <p>',
      'chance of each layer to be updated in a step; 1 by default',
      share('--update-probability', true),
    )
    .option(
      '--lambda <share>',
      'BP(lambda): share of the true gradient in what layers learn from; 0 is pure SG, 1 backprop',
      share('--lambda', false),
    )
    .option('--sg-hidden <n>', 'hidden layers of each predictor; 0 is linear', whole('--sg-hidden', 0, 2))
    .option('--sg-width <n>', "units of predictors' hidden layers", whole('--sg-width', 1, MOST))
    .option('--sg-labels <on|off>', 'whether predictors see the labels', word('--sg-labels', labels))
    .option(
      '--sg-output <form>',
      'what predictors end in: linear, or sigmoid on a linear layer',
      word('--sg-output', outputs),
    )
    .option(
      '--sg-lr <rate>',
      'learning rate of predictors and local classifiers; --lr by default',
      learningRate('--sg-lr'),
    )
    .option(
      '--sg-warmup <n>',
      'steps in which hidden layers wait while predictors or local classifiers learn',
      whole('--sg-warmup', 0, MOST),
    )
    .option(
      '--delay <name>',
      "of delayed-bp: pipelined, 2 (L - l) steps at layer l of L, or pipedream, PipeDream's L - l",
      word('--delay', { pipelined: 'pipelined', pipedream: 'pipedream' } as const),
    )
    .option(
      '--diagnose <every N...>',
      'every N steps, compare synthetic gradients with true ones, outside the clock',
      every,
    );
}

/** Adds the options that say how a step is divided into dispatches. */
export function addScheduleOptions(command: Command): Command {
  const wishes = Object.fromEntries([...SCHEDULES, 'best'].map((name) => [name, name])) as Record<
    string,
    ScheduleWish
  >;
  return command
    .option(
      '--schedule <name>',
      'layered: a kernel for each formula; fused: whole layers in a dispatch; wave: all layers at once; ' +
        'best: the last of them that a method has',
      word('--schedule', wishes),
    )
    .option(
      '--wave-stages <n>',
      'dispatches of a step of the wave: 3, or 1 with layers and predictors some steps behind; 3 by default',
      word('--wave-stages', { 1: 1, 3: 3 } as Record<string, 1 | 3>),
    );
}

/** Each method in a line, for `--help`. */
export const methodsHelp = (): string =>
  ['', 'Methods:', ...[...rules.values()].map(({ name, about }) => `  ${name.padEnd(12)}${about}`)].join(
    '\n',
  );

/** Adds what `bench` and `train` share. */
export function addRunOptions(command: Command): Command {
  command
    .addOption(
      new Option('--preset <name>', `one of ${Object.keys(presets).join(', ')}`)
        .argParser(preset)
        .default('quick'),
    )
    .option('--steps <n>', 'training steps', whole('--steps', 1, MOST))
    .option('--batch <n>', 'samples a step', whole('--batch', 1, MOST))
    .option('--hidden <n>', 'units of each hidden layer', whole('--hidden', 1, MOST))
    .option('--layers <n>', 'layers with weights; 4 = three hidden and the output', whole('--layers', 2, 32))
    .option('--lr <rate>', 'learning rate', learningRate('--lr'))
    .option('--lr-drops <steps>', 'divide the learning rate by 10 at these steps, or none', drops)
    .option('--seed <n>', 'of initialisation, shuffle and draws of updates', whole('--seed', 0, 2 ** 32 - 1));
  return addScheduleOptions(addRuleOptions(command))
    .option(
      '--conventions <name[,key=value...]>',
      `what papers leave to their framework: pytorch (the default) or tf1, TensorFlow's of 2017; keys are ${Object.keys(PYTORCH).join(', ')}`,
      (text: string) => conventionsText(readConventions(text)),
    )
    .option('--eval-every <n>', 'steps between evaluations', whole('--eval-every', 1, MOST))
    .option('--data <dir>', 'four IDX files, gzipped or not; MNIST by default', nonEmpty('--data'))
    .option(
      '--out <dir>',
      'folder for the record and the curves; runs/<time>-<preset> by default',
      nonEmpty('--out'),
    )
    .addOption(adapterOption())
    .option('--json', 'print the record on stdout, and nothing else there')
    .option('--quiet', 'no progress, only the result')
    .addHelpText('after', methodsHelp());
}
