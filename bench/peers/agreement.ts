import type { MlpShape } from '../../src/nn/mlp.ts';

/** Steps whose losses have to agree. */
export const CHECK_STEPS = 8;

/** Half the distance of neighbouring numbers near 1: of float32, and of TF32, whose products' factors are rounded to it. */
const ROUNDING = { float32: 2 ** -24, tf32: 2 ** -11 };

/**
 * How many standard deviations, so to speak: with roundings that do not conspire, a chain of n of them is off by at most
 * lambda sqrt(n) u, but for a chance of about 2 exp(-lambda^2 / 2) (Higham and Mary 2019, theorem 2.4): 3e-14 for 8.
 */
const LAMBDA = 8;

/** A loss's relative tolerance, and what it comes from. */
export interface Tolerance {
  readonly value: number;
  /** Roundings on the longest chain from the data to the loss. */
  readonly chain: number;
  readonly text: string;
}

/**
 * How far apart the losses of two right programs may be, in units of the loss. The longest chain of roundings to a loss
 * is the sums behind it: a dot product for each layer, mean and variance of each batch norm, the classes of the softmax
 * and the mean over the batch. Adam adds nothing to speak of: it moves each parameter by about the learning rate in
 * the direction of its gradient, so that a gradient's small error changes a step only where the gradient is so near to
 * 0 that the step hardly changes the loss.
 */
export function toleranceOf(
  { inputs, hidden, layers, classes }: MlpShape,
  batch: number,
  precision: keyof typeof ROUNDING,
): Tolerance {
  const chain = inputs + (layers - 1) * hidden + 2 * (layers - 1) * batch + classes + batch;
  const plain = LAMBDA * Math.sqrt(chain) * ROUNDING.float32;
  const text = `${LAMBDA} sqrt(${chain}) 2^-24`;
  if (precision === 'float32') return { value: plain, chain, text };
  // Two factors are rounded for each layer's products.
  const factors = LAMBDA * Math.sqrt(2 * layers) * ROUNDING.tf32;
  return { value: plain + factors, chain, text: `${text} + ${LAMBDA} sqrt(${2 * layers}) 2^-11` };
}

/** Whether two programs' losses from equal weights agree. */
export interface Agreement {
  readonly agrees: boolean;
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  /** The largest difference, in units of the loss. */
  readonly worst: number;
  readonly tolerance: Tolerance;
}

/** Compares the losses of the first steps. */
export function compareLosses(
  ours: readonly number[],
  theirs: readonly number[],
  tolerance: Tolerance,
): Agreement {
  const differences = ours.map((loss, i) => Math.abs((theirs[i] ?? Number.NaN) - loss) / Math.max(1, loss));
  // A NaN must not hide in a maximum.
  const worst = differences.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(...differences);
  const agrees = theirs.length === ours.length && worst <= tolerance.value;
  return { agrees, ours, theirs, worst, tolerance };
}
