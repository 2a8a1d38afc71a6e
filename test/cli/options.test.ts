import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { configOf } from '../../src/cli/bench.ts';
import { addRunOptions, methods, methodsHelp, type RunOptions } from '../../src/cli/options.ts';
import { InputError } from '../../src/errors.ts';
import { rules } from '../../src/train/rules.ts';
import { tinySet } from '../support/cli.ts';

const dataset = tinySet();

/** What `syngrad bench` with these arguments is asked to do. */
function configFor(...args: string[]) {
  const command = addRunOptions(new Command('bench'))
    .option('--methods <names>', '', methods('--methods'))
    .exitOverride();
  command.parse(args, { from: 'user' });
  return configOf(command.opts<RunOptions>(), dataset);
}

function expectRefused(args: readonly string[], message: string | RegExp): void {
  let found: unknown;
  try {
    configFor(...args);
  } catch (error) {
    found = error;
  }
  expect(found).toBeInstanceOf(InputError);
  const { message: text } = found as Error;
  expect(text).not.toContain('\n');
  if (typeof message === 'string') expect(text).toBe(message);
  else expect(text).toMatch(message);
}

const refusedNumber = (option: string, found: string, least = 1, most = 1_000_000_000) =>
  [[option, found], `${option}: expected a whole number from ${least} to ${most}, found '${found}'`] as const;

const refusedRate = (option: string, found: string) =>
  [
    [option, found],
    `${option}: expected a positive number that float32 can hold, such as 3e-5, found '${found}'`,
  ] as const;

const refusedShare = (option: string, found: string, range: string) =>
  [[option, found], `${option}: expected ${range}, found '${found}'`] as const;

it.each([
  [['--methods', 'bp,bp'], "--methods: expected each method once, found 'bp' twice"],
  [['--methods', 'bp,'], /^--methods: expected methods among bp, dni, .*, found ''$/],
  [['--preset', 'toString'], /^--preset: expected one of .*, found 'toString'$/],
  refusedNumber('--steps', '0'),
  refusedNumber('--steps', '-5'),
  refusedNumber('--batch', '2.5'),
  refusedNumber('--batch', '0'),
  refusedNumber('--hidden', ''),
  refusedNumber('--hidden', '-1'),
  refusedNumber('--hidden', '1e10'),
  refusedNumber('--layers', '1', 2, 32),
  refusedNumber('--layers', '33', 2, 32),
  refusedNumber('--seed', '4294967296', 0, 4294967295),
  refusedNumber('--eval-every', '0'),
  refusedNumber('--lr-drops', 'soon'),
  [['--lr-drops', '20,10'], "--lr-drops: expected rising steps such as 300000,400000, found '20,10'"],
  ...['0', '-1e-3', 'fast', '1e39', '1e-60', 'Infinity'].map((found) => refusedRate('--lr', found)),
  ...['0', '-1', 'fast', '1e39', ''].map((found) => refusedRate('--sg-lr', found)),
  ...['0', '1.5', '-0.1', 'NaN', ' ', 'often'].map((found) =>
    refusedShare('--update-probability', found, 'a number above 0 and up to 1'),
  ),
  ...['1.01', '-0.1', 'NaN', '', 'half'].map((found) =>
    refusedShare('--lambda', found, 'a number from 0 to 1'),
  ),
  refusedNumber('--sg-hidden', '3', 0, 2),
  refusedNumber('--sg-hidden', '-1', 0, 2),
  refusedNumber('--sg-hidden', 'deep', 0, 2),
  refusedNumber('--sg-width', '0'),
  refusedNumber('--sg-width', '2.5'),
  [['--sg-labels', 'yes'], "--sg-labels: expected one of on, off, found 'yes'"],
  [['--sg-labels', ''], "--sg-labels: expected one of on, off, found ''"],
  [['--sg-output', 'relu'], "--sg-output: expected one of linear, sigmoid, found 'relu'"],
  [['--sg-output', 'toString'], /^--sg-output: expected one of linear, sigmoid, found 'toString'$/],
  [['--optimizer', 'Adam'], "--optimizer: expected one of adam, sgd, momentum, found 'Adam'"],
  refusedNumber('--sg-warmup', '-1', 0),
  refusedNumber('--sg-warmup', 'some', 0),
  refusedNumber('--diagnose', '0'),
  refusedNumber('--diagnose', 'often'),
  [['--diagnose', 'every', 'every'], /^--diagnose: expected a whole number .*, found 'every'$/],
  [['--diagnose', 'every', '1.5'], /^--diagnose: expected a whole number .*, found '1.5'$/],
  [['--diagnose', '10', '20'], "--diagnose: expected one number of steps, found '20' behind 10"],
  [['--diagnose', 'every'], "--diagnose: expected a number of steps behind 'every', found none"],
  [['--data', ''], '--data: expected some text, found none'],
  [['--adapter', ' '], '--adapter: expected some text, found none'],
] as const)('refuses %j', expectRefused);

