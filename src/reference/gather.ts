import { type Bounded, bounded, exact, TINY, U } from './twin.ts';

/** Byte i of an array of little-endian 32-bit words. */
const byteOf = (words: ArrayLike<number>, i: number): number => (words[i >> 2]! >>> (8 * (i & 3))) & 0xff;

/**
 * x[b, i] = scale * byte i of sample rows[step, b], where a sample is `words` 32-bit words long.
 * One rounding, of the product.
 */
export function gatherBytes(
  bytes: ArrayLike<number>,
  rows: ArrayLike<number>,
  step: number,
  { B, I, words, scale }: { B: number; I: number; words: number; scale: number },
): Bounded {
  const { value, bound } = bounded(B * I);
  for (let b = 0; b < B; b++) {
    const sample = rows[step * B + b]!;
    for (let i = 0; i < I; i++) {
      value[b * I + i] = scale * byteOf(bytes, 4 * sample * words + i);
      bound[b * I + i] = U * Math.abs(value[b * I + i]!) + TINY;
    }
  }
  return { value, bound };
}

/** x[b, i] = scale * values[rows[step, b], i]. */
export function gatherFloats(
  values: ArrayLike<number>,
  rows: ArrayLike<number>,
  step: number,
  { B, I, scale }: { B: number; I: number; scale: number },
): Bounded {
  const { value, bound } = bounded(B * I);
  for (let b = 0; b < B; b++) {
    for (let i = 0; i < I; i++) {
      value[b * I + i] = scale * values[rows[step * B + b]! * I + i]!;
      bound[b * I + i] = U * Math.abs(value[b * I + i]!) + TINY;
    }
  }
  return { value, bound };
}

/** y[b] = label of sample rows[step, b]; four labels lie in one 32-bit word. */
export function gatherLabels(
  labels: ArrayLike<number>,
  rows: ArrayLike<number>,
  step: number,
  { B }: { B: number },
): Bounded {
  return exact(Float64Array.from({ length: B }, (_, b) => byteOf(labels, rows[step * B + b]!)));
}
