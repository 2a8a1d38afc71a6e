/**
 * What every float64 twin returns for a tensor its kernel writes: the value of each element, and how far a kernel
 * that computes it in float32 may be from that value.
 */
export interface Bounded {
  readonly value: Float64Array;
  readonly bound: Float64Array;
}

/** Tensors as the twins see them: floats widened to float64, integers as they are. */
export type Numbers = Float64Array | Uint32Array;

/**
 * A kernel's computation in float64: from its params and buffers (before the dispatch) to what it writes. `constants`
 * are the numbers that the shader was compiled with, for what depends on them: results that come in tiles.
 */
export type Twin<P extends string = string, B extends string = string> = (
  params: Readonly<Record<P, number>>,
  buffers: Readonly<Record<B, Numbers>>,
  constants: Readonly<Record<string, number>>,
) => Partial<Record<B, Bounded>>;

/**
 * Unit roundoff of float32: an operation rounded to nearest errs by at most this, relatively. WGSL leaves the direction
 * of rounding open; devices round to nearest, and the bounds take that for granted.
 */
export const U = 2 ** -24;

/** The smallest normal float32. Devices may flush anything smaller to zero, so no bound is tighter than this. */
export const TINY = 2 ** -126;

/**
 * gamma(k) = k u / (1 - k u): k successive float32 roundings err by at most this, relatively
 * (Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1).
 *
 * A dot product of length k, summed in any order, with or without fused multiply-add, errs by at most
 * gamma(k) sum |a||b|.
 */
export const gamma = (k: number): number => (k * U) / (1 - k * U);

/** Room for a result of n elements. */
export function bounded(n: number): Bounded {
  return { value: new Float64Array(n), bound: new Float64Array(n) };
}

/** An exact result: copied, compared, counted or masked, never rounded. */
export function exact(value: Float64Array): Bounded {
  return { value, bound: new Float64Array(value.length) };
}
