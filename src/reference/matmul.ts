import { type Bounded, bounded, gamma, TINY } from './twin.ts';

/** Sizes of a matrix product: the result is (M, N), K is summed over. */
export interface ProductShape {
  readonly M: number;
  readonly K: number;
  readonly N: number;
}

/** How element (row, k) of the left factor and element (k, column) of the right one are found. */
interface Strides {
  readonly aRow: number;
  readonly aK: number;
  readonly bK: number;
  readonly bColumn: number;
}

/**
 * C[r, c] = sum_k A[r, k] B[k, c] for any layout of A and B, with the bound gamma(K) sum_k |A[r, k]| |B[k, c]|.
 * TINY for each term: a device may flush a product that is not normal to zero.
 */
function product(a: ArrayLike<number>, b: ArrayLike<number>, { M, K, N }: ProductShape, s: Strides): Bounded {
  const { value, bound } = bounded(M * N);
  const factor = gamma(K + 1);
  for (let r = 0; r < M; r++) {
    // k outside, columns inside: the order that runs through both matrices fastest here.
    for (let k = 0; k < K; k++) {
      const left = a[r * s.aRow + k * s.aK]!;
      const size = Math.abs(left);
      for (let c = 0; c < N; c++) {
        const right = b[k * s.bK + c * s.bColumn]!;
        value[r * N + c]! += left * right;
        bound[r * N + c]! += size * Math.abs(right);
      }
    }
  }
  for (let i = 0; i < bound.length; i++) bound[i] = factor * bound[i]! + K * TINY;
  return { value, bound };
}

/** C = A B, for A (M, K) and B (K, N). The forward product Z = X W. */
export function matmulNN(a: ArrayLike<number>, b: ArrayLike<number>, shape: ProductShape): Bounded {
  return product(a, b, shape, { aRow: shape.K, aK: 1, bK: shape.N, bColumn: 1 });
}

/** C = A B^T, for A (M, K) and B (N, K). The gradient of a product's left factor: dX = dZ W^T. */
export function matmulNT(a: ArrayLike<number>, b: ArrayLike<number>, shape: ProductShape): Bounded {
  return product(a, b, shape, { aRow: shape.K, aK: 1, bK: 1, bColumn: shape.K });
}

/** C = A^T B, for A (K, M) and B (K, N). The gradient of a product's right factor: dW = X^T dZ. */
export function matmulTN(a: ArrayLike<number>, b: ArrayLike<number>, shape: ProductShape): Bounded {
  return product(a, b, shape, { aRow: 1, aK: shape.M, bK: shape.N, bColumn: 1 });
}
