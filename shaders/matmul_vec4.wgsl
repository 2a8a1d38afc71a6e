// matmul_vec4: C = A B, with four numbers a load and a store; a rung of the ladder above matmul_nn
//   a: (M, K) f32 row-major      b: (K, N) f32 row-major      c: (M, N) f32 row-major      K and N multiples of 4
//   C[m, n] = sum over k of A[m, k] * B[k, n], in the order k = 0, 1, ..., K - 1
//   A workgroup makes a TILE_M x TILE_N tile of C, a thread 4 x 4 elements of it. A slice of A lies in workgroup memory
//   as it does in memory, in quads along k, so that it need not be transposed on its way: four steps in k are four
//   quads of A (a row each), four of B (a k each), and 64 multiply-adds. A thread's rows are QUADS_M apart.
//   grid: ceil(N / TILE_N), ceil(M / TILE_M)
//   limits: 256 threads, 8 KiB of workgroup memory
//   twin: src/reference/matmul.ts      maths: docs/07-performance.md
const TILE_M: u32 = 64u;
const TILE_N: u32 = 64u;
const TILE_K: u32 = 16u;

// A tile counted in fours; a workgroup has one thread for each 4 x 4 elements.
const QUADS_M = TILE_M / 4u;
const QUADS_N = TILE_N / 4u;
const QUADS_K = TILE_K / 4u;
const THREADS = QUADS_M * QUADS_N;
const_assert TILE_M % 4u == 0u && TILE_N % 4u == 0u && TILE_K % 4u == 0u;

struct Params { M: u32, K: u32, N: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;  // quads of neighbouring k
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;  // quads of neighbouring n
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;  // quads of neighbouring n

var<workgroup> slice_a: array<vec4<f32>, TILE_M * QUADS_K>;  // [row of C][quad of k]
var<workgroup> slice_b: array<vec4<f32>, TILE_K * QUADS_N>;  // [k][quad of columns of C]

// Quad q of row m of A, or zeros outside: a zero adds nothing to the sum.
fn load_a(m: u32, q: u32) -> vec4<f32> {
  if (m < params.M && q < params.K / 4u) {
    return a[m * (params.K / 4u) + q];
  }
  return vec4<f32>();
}

// Quad q of row k of B, or zeros outside.
fn load_b(k: u32, q: u32) -> vec4<f32> {
  if (k < params.K && q < params.N / 4u) {
    return b[k * (params.N / 4u) + q];
  }
  return vec4<f32>();
}

// Quad q of row m of C, if it exists.
fn store_c(m: u32, q: u32, sum: vec4<f32>) {
  if (m < params.M && q < params.N / 4u) {
    c[m * (params.N / 4u) + q] = sum;
  }
}

// Four steps in k for one row: sum + x[0] w0 + x[1] w1 + x[2] w2 + x[3] w3, in this order.
fn four(sum: vec4<f32>, x: vec4<f32>, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) -> vec4<f32> {
  return sum + x[0] * w0 + x[1] * w1 + x[2] * w2 + x[3] * w3;
}

@compute @workgroup_size(QUADS_N, QUADS_M)
fn main(
  @builtin(workgroup_id) tile: vec3<u32>,
  @builtin(local_invocation_id) thread: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let tile_m = tile.y * TILE_M;
  let tile_q = tile.x * QUADS_N;  // the tile's first quad of columns

  // Row thread.y + r QUADS_M of the tile, four columns.
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();

  for (var k0 = 0u; k0 < params.K; k0 += TILE_K) {
    for (var i = index; i < TILE_M * QUADS_K; i += THREADS) {
      slice_a[i] = load_a(tile_m + i / QUADS_K, k0 / 4u + i % QUADS_K);
    }
    for (var i = index; i < TILE_K * QUADS_N; i += THREADS) {
      slice_b[i] = load_b(k0 + i / QUADS_N, tile_q + i % QUADS_N);
    }
    workgroupBarrier();  // the slices are complete

    for (var q = 0u; q < QUADS_K; q++) {
      let first = 4u * q * QUADS_N + thread.x;
      let w0 = slice_b[first];
      let w1 = slice_b[first + QUADS_N];
      let w2 = slice_b[first + 2u * QUADS_N];
      let w3 = slice_b[first + 3u * QUADS_N];
      sum0 = four(sum0, slice_a[thread.y * QUADS_K + q], w0, w1, w2, w3);
      sum1 = four(sum1, slice_a[(thread.y + QUADS_M) * QUADS_K + q], w0, w1, w2, w3);
      sum2 = four(sum2, slice_a[(thread.y + 2u * QUADS_M) * QUADS_K + q], w0, w1, w2, w3);
      sum3 = four(sum3, slice_a[(thread.y + 3u * QUADS_M) * QUADS_K + q], w0, w1, w2, w3);
    }
    workgroupBarrier();  // everybody has read them: they may be overwritten
  }

  let m = tile_m + thread.y;
  let q = tile_q + thread.x;
  store_c(m, q, sum0);
  store_c(m + QUADS_M, q, sum1);
  store_c(m + 2u * QUADS_M, q, sum2);
  store_c(m + 3u * QUADS_M, q, sum3);
}
