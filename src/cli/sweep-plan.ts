import { Command, type Option } from 'commander';
import { experiments } from '../../bench/experiments.ts';
import { presets } from '../../bench/presets.ts';
import { provenance } from '../../bench/provenance.ts';
import {
  type Axis,
  expandGrid,
  type GridPoint,
  type Setting,
  type SweepCell,
  scaleLengths,
} from '../../bench/sweep-grid.ts';
import { MANIFEST_VERSION, type SweepManifest, type SweepOptions } from '../../bench/sweep-manifest.ts';
import type { Dataset } from '../data/dataset.ts';
import { InputError } from '../errors.ts';
import { partialAxes } from './axes.ts';
import { configOf } from './bench.ts';
import { addRunOptions, integer, type RunOptions } from './options.ts';

/** Options of `bench` that a sweep has no use for, or has another form of. */
export const NOT_TAKEN = ['seed', 'out', 'json'];

/** Options of a sweep that do not make its cells what they are: another value goes on with the same sweep. */
const NOT_OF_CELLS = ['preset', 'data', 'adapter', 'quiet'];

/** Options that a grid cannot vary, as they are lists, or say nothing about the training. */
const NOT_SET = [...NOT_TAKEN, ...NOT_OF_CELLS, 'lr-drops', 'diagnose', 'conventions'];

/** What `--scale` shortens, and so cannot be given beside it. */
const SCALED = ['steps', 'lr-drops', 'eval-every'];

/** More would be a slip of the hand. */
const MOST_SEEDS = 1000;
const MOST_CELLS = 100_000;

/** Characters of a cell's name: with what is put behind it, file systems take 255. */
const LONGEST_ID = 220;

const bench = new Command();
addRunOptions(bench);

/** The options of `bench`. */
export const runOptions = bench.options;

// `bench` and `train` have another default, so that this one has to be said.
runOptions.find((option) => option.name() === 'schedule')!.description +=
  '; layered by default, not best as in bench, so that all cells run alike';

const DEFAULT_PRESET = runOptions.find((option) => option.name() === 'preset')!.defaultValue as string;

/** What the options of `sweep` have been read to. */
export interface SweepRequest extends Omit<RunOptions, 'preset'> {
  readonly preset?: string | undefined;
  readonly experiment?: string;
  readonly seeds?: number[];
  readonly set?: Axis[];
  readonly scale?: number;
}

/** Reads `5` as the seeds 1 to 5, and `1,7,9` as those. */
export function seeds(text: string): number[] {
  const parts = text.split(',');
  if (parts.length === 1)
    return Array.from({ length: integer('--seeds', text, 1, MOST_SEEDS) }, (_, i) => i + 1);
  const values = parts.map((part) => integer('--seeds', part, 0, 2 ** 32 - 1));
  const twice = values.find((value, i) => values.indexOf(value) !== i);
  if (twice !== undefined) throw new InputError(`--seeds: expected each seed once, found ${twice} twice`);
  return values;
}

/** Reads one more `--set option=a,b,c`, each value as the option itself would. */
export function setting(text: string, before: readonly Axis[] = []): Axis[] {
  const [, name, list] = /^-{0,2}([^=]*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || list === undefined)
    throw new InputError(`--set: expected option=value,value, found '${text}'`);
  const known = runOptions.filter((option) => !NOT_SET.includes(option.name()) && option.required);
  const option = known.find((each) => each.name() === name);
  if (!option) {
    const names = known.map((each) => each.name()).join(', ');
    throw new InputError(`--set: expected one of ${names}, found '${name}'`);
  }
  if (before.some((axis) => axis.name === name))
    throw new InputError(`--set ${name}: expected once, found twice`);
  const values = list.split(',').map((part) => readValue(option, part.trim()));
  const twice = values.find((value, i) => values.indexOf(value) !== i);
  if (twice !== undefined)
    throw new InputError(`--set ${name}: expected each value once, found ${twice} twice`);
  return [...before, { name, values }];
}

function readValue(option: Option, text: string): Setting {
  if (text === '')
    throw new InputError(`--set ${option.name()}: expected values with commas between, found none`);
  try {
    return option.parseArg!(text, undefined as never) as unknown as Setting;
  } catch (error) {
    // It speaks of the option as if it stood alone.
    if (error instanceof InputError) throw new InputError(`--set ${error.message.replace(/^--/, '')}`);
    throw error;
  }
}

/** Reads a share of a protocol's length. */
export function scale(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0 && value <= 1))
    throw new InputError(`--scale: expected a number above 0 and up to 1, such as 0.01, found '${text}'`);
  return value;
}

/** Reads the name of an experiment. */
export function experimentName(text: string): string {
  if (Object.hasOwn(experiments, text)) return text;
  const names = Object.keys(experiments).join(', ');
  throw new InputError(`--experiment: expected one of ${names}, found '${text}'`);
}

const keyOf = (name: string): string => runOptions.find((option) => option.name() === name)!.attributeName();

