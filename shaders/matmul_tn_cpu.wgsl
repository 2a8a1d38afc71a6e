// matmul_tn_cpu: C = A^T B, the gradient by a dense layer's weights: dW = X^T dZ (X is A, dZ is B, dW is C)
//   forward line: Z = X W, that is Z[b, o] = sum over i of X[b, i] * W[i, o]
//   W[i, o] reaches the loss in every sample b, with weight X[b, i]: dW[i, o] = sum over b of X[b, i] * dZ[b, o]
//   a: (K, M) f32 row-major      b: (K, N) f32 row-major      c: (M, N) f32 row-major
//   C[m, n] = sum over k of A[k, m] * B[k, n]      (A is read as it lies; nothing is transposed in memory)
//   CPU form, for drivers that run on the processor: no workgroup memory, no barrier. One workgroup makes ROWS rows
//   by COLS columns of C; each of its LANES lanes owns 4 neighbouring columns and keeps ROWS x 4 sums in registers.
//   The rows come from workgroup_id alone, so an element of A is one load for all lanes; a quad of B is loaded
//   once for ROWS rows.
//   Past an edge a lane works on a copy of the last row or column (no read is out of bounds) and stores nothing.
//   k goes in pairs, with each pair added up first: sum += (p(k) + p(k + 1)). The order is fixed: the same bits on
//   every run. The ROWS sums are named variables because SwiftShader is 5 times slower on an array.
//   grid: ceil(N / COLS), ceil(M / ROWS)
//   twin: src/reference/matmul.ts      maths: docs/03-backward.md
const LANES: u32 = 8u;
const ROWS: u32 = 8u;
const COLS: u32 = 32u;
// The code below spells these numbers out: changing one line alone is an error, not a wrong result.
const_assert ROWS == 8u && COLS == 4u * LANES;

struct Params { M: u32, K: u32, N: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

// B[k, n] for this lane's 4 values of n.
fn load_b(k: u32, n: vec4<u32>) -> vec4<f32> {
  let row = k * params.N;
  return vec4<f32>(b[row + n[0]], b[row + n[1]], b[row + n[2]], b[row + n[3]]);
}

// C[m, n .. n + 3], those that exist.
fn store_c(m: u32, n: u32, sum: vec4<f32>) {
  if (m >= params.M) {
    return;
  }
  let row = m * params.N;
  if (n < params.N) { c[row + n] = sum[0]; }
  if (n + 1u < params.N) { c[row + n + 1u] = sum[1]; }
  if (n + 2u < params.N) { c[row + n + 2u] = sum[2]; }
  if (n + 3u < params.N) { c[row + n + 3u] = sum[3]; }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let K = params.K;
  let M = params.M;
  let m = tile.y * ROWS;
  let n = tile.x * COLS + 4u * lane;

  // The columns of A that make these rows of C, the last one repeated past the edge.
  let last = M - 1u;
  let m0 = min(m, last);
  let m1 = min(m + 1u, last);
  let m2 = min(m + 2u, last);
  let m3 = min(m + 3u, last);
  let m4 = min(m + 4u, last);
  let m5 = min(m + 5u, last);
  let m6 = min(m + 6u, last);
  let m7 = min(m + 7u, last);
  // This lane's 4 columns of B, likewise.
  let cols = min(vec4<u32>(n, n + 1u, n + 2u, n + 3u), vec4<u32>(params.N - 1u));

  // sum_r = C[m + r, n .. n + 3]
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();
  var sum4 = vec4<f32>();
  var sum5 = vec4<f32>();
  var sum6 = vec4<f32>();
  var sum7 = vec4<f32>();

  // C[m, n] += A[k, m] B[k, n] + A[k + 1, m] B[k + 1, n]
  var k = 0u;
  for (; k + 1u < K; k += 2u) {
    let w0 = load_b(k, cols);
    let w1 = load_b(k + 1u, cols);
    let row0 = k * M;  // where rows k and k + 1 of A begin
    let row1 = row0 + M;
    sum0 += a[row0 + m0] * w0 + a[row1 + m0] * w1;
    sum1 += a[row0 + m1] * w0 + a[row1 + m1] * w1;
    sum2 += a[row0 + m2] * w0 + a[row1 + m2] * w1;
    sum3 += a[row0 + m3] * w0 + a[row1 + m3] * w1;
    sum4 += a[row0 + m4] * w0 + a[row1 + m4] * w1;
    sum5 += a[row0 + m5] * w0 + a[row1 + m5] * w1;
    sum6 += a[row0 + m6] * w0 + a[row1 + m6] * w1;
    sum7 += a[row0 + m7] * w0 + a[row1 + m7] * w1;
  }
  // The last k of an odd number.
  if (k < K) {
    let w0 = load_b(k, cols);
    let row0 = k * M;
    sum0 += a[row0 + m0] * w0;
    sum1 += a[row0 + m1] * w0;
    sum2 += a[row0 + m2] * w0;
    sum3 += a[row0 + m3] * w0;
    sum4 += a[row0 + m4] * w0;
    sum5 += a[row0 + m5] * w0;
    sum6 += a[row0 + m6] * w0;
    sum7 += a[row0 + m7] * w0;
  }

  store_c(m, n, sum0);
  store_c(m + 1u, n, sum1);
  store_c(m + 2u, n, sum2);
  store_c(m + 3u, n, sum3);
  store_c(m + 4u, n, sum4);
  store_c(m + 5u, n, sum5);
  store_c(m + 6u, n, sum6);
  store_c(m + 7u, n, sum7);
}
