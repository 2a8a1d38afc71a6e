import type { BenchConfig, RunRecord } from '../src/report/record.ts';

/** What an option may be set to in a grid. */
export type Setting = string | number | boolean;

/** One option of a grid, by its name on the command line, and what it is set to in turn. */
export interface Axis {
  readonly name: string;
  readonly values: readonly Setting[];
}

/** One training run of a grid, before it has a configuration. */
export interface GridPoint {
  /** The name of its record's file: `cdni-layers=4-seed=1`. */
  readonly id: string;
  readonly method: string;
  readonly seed: number;
  /** The value of each axis. */
  readonly set: Readonly<Record<string, Setting>>;
}

/** One training run of a sweep. */
export interface SweepCell extends GridPoint {
  /** With this method and this seed alone. */
  readonly config: BenchConfig;
}

/**
 * Every method with every combination of the axes' values and every seed. Seeds are outermost: whenever a sweep is
 * stopped, there is something of everything.
 */
export function expandGrid(
  methods: readonly string[],
  seeds: readonly number[],
  axes: readonly Axis[],
): GridPoint[] {
  let settings: Record<string, Setting>[] = [{}];
  for (const { name, values } of axes)
    settings = settings.flatMap((before) => values.map((value) => ({ ...before, [name]: value })));
  return seeds.flatMap((seed) =>
    settings.flatMap((set) => methods.map((method) => ({ id: idOf(method, seed, set), method, seed, set }))),
  );
}

const textOf = (value: Setting): string => (typeof value === 'boolean' ? (value ? 'on' : 'off') : `${value}`);

function idOf(method: string, seed: number, set: Readonly<Record<string, Setting>>): string {
  const parts = Object.entries(set).map(([name, value]) => `${name}=${textOf(value)}`);
  return [method, ...parts, `seed=${seed}`].join('-');
}

/** What a scale shortens. */
export interface Lengths {
  readonly steps: number;
  readonly lrDrops: readonly number[];
  readonly evalEvery: number;
}

/** A protocol made shorter (`--scale`), and nothing else about it changed. Nothing becomes less than one step. */
export function scaleLengths({ steps, lrDrops, evalEvery }: Lengths, scale: number): Lengths {
  const shorter = (count: number) => Math.max(1, Math.round(count * scale));
  return {
    steps: shorter(steps),
    lrDrops: lrDrops.map(shorter),
    evalEvery: Math.min(shorter(evalEvery), shorter(steps)),
  };
}

/** What differs between cells without changing how long a step takes. */
const BESIDE = [
  'preset',
  'presetNote',
  'seed',
  'lr',
  'lrDrops',
  'steps',
  'evalEvery',
  'trainSamples',
  'data',
];

/** The same for cells whose steps take the same time. */
export const costKey = (config: BenchConfig): string =>
  JSON.stringify(Object.entries(config).filter(([name]) => !BESIDE.includes(name)));

/** Guesses how long cells will take from how long others took. */
export class CostEstimate {
  readonly #seconds = new Map<string, number>();

  /** A cell took so long. One that failed did so somewhere on its way, and tells nothing. */
  learn(config: BenchConfig, { status }: Pick<RunRecord, 'status'>, seconds: number): void {
    if (status === 'finished') this.#seconds.set(costKey(config), seconds / config.steps);
  }

  /** Seconds that these cells will take; NaN as long as nothing is known. A sort not seen yet counts as the mean. */
  left(configs: readonly BenchConfig[]): number {
    const known = [...this.#seconds.values()];
    const mean = known.reduce((sum, each) => sum + each, 0) / known.length;
    return configs.reduce(
      (sum, config) => sum + config.steps * (this.#seconds.get(costKey(config)) ?? mean),
      0,
    );
  }
}
