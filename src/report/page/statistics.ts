import type { CurvePoint } from '../../train/run.ts';

/** What some runs of one kind, alike but for their seeds, have in one number. */
export interface Summary {
  readonly n: number;
  readonly mean: number;
  /** Standard deviation of the sample (divided by n - 1); NaN for less than two values. */
  readonly sd: number;
  readonly min: number;
  readonly max: number;
}

/** Mean and spread; NaN where there are no values. */
export function summarize(values: readonly number[]): Summary {
  const n = values.length;
  if (n === 0) return { n, mean: Number.NaN, sd: Number.NaN, min: Number.NaN, max: Number.NaN };
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    n,
    mean,
    sd: n > 1 ? Math.sqrt(squares / (n - 1)) : Number.NaN,
    min: Math.min(...values),
    max: Math.max(...values),
  };
}

/**
 * How two summaries stand to each other: `within` when their ranges (min to max) touch, `unknown` when one of them
 * has a single value, so that nothing is known of its spread.
 */
export type Standing = 'above' | 'below' | 'within' | 'unknown';

/** Where `a` stands against `b`. */
export function standing(a: Summary, b: Summary): Standing {
  if (a.n < 2 || b.n < 2) return 'unknown';
  if (a.min <= b.max && b.min <= a.max) return 'within';
  return a.mean > b.mean ? 'above' : 'below';
}

/** The validation accuracy whose time of arrival is compared. */
export const GOAL = 0.97;

/**
 * Seconds of training at the first evaluated point that is at or above an accuracy, undefined if there is none.
 * Nothing is interpolated: between two evaluations nobody has looked.
 */
export function secondsTo(curve: readonly CurvePoint[], accuracy = GOAL): number | undefined {
  return curve.find((point) => point.validation.accuracy >= accuracy)?.seconds;
}

/** A curve's value at each of the steps that every seed has evaluated, over the seeds. */
export interface MeanPoint {
  readonly step: number;
  /** Mean of the seeds' seconds at that step. */
  readonly seconds: number;
  readonly value: Summary;
}

/** The mean curve of some runs, with the spread at each point; points that are not finite are left out. */
export function meanCurve(
  curves: readonly (readonly CurvePoint[])[],
  value: (point: CurvePoint) => number | null,
): MeanPoint[] {
  const [first = [], ...others] = curves.map((curve) => new Map(curve.map((point) => [point.step, point])));
  return [...first].flatMap(([step, point]) => {
    const points = [point, ...others.flatMap((other) => other.get(step) ?? [])];
    const values = points.map(value).filter((v): v is number => v !== null && Number.isFinite(v));
    if (values.length < curves.length) return [];
    return [{ step, seconds: summarize(points.map((p) => p.seconds)).mean, value: summarize(values) }];
  });
}
