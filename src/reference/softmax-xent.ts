import { type Bounded, bounded, gamma, TINY, U } from './twin.ts';

/** Samples and classes. */
export interface LogitsShape {
  readonly B: number;
  readonly C: number;
}

/** Relative error of WGSL's exp(x): (3 + 2 |x|) ulp, an ulp being at most 2 U of the value. */
const expError = (x: number): number => 2 * U * (3 + 2 * Math.abs(x));

/** Absolute error of WGSL's log(x): 2^-21 inside [0.5, 2], else 3 ulp. */
const logError = (x: number): number => Math.max(2 ** -21, 6 * U * Math.abs(Math.log(x)));

/** Below this, log(1 + rest) is summed as a series. */
const SERIES_BELOW = 0.5;

/** One sample's largest logit and the terms exp(logit - largest), with the device's errors in them. */
function termsOf(logits: ArrayLike<number>, from: number, C: number) {
  let best = 0;
  for (let c = 1; c < C; c++) if (logits[from + c]! > logits[from + best]!) best = c;
  const largest = logits[from + best]!;
  const term = new Float64Array(C);
  const error = new Float64Array(C);
  for (let c = 0; c < C; c++) {
    const d = logits[from + c]! - largest;
    term[c] = Math.exp(d);
    // exp's own error, and the rounding of the difference, which exp passes on as a relative error of U |d|.
    error[c] = term[c]! * (expError(d) + U * Math.abs(d)) + TINY;
  }
  /** The sum of all terms but one, and how far off it may be. */
  const without = (left: number) => {
    let [value, bound] = [0, 0];
    for (let c = 0; c < C; c++) {
      if (c === left) continue;
      value += term[c]!;
      bound += error[c]!;
    }
    return { value, bound: bound + gamma(C) * value };
  };
  return { largest, term, error, best, without };
}

/**
 * Absolute error of log(1 + rest) for a rest that is off by at most `off`, and by a factor of `grown` if the logits are
 * rounded, too: a series of relative error 12 U (a division of 2.5 ulp, a sum, two products and what is left out), or,
 * from 0.5 on, the logarithm of a rounded sum.
 */
export function log1pError(rest: number, off: number, grown = 1): number {
  const passed = off / (1 + Math.max(rest - off, 0));
  const log = Math.log1p(rest);
  return passed + (rest * grown + off < SERIES_BELOW ? 12 * U * (log + passed) : logError(1 + rest) + U);
}

/**
 * Cross-entropy of each sample, loss[b] = log sum_c exp(logits[b, c]) - logits[b, label[b]], as log(1 + rest) + (largest -
 * logits[b, label[b]]) with rest the sum of exp(logits[b, c] - largest) over all c but the first with the largest logit; and
 * `largest` and `sum` = 1 + rest, which the gradient is made with.
 */
export function softmaxXentForward(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  { B, C }: LogitsShape,
): { largest: Bounded; sum: Bounded; loss: Bounded } {
  const [largest, sum, loss] = [bounded(B), bounded(B), bounded(B)];
  for (let b = 0; b < B; b++) {
    const terms = termsOf(logits, b * C, C);
    const rest = terms.without(terms.best);
    largest.value[b] = terms.largest;
    sum.value[b] = 1 + rest.value;
    sum.bound[b] = rest.bound + U * (1 + rest.value + rest.bound);
    const above = terms.largest - logits[b * C + labels[b]!]!;
    loss.value[b] = Math.log1p(rest.value) + above;
    loss.bound[b] = log1pError(rest.value, rest.bound) + 2 * U * (above + loss.value[b]!) + TINY;
  }
  return { largest, sum, loss };
}

/** What softmax_xent_forward leaves for softmax_xent_backward, to float32: for running the latter alone. */
export function softmaxOf(logits: ArrayLike<number>, { B, C }: LogitsShape) {
  const { largest, sum } = softmaxXentForward(logits, new Uint32Array(B), { B, C });
  return { largest: Float32Array.from(largest.value), sum: Float32Array.from(sum.value) };
}

/**
 * dLogits = softmax(logits) - onehot(label), per sample: of the label as minus the sum of the others, where p - 1 would
 * cancel. From the logits, not from what the forward kernel has left: its roundings count here.
 */
export function softmaxXentBackward(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  { B, C }: LogitsShape,
): Bounded {
  const { value, bound } = bounded(B * C);
  for (let b = 0; b < B; b++) {
    const terms = termsOf(logits, b * C, C);
    const rest = terms.without(terms.best);
    const sum = 1 + rest.value;
    // Of the sum, its rounding to a float32, and a division of 2.5 ulp.
    const relative = rest.bound / sum + 7 * U;
    for (let c = 0; c < C; c++) {
      const own = c === labels[b];
      const above = own ? terms.without(c) : { value: terms.term[c]!, bound: terms.error[c]! };
      const p = above.value / sum;
      value[b * C + c] = own ? -p : p;
      bound[b * C + c] = (above.bound / sum) * (1 + 2 * relative) + p * relative * (1 + 2 * relative) + TINY;
    }
  }
  return { value, bound };
}
