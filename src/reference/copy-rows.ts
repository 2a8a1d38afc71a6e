import { type Bounded, exact } from './twin.ts';

/** Copies a matrix whose rows may lie further apart; what lies between those of y stays. Exact. */
export function copyRows(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  p: { rows: number; columns: number; x_at: number; x_stride: number; y_at: number; y_stride: number },
): Bounded {
  const out = Float64Array.from(y);
  for (let r = 0; r < p.rows; r++) {
    for (let c = 0; c < p.columns; c++) out[p.y_at + r * p.y_stride + c] = x[p.x_at + r * p.x_stride + c]!;
  }
  return exact(out);
}
