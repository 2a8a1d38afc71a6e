// matmul_naive: C = A B, one invocation an element; the ladder's first rung, to compare with and not to train with
//   a: (M, K) f32 row-major      b: (K, N) f32 row-major      c: (M, N) f32 row-major
//   C[m, n] = sum over k of A[m, k] * B[k, n], in the order k = 0, 1, ..., K - 1
//   Two loads from memory for each multiply-add. Neighbouring invocations have neighbouring n: they read the same
//   element of A, and neighbours in a row of B.
//   grid: ceil(N / COLS), ceil(M / ROWS)
//   twin: src/reference/matmul.ts      maths: docs/07-performance.md
const COLS: u32 = 32u;
const ROWS: u32 = 8u;

struct Params { M: u32, K: u32, N: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(COLS, ROWS)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
  let n = at.x;
  let m = at.y;
  if (m >= params.M || n >= params.N) { return; }
  var sum = 0.0;
  for (var k = 0u; k < params.K; k++) {
    sum += a[m * params.K + k] * b[k * params.N + n];
  }
  c[m * params.N + n] = sum;
}