describe('combinations', () => {
  const SG = 'a method with synthetic gradients (dni, cdni, bisong, unlocked)';
  const MIXED = 'a method that can mix the true gradient into a synthetic one (dni, cdni, bisong)';
  const MODELS = 'a method with predictors or local classifiers (dni, cdni, bisong, unlocked, dgl)';
  const WAVE = 'a method that has a wave, with linear predictors if any';
  const DEEP = 'a method with synthetic gradients whose predictors have hidden layers';

  it.each([
    [['--methods', 'bp,no-bp', '--lambda', '0.5'], `--lambda 0.5: expected ${MIXED}, found bp, no-bp`],
    ...['bp', 'no-bp', 'dgl', 'dfa', 'fa', 'delayed-bp', 'unlocked'].map(
      (method) =>
        [['--methods', method, '--lambda', '1'], `--lambda 1: expected ${MIXED}, found ${method}`] as const,
    ),
    ...(
      [
        ['--sg-hidden', '0'],
        ['--sg-labels', 'off'],
        ['--sg-output', 'linear'],
      ] as const
    ).map(
      (option) =>
        [['--methods', 'bp,dgl', ...option], `${option.join(' ')}: expected ${SG}, found bp, dgl`] as const,
    ),
    [['--methods', 'bp', '--sg-lr', '1e-3'], `--sg-lr 0.001: expected ${MODELS}, found bp`],
    [['--methods', 'dfa', '--sg-warmup', '3'], `--sg-warmup 3: expected ${MODELS}, found dfa`],
    [['--methods', 'bp', '--sg-width', '8'], `--sg-width 8: expected ${DEEP} (dni, bisong), found bp`],
    [['--methods', 'cdni', '--sg-width', '8'], `--sg-width 8: expected ${DEEP} (dni, bisong), found cdni`],
    [
      ['--methods', 'cdni,dni', '--sg-width', '8', '--sg-hidden', '0'],
      `--sg-width 8: expected ${DEEP}, found cdni, dni and --sg-hidden 0`,
    ],
    [['--methods', 'bp,dgl', '--diagnose', '5'], `--diagnose 5: expected ${SG}, found bp, dgl`],
    [
      ['--methods', 'cdni', '--steps', '30', '--diagnose', '31'],
      '--diagnose 31: expected at most the 30 steps of the run, in which it would never look',
    ],
    [
      ['--methods', 'cdni', '--steps', '30', '--sg-warmup', '30'],
      '--sg-warmup 30: expected fewer steps than the 30 of the run, in which no hidden layer would learn',
    ],
    [
      ['--methods', 'bp,cdni', '--schedule', 'fused', '--wave-stages', '1'],
      '--wave-stages 1: expected --schedule wave or best, found --schedule fused',
    ],
    ...['bp', 'bisong', 'unlocked', 'bp,dni'].map(
      (methods) =>
        [
          ['--methods', methods, '--wave-stages', '1'],
          `--wave-stages 1: expected ${WAVE} (cdni, delayed-bp), found ${methods.replace(',', ', ')}`,
        ] as const,
    ),
    [
      ['--methods', 'cdni', '--wave-stages', '1', '--sg-hidden', '1'],
      `--wave-stages 1: expected ${WAVE} (delayed-bp), found cdni and --sg-hidden 1`,
    ],
    [
      ['--methods', 'bp,delayed-bp', '--update-probability', '0.5'],
      '--update-probability 0.5: expected 1 with delayed-bp, whose delay line counts every step',
    ],
  ] as const)('refuses %j', expectRefused);

  it.each([
    [['--methods', 'bp', '--lambda', '0']],
    [['--methods', 'bp', '--sg-warmup', '0']],
    [['--methods', 'delayed-bp', '--update-probability', '1']],
    [['--methods', 'no-bp', '--update-probability', '0.5']],
    [['--methods', 'dgl', '--sg-lr', '1e-3', '--sg-warmup', '3']],
    [['--methods', 'cdni', '--sg-hidden', '1', '--sg-width', '8']],
    [['--methods', 'dni', '--sg-width', '8']],
    [['--methods', 'bisong', '--wave-stages', '1', '--sg-hidden', '0']],
    [['--methods', 'delayed-bp', '--wave-stages', '1', '--schedule', 'wave']],
    [['--methods', 'cdni', '--sg-warmup', '29', '--steps', '30', '--diagnose', '30']],
  ])('takes %j, and for all methods', (args) => {
    expect(configFor(...args).presetNote).not.toContain('alone');
  });

  it('says in the note for which methods an option is, where it is not for all', () => {
    const note = (...args: string[]) =>
      configFor(...args)
        .presetNote.split('; ')
        .slice(1);
    expect(note('--methods', 'bp,cdni', '--lambda', '0.5', '--optimizer', 'sgd')).toEqual([
      'changed by options: optimizer, lambda',
      '--lambda for cdni alone',
    ]);
    expect(note('--methods', 'bp,dni,unlocked,dgl', '--sg-lr', '1e-3', '--sg-width', '8')).toEqual([
      'changed by options: methods, sgWidth, sgLr',
      '--sg-width for dni alone',
      '--sg-lr for dni, unlocked, dgl alone',
    ]);
  });
});

