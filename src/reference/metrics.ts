import { type Bounded, bounded, exact, gamma, TINY } from './twin.ts';

/** `losses` with row `step` replaced by the mean of the samples' losses. */
export function lossMean(loss: ArrayLike<number>, step: number, losses: ArrayLike<number>): Bounded {
  const out = { value: Float64Array.from(losses), bound: bounded(losses.length).bound };
  const B = loss.length;
  let sum = 0;
  let size = 0;
  for (let b = 0; b < B; b++) {
    sum += loss[b]!;
    size += Math.abs(loss[b]!);
  }
  out.value[step] = sum / B;
  // A sum of B numbers, and a division of 2.5 ulp.
  out.bound[step] = (gamma(B + 5) * size) / B + B * TINY;
  return out;
}

/** Index of the largest of a row's numbers; of equal ones the first. */
export function argmax(row: ArrayLike<number>, start: number, length: number): number {
  let best = 0;
  for (let c = 1; c < length; c++) if (row[start + c]! > row[start + best]!) best = c;
  return best;
}

/**
 * `correct` with row `step` replaced by the number of samples whose largest logit is their label's. One with a logit that is not
 * finite counts as wrong.
 */
export function correctCount(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  step: number,
  correct: ArrayLike<number>,
  { B, C }: { B: number; C: number },
): Bounded {
  const value = Float64Array.from(correct);
  value[step] = 0;
  for (let b = 0; b < B; b++) {
    let whole = true;
    for (let c = 0; c < C; c++) whole &&= Number.isFinite(logits[b * C + c]!);
    if (whole && argmax(logits, b * C, C) === labels[b]) value[step]!++;
  }
  return exact(value);
}

/** 1 if a number is not finite, else what the flag was. */
export function finiteFlag(x: ArrayLike<number>, flag: number): Bounded {
  let raised = flag;
  for (let i = 0; i < x.length; i++) if (!Number.isFinite(x[i]!)) raised = 1;
  return exact(Float64Array.of(raised));
}

/** The counter after a step: one on, unless the flag is up. */
export function stepAdvance(flag: number, step: number): Bounded {
  return exact(Float64Array.of(flag === 0 ? step + 1 : step));
}
