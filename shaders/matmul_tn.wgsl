// matmul_tn: C = A^T B, the gradient by a dense layer's weights: dW = X^T dZ (X is A, dZ is B, dW is C)
//   forward line: Z = X W, that is Z[b, o] = sum over i of X[b, i] * W[i, o]
//   W[i, o] reaches the loss in every sample b, with weight X[b, i]: dW[i, o] = sum over b of X[b, i] * dZ[b, o]
//   a: (K, M) f32 row-major      b: (K, N) f32 row-major      c: (M, N) f32 row-major
//   C[m, n] = sum over k of A[k, m] * B[k, n]      (A is read as it lies; nothing is transposed in memory)
//   GPU form. One workgroup makes one TILE_M x TILE_N tile of C; one thread makes a 4 x 4 block of it in registers.
//   A and B pass through workgroup memory in slices TILE_K long, both stored k-major in vec4s, so that one step
//   in k is one vec4 of A, one vec4 of B and their outer product: 2 loads for 16 multiply-adds.
//   Outside the matrices the slices hold zeros, so edges cost nothing in the inner loop and change no sum.
//   Each C[m, n] is one sum in the order k = 0, 1, ..., K - 1: the same bits on every run.
//   grid: ceil(N / TILE_N), ceil(M / TILE_M)
//   limits: 64 threads, 9 KiB of workgroup memory; TILE_* may be any multiple of 4 that keeps
//   TILE_M * TILE_N / 16 <= 256 threads and 4 * TILE_K * (TILE_M + TILE_N + 8) <= 16384 bytes
//   twin: src/reference/matmul.ts      maths: docs/03-backward.md
const TILE_M: u32 = 32u;
const TILE_N: u32 = 32u;
const TILE_K: u32 = 32u;

// A tile counted in quads, four rows or four columns; a workgroup has one thread for each 4 x 4 block.
const QUADS_M = TILE_M / 4u;
const QUADS_N = TILE_N / 4u;
const THREADS = QUADS_M * QUADS_N;
const_assert TILE_M % 4u == 0u && TILE_N % 4u == 0u;

// One vec4 of padding a step in k: threads that store neighbouring k then hit different memory banks.
const STRIDE_M = QUADS_M + 1u;
const STRIDE_N = QUADS_N + 1u;

struct Params { M: u32, K: u32, N: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

var<workgroup> slice_a: array<vec4<f32>, TILE_K * STRIDE_M>;  // [k][quad of rows of C]
var<workgroup> slice_b: array<vec4<f32>, TILE_K * STRIDE_N>;  // [k][quad of columns of C]

// A[k, m], or 0 outside: a zero adds nothing to the sum.
fn load_a(m: u32, k: u32) -> f32 {
  if (m < params.M && k < params.K) {
    return a[k * params.M + m];
  }
  return 0.0;
}

// B[k, n], or 0 outside.
fn load_b(k: u32, n: u32) -> f32 {
  if (k < params.K && n < params.N) {
    return b[k * params.N + n];
  }
  return 0.0;
}

// Four neighbours in one row of C, those that exist.
fn store_c(m: u32, n: u32, sum: vec4<f32>) {
  if (m >= params.M) {
    return;
  }
  let row = m * params.N;
  for (var j = 0u; j < 4u; j++) {
    if (n + j < params.N) {
      c[row + n + j] = sum[j];
    }
  }
}

@compute @workgroup_size(QUADS_N, QUADS_M)
fn main(
  @builtin(workgroup_id) tile: vec3<u32>,
  @builtin(local_invocation_id) thread: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let tile_m = tile.y * TILE_M;
  let tile_n = tile.x * TILE_N;

  // Row r of this thread's 4 x 4 block of C.
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();

  for (var k0 = 0u; k0 < params.K; k0 += TILE_K) {
    // Bring in A and B for k0 <= k < k0 + TILE_K; the threads share the quads out among them.
    for (var i = index; i < TILE_K * QUADS_M; i += THREADS) {
      // Neighbouring threads take neighbouring m, which is how A lies in memory.
      let k = i / QUADS_M;
      let q = i % QUADS_M;
      let m = tile_m + 4u * q;
      slice_a[k * STRIDE_M + q] = vec4<f32>(
        load_a(m, k0 + k), load_a(m + 1u, k0 + k), load_a(m + 2u, k0 + k), load_a(m + 3u, k0 + k));
    }
    for (var i = index; i < TILE_K * QUADS_N; i += THREADS) {
      // Neighbouring threads take neighbouring n, which is how B lies in memory.
      let k = i / QUADS_N;
      let q = i % QUADS_N;
      let n = tile_n + 4u * q;
      slice_b[k * STRIDE_N + q] = vec4<f32>(
        load_b(k0 + k, n), load_b(k0 + k, n + 1u), load_b(k0 + k, n + 2u), load_b(k0 + k, n + 3u));
    }
    workgroupBarrier();  // the slices are complete

    // The outer product of a column of A and a row of B, added up over k.
    for (var k = 0u; k < TILE_K; k++) {
      let x = slice_a[k * STRIDE_M + thread.y];
      let w = slice_b[k * STRIDE_N + thread.x];
      sum0 += x[0] * w;
      sum1 += x[1] * w;
      sum2 += x[2] * w;
      sum3 += x[3] * w;
    }
    workgroupBarrier();  // everybody has read them: they may be overwritten
  }

  let m = tile_m + 4u * thread.y;
  let n = tile_n + 4u * thread.x;
  store_c(m, n, sum0);
  store_c(m + 1u, n, sum1);
  store_c(m + 2u, n, sum2);
  store_c(m + 3u, n, sum3);
}