it('what is given arrives in the configuration, and the rest are the defaults', () => {
  const defaults = {
    optimizer: 'adam',
    updateProbability: 1,
    lambda: 0,
    sgHidden: null,
    sgWidth: null,
    sgLabels: null,
    sgOutput: null,
    sgLr: null,
    sgWarmup: 0,
    diagnose: null,
  };
  expect(configFor('--preset', 'bisong-50k')).toMatchObject(defaults);
  const axes = [
    '--optimizer',
    'momentum',
    '--update-probability',
    '0.2',
    '--lambda',
    '0.25',
    '--sg-hidden',
    '2',
  ];
  const models = ['--sg-width', '64', '--sg-labels', 'off', '--sg-output', 'sigmoid', '--sg-lr', '3e-4'];
  const config = configFor(
    '--methods',
    'cdni',
    ...axes,
    ...models,
    '--sg-warmup',
    '7',
    '--diagnose',
    'every',
    '20',
  );
  expect(config).toMatchObject({
    optimizer: 'momentum',
    updateProbability: 0.2,
    lambda: 0.25,
    sgHidden: 2,
    sgWidth: 64,
    sgLabels: false,
    sgOutput: 'sigmoid',
    sgLr: 3e-4,
    sgWarmup: 7,
    diagnose: 20,
  });
  expect(Object.keys(defaults).every((name) => config.presetNote.includes(name))).toBe(true);
  expect(configFor('--diagnose', '100')).toEqual(configFor('--diagnose', 'every', '100'));
});

it('all ten methods can be chosen, and the help has a line for each', () => {
  const names = [...rules.keys()];
  expect(names).toHaveLength(10);
  expect(configFor('--methods', names.join(',')).methods).toEqual(names);
  for (const { name, about } of rules.values()) {
    expect(methodsHelp()).toMatch(new RegExp(`^  ${name} +${about.replace(/[()]/g, '.')}$`, 'm'));
  }
});