/** The axes of an experiment and those given; what is set by hand takes the place of what the experiment sets. */
function axesOf(own: readonly string[], given: readonly Axis[]): Axis[] {
  const axes = own.flatMap((text) => setting(text));
  const replaced = axes.map((axis) => given.find(({ name }) => name === axis.name) ?? axis);
  return [...replaced, ...given.filter((axis) => !replaced.includes(axis))];
}

/** The options that are the same for all cells, by their names on the command line. */
function fixedOf(request: SweepRequest): Record<string, unknown> {
  const left = [...NOT_TAKEN, ...NOT_OF_CELLS];
  const fixed: Record<string, unknown> = {};
  for (const option of runOptions) {
    const value = request[option.attributeName() as keyof SweepRequest];
    if (value !== undefined && !left.includes(option.name())) fixed[option.name()] = value;
  }
  return fixed;
}

/** Refuses options of which one would undo the other. */
function checkClashes({ experiment, preset, scale: by, set = [] }: SweepRequest, made: SweepOptions): void {
  if (experiment !== undefined && preset !== undefined)
    throw new InputError(`--preset ${preset}: expected none beside --experiment, which has its own`);
  for (const name of Object.keys(made.set)) {
    if (!(name in made.fixed)) continue;
    const other = set.some((axis) => axis.name === name) ? '--set' : `--experiment ${experiment}`;
    throw new InputError(`--${name}: expected once, found it fixed and varied by ${other}`);
  }
  if (by === undefined) return;
  const clash = SCALED.find((name) => name in made.fixed || name in made.set);
  if (clash) throw new InputError(`--scale: expected without --${clash}, which it would change, found both`);
}

/** The points of a grid that a folder can hold. */
function pointsOf({ methods, seeds }: SweepOptions, axes: readonly Axis[]): GridPoint[] {
  const count = axes.reduce((product, { values }) => product * values.length, methods.length * seeds.length);
  if (count > MOST_CELLS)
    throw new InputError(`--set: expected a grid of at most ${MOST_CELLS} cells, found ${count}`);
  const points = expandGrid(methods, seeds, axes);
  const longest = Math.max(...points.map(({ id }) => id.length));
  if (longest <= LONGEST_ID) return points;
  throw new InputError(
    `--set: expected names of cells of at most ${LONGEST_ID} characters, found one of ${longest}: too many options`,
  );
}

/** What a sweep is, in a sentence. */
function noteOf(
  { experiment, preset, fixed, set, scale: by }: SweepOptions,
  partial: Iterable<string>,
): string {
  const [changed, varied] = [Object.keys(fixed).join(', '), Object.keys(set).join(', ')];
  const { presetNote } = presets[preset]!;
  return [
    experiment === null ? presetNote : `${experiments[experiment]!.about} (protocol: ${presetNote})`,
    ...(changed ? [`changed by options: ${changed}`] : []),
    ...(varied ? [`varied: ${varied}`] : []),
    ...partial,
    ...(by === 1 ? [] : [`scaled by ${by}: steps, learning-rate drops and steps between evaluations only`]),
  ].join('; ');
}

/**
 * All that a sweep consists of.
 *
 * @throws InputError for options that contradict each other, or that none of the methods heeds
 */
export function planSweep(request: SweepRequest, dataset: Dataset): SweepManifest {
  const { experiment: name, scale: by = 1, methods: asked, ...common } = request;
  const experiment = name === undefined ? undefined : experiments[name]!;
  const presetName = experiment?.preset ?? request.preset ?? DEFAULT_PRESET;
  const preset = presets[presetName]!;
  const axes = axesOf(experiment?.set ?? [], request.set ?? []);
  const options: SweepOptions = {
    experiment: name ?? null,
    preset: presetName,
    methods: asked ?? experiment?.methods ?? preset.methods,
    seeds: request.seeds ?? experiment?.seeds ?? [preset.seed],
    scale: by,
    set: Object.fromEntries(axes.map((axis) => [axis.name, axis.values])),
    fixed: fixedOf(request),
  };
  checkClashes(request, options);

  const partial = new Set<string>();
  const lengths = by === 1 ? {} : scaleLengths(preset, by);
  const cells = pointsOf(options, axes).map((point): SweepCell => {
    const { method, seed } = point;
    const set = Object.fromEntries(Object.entries(point.set).map(([each, value]) => [keyOf(each), value]));
    // With all methods, as what one of them does not heed may be meant for another.
    const all = { ...common, ...lengths, ...set, preset: presetName, methods: [...options.methods], seed };
    // Layered unless asked for otherwise: cells are compared, and not all of a grid's may have fused kernels.
    const config = configOf(all as RunOptions, dataset, 'layered');
    for (const phrase of partialAxes(config)) partial.add(phrase);
    return { ...point, config: { ...config, preset: name ?? presetName, methods: [method] } };
  });
  const note = noteOf(options, partial);
  return {
    schemaVersion: MANIFEST_VERSION,
    date: new Date().toISOString(),
    version: provenance().version,
    note,
    options,
    cells: cells.map((cell) => ({ ...cell, config: { ...cell.config, presetNote: note } })),
  };
}
