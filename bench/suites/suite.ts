import type { Gpu } from '../../src/gpu/gpu.ts';

/** What a figure was over its repeats. The unit is the field's. */
export interface Spread {
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
  readonly repeats: number;
}

/** The share-quantile of ascending values, straight between neighbours. */
function quantile(ascending: readonly number[], share: number): number {
  const at = share * (ascending.length - 1);
  const below = ascending[Math.floor(at)]!;
  const above = ascending[Math.ceil(at)]!;
  return below + (at - Math.floor(at)) * (above - below);
}

/** Median, 10 % and 90 % quantiles. */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new Error('spread: no values');
  const ascending = [...values].sort((a, b) => a - b);
  const [median, p10, p90] = [0.5, 0.1, 0.9].map((share) => quantile(ascending, share)) as [
    number,
    number,
    number,
  ];
  return { median, p10, p90, repeats: values.length };
}

/** The spread of f(value), for a monotonic f: where f falls, what was slow becomes low. */
export function mapSpread({ median, p10, p90, repeats }: Spread, f: (value: number) => number): Spread {
  const [low, high] = [f(p10), f(p90)];
  return { median: f(median), p10: Math.min(low, high), p90: Math.max(low, high), repeats };
}

/** A straight line through points, by least squares. */
export interface Line {
  readonly slope: number;
  readonly intercept: number;
}

/**
 * The line through (x, y) by least squares: of times over counts, the slope is what one more costs and the intercept
 * what is paid once.
 *
 * @throws Error with fewer than two different counts
 */
export function line(points: readonly (readonly [number, number])[]): Line {
  const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const mx = mean(points.map(([x]) => x));
  const my = mean(points.map(([, y]) => y));
  const sxx = points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  if (!(sxx > 0)) throw new Error('line: expected two different counts at least');
  const slope = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / sxx;
  return { slope, intercept: my - slope * mx };
}

/** Fewest repeats behind a median. */
export const LEAST_REPEATS = 5;

/** Calls `measure` until it is warm, then `repeats` times more, and returns what those calls returned. */
export async function repeat<T>(
  { repeats = LEAST_REPEATS, warmUp = 1 }: { repeats?: number; warmUp?: number },
  measure: () => Promise<T>,
): Promise<T[]> {
  for (let i = 0; i < warmUp; i++) await measure();
  const results: T[] = [];
  for (let i = 0; i < repeats; i++) results.push(await measure());
  return results;
}

/** What a suite is given. */
export interface SuiteContext {
  /** Opened for timed runs: without Dawn's validation, and with true timestamps. */
  readonly gpu: Gpu;
  /** What `--adapter` said, for suites that start processes of their own. */
  readonly adapter?: string | undefined;
  /** Repeats behind each median, 5 at least. */
  readonly repeats: number;
  /** Only the shortest form: to see that it works, not to be quoted. */
  readonly quick: boolean;
  /** Tells the user how far it has got. */
  readonly note: (line: string) => void;
  /**
   * Is told what failed its check and was not timed; the suite goes on with the rest, and ends with another exit code.
   * Without it the first failure ends the suite.
   */
  readonly failed?: (message: string) => void;
  /**
   * Asked before each measurement: whether it and the rest are to be left out. What has been measured is the result then.
   */
  readonly stopped?: () => boolean;
  /** The suite's own options, as they were read. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** An option of one suite alone. */
export interface SuiteOption {
  /** As commander has it: `--layers <list>`. */
  readonly flags: string;
  readonly about: string;
  /** Reads its text, or throws an InputError that names it. */
  readonly read?: (text: string) => unknown;
}

/** What most of a suite's parts need of it. */
export type Measuring = Pick<SuiteContext, 'gpu' | 'repeats' | 'quick' | 'note' | 'failed' | 'stopped'>;

/** What a suite found: JSON through and through. Its fields are the suite's own. */
export type SuiteResult = object;

/** One suite of measurements: `syngrad bench <name>`. */
export interface Suite<R extends SuiteResult = SuiteResult> {
  readonly name: string;
  /** A line for `--help`. */
  readonly about: string;
  readonly options?: readonly SuiteOption[];
  /** Checks, then measures. */
  run(context: SuiteContext): Promise<R>;
  /** Of a suite that asks whether to stop: what an unfinished result holds. Others are ended at once by Ctrl-C. */
  count?(result: R): number;
  /** What is made of the result once the record holds it. */
  finish?(result: R, context: SuiteContext): Promise<void>;
  /** The result for people. */
  table(result: R): string;
}
