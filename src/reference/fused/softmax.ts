import { argmax } from '../metrics.ts';
import { type LogitsShape, log1pError, softmaxXentBackward, softmaxXentForward } from '../softmax-xent.ts';
import { type Bounded, bounded, exact, gamma, TINY, U } from '../twin.ts';

/**
 * Cross-entropy of each sample, its gradient, and 1 where it is classified correctly, from logits that are rounded
 * already. If no logit of a row is off by more than d, a term exp(logit - largest) is off by a factor of exp(2 d) at most, and
 * so is a sum of terms; a quotient of two of them, which all gradients are, by exp(2 d), too, since a factor of the largest
 * cancels. The roundings of `softmaxXentForward` and `softmaxXentBackward`, relative to such terms, grow by no more.
 */
export function softmaxXent(
  logits: Bounded,
  labels: ArrayLike<number>,
  { B, C }: LogitsShape,
): { readonly loss: Bounded; readonly dLogits: Bounded; readonly correct: Bounded } {
  const { sum, loss } = softmaxXentForward(logits.value, labels, { B, C });
  const dLogits = softmaxXentBackward(logits.value, labels, { B, C });
  const correct = exact(new Float64Array(B));
  for (let b = 0; b < B; b++) {
    const row = logits.value.subarray(b * C, (b + 1) * C);
    const off = logits.bound.subarray(b * C, (b + 1) * C);
    const y = labels[b]!;
    const most = off.reduce((a, d) => Math.max(a, d), 0);
    const grown = Math.exp(2 * most);
    const rest = sum.value[b]! - 1;
    // Where the rounding may carry the rest across to the other way to take its logarithm, that one's error counts.
    const carried = log1pError(rest, 0, grown) - log1pError(rest, 0);
    loss.bound[b] = loss.bound[b]! * grown + Math.max(carried, 0) + (most + off[y]!) * (1 + 20 * U);
    for (let c = 0; c < C; c++) {
      const i = b * C + c;
      dLogits.bound[i] =
        dLogits.bound[i]! * grown + Math.abs(dLogits.value[i]!) * Math.expm1(2 * most) + TINY;
    }
    // The first of the largest; where rounding may tip it, either.
    const others = row.map((z, c) => (c === y ? Number.NEGATIVE_INFINITY : z + off[c]!));
    const sure = row[y]! - off[y]! > others.reduce((a, z) => Math.max(a, z), Number.NEGATIVE_INFINITY);
    const never = row.some((z, c) => c !== y && z - off[c]! > row[y]! + off[y]!);
    correct.value[b] = argmax(row, 0, C) === y ? 1 : 0;
    if (most > 0 && !sure && !never) correct.bound[b] = 1;
  }
  return { loss, dLogits, correct };
}

/** The sums of rows `from` to `to` of what is rounded: a loss, a count. */
export function sumOf({ value, bound }: Bounded, from: number, to: number): { value: number; bound: number } {
  let [sum, size, off] = [0, 0, 0];
  for (let i = from; i < to; i++) {
    sum += value[i]!;
    size += Math.abs(value[i]!) + bound[i]!;
    off += bound[i]!;
  }
  return { value: sum, bound: off + gamma(to - from) * size + (to - from) * TINY };
}

/** The bits of the nearest float32, as an unsigned integer. */
export const bitsOf = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0]!;

/**
 * A loss as the word that it is kept in: the bits of a float32. Of positive floats these count up with the numbers, so that a
 * bound on the loss is one on its bits: how many floats lie between. Above all of them, by their sign bit, lie those of the
 * negative ones, into which a loss of nearly 0 may be rounded. What is not finite has no bits to speak of: any do.
 */
export function lossWord({ value, bound }: { value: number; bound: number }): {
  value: number;
  bound: number;
} {
  const word = bitsOf(value);
  if (!Number.isFinite(value + bound)) return { value: word, bound: Number.POSITIVE_INFINITY };
  const ends = [value - bound, value + bound, ...(value - bound < 0 ? [0] : [])].map(bitsOf);
  return { value: word, bound: Math.max(...ends.map((end) => Math.abs(end - word))) };
}

/** The mean over the batch of a sum: a division of 2.5 ulp. */
export const meanOf = ({ value, bound }: { value: number; bound: number }, B: number) => ({
  value: value / B,
  bound: bound / B + gamma(5) * ((Math.abs(value) + bound) / B) + TINY,
});

/** A single rounded number, as an array. */
export const single = (x: { value: number; bound: number }): Bounded => {
  const out = bounded(1);
  out.value[0] = x.value;
  out.bound[0] = x.bound;
  return out;
};
