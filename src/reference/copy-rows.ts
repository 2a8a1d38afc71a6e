import { type Bounded, exact } from './twin.ts';

/** Copies a matrix whose rows may lie further apart; what lies between those of y stays. Exact. */
export function copyRows(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  p: { rows: number; columns: number; at: number; stride: number; at_y: number; stride_y: number },
): Bounded {
  const out = Float64Array.from(y);
  for (let r = 0; r < p.rows; r++) {
    for (let c = 0; c < p.columns; c++) out[p.at_y + r * p.stride_y + c] = x[p.at + r * p.stride + c]!;
  }
  return exact(out);
}
