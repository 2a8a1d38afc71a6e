import { type Command, Option } from 'commander';
import { presets } from '../../bench/presets.ts';
import { InputError } from '../errors.ts';
import { rules } from '../train/rules.ts';

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
  readonly evalEvery?: number;
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
export function learningRate(text: string): number {
  const value = Number(text);
  const seen = Math.fround(value);
  if (text.trim() === '' || !Number.isFinite(seen) || seen <= 0) {
    throw new InputError(
      `--lr: expected a positive number that float32 can hold, such as 3e-5, found '${text}'`,
    );
  }
  return value;
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

function preset(text: string): string {
  if (!Object.hasOwn(presets, text)) {
    throw new InputError(`--preset: expected one of ${Object.keys(presets).join(', ')}, found '${text}'`);
  }
  return text;
}

function nonEmpty(option: string): (text: string) => string {
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

/** Adds what `bench` and `train` share. */
export function addRunOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--preset <name>', `one of ${Object.keys(presets).join(', ')}`)
        .argParser(preset)
        .default('quick'),
    )
    .option('--steps <n>', 'training steps', whole('--steps', 1, MOST))
    .option('--batch <n>', 'samples a step', whole('--batch', 1, MOST))
    .option('--hidden <n>', 'units of each hidden layer', whole('--hidden', 1, MOST))
    .option('--layers <n>', 'layers with weights; 4 = three hidden and the output', whole('--layers', 2, 32))
    .option('--lr <rate>', 'learning rate of Adam', learningRate)
    .option('--lr-drops <steps>', 'divide the learning rate by 10 at these steps, or none', drops)
    .option('--seed <n>', 'of initialisation and shuffle', whole('--seed', 0, 2 ** 32 - 1))
    .option('--eval-every <n>', 'steps between evaluations', whole('--eval-every', 1, MOST))
    .option('--data <dir>', 'four IDX files, gzipped or not; MNIST by default', nonEmpty('--data'))
    .option(
      '--out <dir>',
      'folder for record.json and curves.csv; runs/<time>-<preset> by default',
      nonEmpty('--out'),
    )
    .addOption(adapterOption())
    .option('--json', 'print the record on stdout, and nothing else there')
    .option('--quiet', 'no progress, only the result');
}
