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

/** lse[b] = log sum_c exp(logits[b, c]) and loss[b] = lse[b] - logits[b, label[b]], the cross-entropy. */
export function softmaxXentForward(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  { B, C }: LogitsShape,
): { lse: Bounded; loss: Bounded } {
  const lse = bounded(B);
  const loss = bounded(B);
  for (let b = 0; b < B; b++) {
    let max = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < C; c++) max = Math.max(max, logits[b * C + c]!);
    let sum = 0;
    let dSum = 0;
    for (let c = 0; c < C; c++) {
      const d = logits[b * C + c]! - max;
      sum += Math.exp(d);
      // exp's own error, and the rounding of the difference, which exp passes on as a relative error of U |d|.
      dSum += Math.exp(d) * (expError(d) + U * Math.abs(d)) + TINY;
    }
    dSum += gamma(C) * sum;
    const log = Math.log(sum);
    lse.value[b] = max + log;
    lse.bound[b] = dSum / sum + logError(sum) + 2 * U * (Math.abs(max) + Math.abs(log)) + TINY;
    const z = logits[b * C + labels[b]!]!;
    loss.value[b] = lse.value[b]! - z;
    loss.bound[b] = lse.bound[b]! + 2 * U * (Math.abs(lse.value[b]!) + Math.abs(z));
  }
  return { lse, loss };
}

/** dLogits = softmax(logits) - onehot(label), per sample, from the log-sum-exp of the forward kernel. */
export function softmaxXentBackward(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  lse: ArrayLike<number>,
  { B, C }: LogitsShape,
): Bounded {
  const { value, bound } = bounded(B * C);
  for (let i = 0; i < B * C; i++) {
    const b = Math.floor(i / C);
    const d = logits[i]! - lse[b]!;
    const probability = Math.exp(d);
    value[i] = probability - (i % C === labels[b] ? 1 : 0);
    bound[i] = probability * (expError(d) + U * Math.abs(d)) + 2 * U * Math.abs(value[i]!) + TINY;
  }
  return { value, bound };
}
