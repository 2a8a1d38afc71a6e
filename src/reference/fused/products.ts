import type { ProductShape } from '../matmul.ts';
import { type Bounded, bounded, gamma, TINY } from '../twin.ts';

/** How element (m, k) of the left factor is found. */
interface Strides {
  readonly aRow: number;
  readonly aK: number;
}

/**
 * C[m, n] = sum_k A[m, k] B[k, n] of factors that are themselves rounded: a device has a and b off by da and db, so that
 *
 *   |error| <= sum_k (da (|b| + db) + |a| db) + gamma(K + 1) sum_k (|a| + da) (|b| + db),
 *
 * in whatever order, and in however many groups, it sums. TINY for each product that may be flushed to zero.
 */
function product(a: Bounded, b: Bounded, { M, K, N }: ProductShape, { aRow, aK }: Strides): Bounded {
  const { value, bound } = bounded(M * N);
  const rounding = gamma(K + 1);
  const size = b.value.map((x, i) => Math.abs(x) + b.bound[i]!);
  const exactB = b.bound.every((x) => x === 0);
  for (let m = 0; m < M; m++) {
    const row = m * N;
    // k outside, columns inside: the order that runs through both matrices fastest here.
    for (let k = 0; k < K; k++) {
      const left = a.value[m * aRow + k * aK]!;
      const off = a.bound[m * aRow + k * aK]!;
      // A pixel of the background, a unit that is off, another label.
      if (left === 0 && off === 0) continue;
      const bySize = off + rounding * (Math.abs(left) + off);
      const from = k * N;
      if (exactB) {
        for (let n = 0; n < N; n++) {
          value[row + n]! += left * b.value[from + n]!;
          bound[row + n]! += bySize * size[from + n]!;
        }
      } else {
        const byBound = Math.abs(left);
        for (let n = 0; n < N; n++) {
          value[row + n]! += left * b.value[from + n]!;
          bound[row + n]! += bySize * size[from + n]! + byBound * b.bound[from + n]!;
        }
      }
    }
  }
  for (let i = 0; i < bound.length; i++) bound[i]! += K * TINY;
  return { value, bound };
}

/** A B, for A (M, K) and B (K, N). */
export const times = (a: Bounded, b: Bounded, shape: ProductShape): Bounded =>
  product(a, b, shape, { aRow: shape.K, aK: 1 });

/** A^T B, for A (K, M) and B (K, N). */
export const transposedTimes = (a: Bounded, b: Bounded, shape: ProductShape): Bounded =>
  product(a, b, shape, { aRow: 1, aK: shape.M });

/** The transpose of a (rows, columns) matrix. */
export function transposed(x: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = x[r * columns + c]!;
  return out;
}

/** Where the i-th element of a matrix of so many columns lies, if its rows are `stride` long. */
export const rowPlace = (i: number, columns: number, stride: number): number =>
  Math.floor(i / columns) * stride + (i % columns);

/** A matrix of so many columns with zeros behind each row, up to `stride` elements. */
export function padded(x: Bounded, columns: number, stride: number): Bounded {
  const out = bounded((x.value.length / columns) * stride);
  for (let i = 0; i < x.value.length; i++) {
    out.value[rowPlace(i, columns, stride)] = x.value[i]!;
    out.bound[rowPlace(i, columns, stride)] = x.bound[i]!;
  }
  return out;
}

/** A (rows, columns) matrix with more columns behind its own; what they hold is exact. */
export function withColumns(x: Bounded, rows: number, more: (row: number) => readonly number[]): Bounded {
  const columns = x.value.length / rows;
  const added = Array.from({ length: rows }, (_, r) => more(r));
  const wide = columns + (added[0]?.length ?? 0);
  const out = bounded(rows * wide);
  for (let r = 0; r < rows; r++) {
    out.value.set(x.value.subarray(r * columns, (r + 1) * columns), r * wide);
    out.bound.set(x.bound.subarray(r * columns, (r + 1) * columns), r * wide);
    out.value.set(added[r]!, r * wide + columns);
  }
  return out;
}
