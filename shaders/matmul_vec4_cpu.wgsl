// matmul_vec4_cpu: C = A B, with four numbers a load and a store; the ladder's rung above matmul_nn_cpu
//   a: (M, K) f32 row-major      b: (K, N) f32 row-major      c: (M, N) f32 row-major      K and N multiples of 4
//   C[m, n] = sum over k of A[m, k] * B[k, n], in the order k = 0, 1, ..., K - 1
//   CPU form, for drivers that run on the processor: no workgroup memory, no barrier. There a load costs its address
//   and a test against the buffer's end, however few numbers it brings; here one of A brings four steps in k.
//   One workgroup makes ROWS rows by COLS columns of C; a lane has two quads of columns, 4 LANES columns apart.
//   Past an edge a lane works on a copy of the last row or quad (no read is out of bounds) and stores nothing.
//   grid: ceil(N / COLS), ceil(M / ROWS)
//   twin: src/reference/matmul.ts      maths: docs/07-performance.md
const LANES: u32 = 8u;
const ROWS: u32 = 4u;
const COLS: u32 = 64u;
// The code below spells these numbers out: changing one line alone is an error, not a wrong result.
const_assert ROWS == 4u && COLS == 8u * LANES;

struct Params { M: u32, K: u32, N: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;  // quads of neighbouring k
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;  // quads of neighbouring n
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;  // quads of neighbouring n

// Quad q of row m of C, if it exists.
fn store_c(m: u32, q: u32, sum: vec4<f32>) {
  if (m < params.M && q < params.N / 4u) {
    c[m * (params.N / 4u) + q] = sum;
  }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let quads_k = params.K / 4u;
  let quads_n = params.N / 4u;

  // Where the rows of A begin, the last one repeated past the edge.
  let m = tile.y * ROWS;
  let last = params.M - 1u;
  let row0 = min(m, last) * quads_k;
  let row1 = min(m + 1u, last) * quads_k;
  let row2 = min(m + 2u, last) * quads_k;
  let row3 = min(m + 3u, last) * quads_k;
  // This lane's two quads of columns, likewise.
  let q = tile.x * (COLS / 4u) + lane;
  let left = min(q, quads_n - 1u);
  let right = min(q + LANES, quads_n - 1u);

  // Row r: the left quad (l) and the right one (r).
  var l0 = vec4<f32>();  var r0 = vec4<f32>();
  var l1 = vec4<f32>();  var r1 = vec4<f32>();
  var l2 = vec4<f32>();  var r2 = vec4<f32>();
  var l3 = vec4<f32>();  var r3 = vec4<f32>();

  for (var k = 0u; k < quads_k; k++) {
    let x0 = a[row0 + k];
    let x1 = a[row1 + k];
    let x2 = a[row2 + k];
    let x3 = a[row3 + k];
    let u0 = b[4u * k * quads_n + left];
    let v0 = b[4u * k * quads_n + right];
    l0 += x0[0] * u0;  r0 += x0[0] * v0;
    l1 += x1[0] * u0;  r1 += x1[0] * v0;
    l2 += x2[0] * u0;  r2 += x2[0] * v0;
    l3 += x3[0] * u0;  r3 += x3[0] * v0;
    let u1 = b[(4u * k + 1u) * quads_n + left];
    let v1 = b[(4u * k + 1u) * quads_n + right];
    l0 += x0[1] * u1;  r0 += x0[1] * v1;
    l1 += x1[1] * u1;  r1 += x1[1] * v1;
    l2 += x2[1] * u1;  r2 += x2[1] * v1;
    l3 += x3[1] * u1;  r3 += x3[1] * v1;
    let u2 = b[(4u * k + 2u) * quads_n + left];
    let v2 = b[(4u * k + 2u) * quads_n + right];
    l0 += x0[2] * u2;  r0 += x0[2] * v2;
    l1 += x1[2] * u2;  r1 += x1[2] * v2;
    l2 += x2[2] * u2;  r2 += x2[2] * v2;
    l3 += x3[2] * u2;  r3 += x3[2] * v2;
    let u3 = b[(4u * k + 3u) * quads_n + left];
    let v3 = b[(4u * k + 3u) * quads_n + right];
    l0 += x0[3] * u3;  r0 += x0[3] * v3;
    l1 += x1[3] * u3;  r1 += x1[3] * v3;
    l2 += x2[3] * u3;  r2 += x2[3] * v3;
    l3 += x3[3] * u3;  r3 += x3[3] * v3;
  }

  store_c(m, q, l0);  store_c(m, q + LANES, r0);
  store_c(m + 1u, q, l1);  store_c(m + 1u, q + LANES, r1);
  store_c(m + 2u, q, l2);  store_c(m + 2u, q + LANES, r2);
  store_c(m + 3u, q, l3);  store_c(m + 3u, q + LANES, r3);
}
