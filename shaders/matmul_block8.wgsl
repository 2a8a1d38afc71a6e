// matmul_block8: C = A B, with 8 x 8 elements a thread; a rung of the ladder above matmul_vec4
//   a: (M, K) f32 row-major      b: (K, N) f32 row-major      c: (M, N) f32 row-major      K and N multiples of 4
//   C[m, n] = sum over k of A[m, k] * B[k, n], in the order k = 0, 1, ..., K - 1
//   As matmul_vec4, with a 128 x 128 tile of C for 256 threads. Four steps in k are 16 quads out of workgroup memory
//   for 256 multiply-adds, where 4 x 4 elements take 8 for 64: half as many for each. A thread's 8 rows are 16 apart
//   and its two quads of columns 64, so that neighbouring threads read neighbouring quads.
//   grid: ceil(N / TILE_N), ceil(M / TILE_M)
//   limits: 256 threads, 8 KiB of workgroup memory; for products of many such tiles
//   twin: src/reference/matmul.ts      maths: docs/07-performance.md
// The code below spells these numbers out: changing one line alone is an error, not a wrong result.
const TILE_M: u32 = 128u;
const TILE_N: u32 = 128u;
const TILE_K: u32 = 8u;
const_assert TILE_M == 128u && TILE_N == 128u && TILE_K == 8u;

struct Params { M: u32, K: u32, N: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;  // quads of neighbouring k
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;  // quads of neighbouring n
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;  // quads of neighbouring n

var<workgroup> slice_a: array<vec4<f32>, 256>;  // [row of C][quad of k], 128 x 2
var<workgroup> slice_b: array<vec4<f32>, 256>;  // [k][quad of columns of C], 8 x 32

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

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) tile: vec3<u32>,
  @builtin(local_invocation_id) thread: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let tile_m = tile.y * TILE_M;
  let tile_q = tile.x * 32u;  // the tile's first quad of columns

  // Row thread.y + 16 r of the tile: a quad of columns in its left half (l) and one in its right half (r).
  var l0 = vec4<f32>();  var r0 = vec4<f32>();
  var l1 = vec4<f32>();  var r1 = vec4<f32>();
  var l2 = vec4<f32>();  var r2 = vec4<f32>();
  var l3 = vec4<f32>();  var r3 = vec4<f32>();
  var l4 = vec4<f32>();  var r4 = vec4<f32>();
  var l5 = vec4<f32>();  var r5 = vec4<f32>();
  var l6 = vec4<f32>();  var r6 = vec4<f32>();
  var l7 = vec4<f32>();  var r7 = vec4<f32>();

  for (var k0 = 0u; k0 < params.K; k0 += TILE_K) {
    // One quad of each slice a thread.
    slice_a[index] = load_a(tile_m + index / 2u, k0 / 4u + index % 2u);
    slice_b[index] = load_b(k0 + index / 32u, tile_q + index % 32u);
    workgroupBarrier();  // the slices are complete
    for (var q = 0u; q < 2u; q++) {
      // Four steps in k: the left quad of four rows of B, and the right one.
      let first = 128u * q + thread.x;
      let u0 = slice_b[first];        let v0 = slice_b[first + 16u];
      let u1 = slice_b[first + 32u];  let v1 = slice_b[first + 48u];
      let u2 = slice_b[first + 64u];  let v2 = slice_b[first + 80u];
      let u3 = slice_b[first + 96u];  let v3 = slice_b[first + 112u];
      // Then a row of A after the other, 32 rows of quads apart.
      let row = 2u * thread.y + q;
      var x = slice_a[row];
      l0 = four(l0, x, u0, u1, u2, u3);  r0 = four(r0, x, v0, v1, v2, v3);
      x = slice_a[row + 32u];
      l1 = four(l1, x, u0, u1, u2, u3);  r1 = four(r1, x, v0, v1, v2, v3);
      x = slice_a[row + 64u];
      l2 = four(l2, x, u0, u1, u2, u3);  r2 = four(r2, x, v0, v1, v2, v3);
      x = slice_a[row + 96u];
      l3 = four(l3, x, u0, u1, u2, u3);  r3 = four(r3, x, v0, v1, v2, v3);
      x = slice_a[row + 128u];
      l4 = four(l4, x, u0, u1, u2, u3);  r4 = four(r4, x, v0, v1, v2, v3);
      x = slice_a[row + 160u];
      l5 = four(l5, x, u0, u1, u2, u3);  r5 = four(r5, x, v0, v1, v2, v3);
      x = slice_a[row + 192u];
      l6 = four(l6, x, u0, u1, u2, u3);  r6 = four(r6, x, v0, v1, v2, v3);
      x = slice_a[row + 224u];
      l7 = four(l7, x, u0, u1, u2, u3);  r7 = four(r7, x, v0, v1, v2, v3);
    }
    workgroupBarrier();  // everybody has read them: they may be overwritten
  }

  let m = tile_m + thread.y;
  let q = tile_q + thread.x;
  store_c(m, q, l0);  store_c(m, q + 16u, r0);
  store_c(m + 16u, q, l1);  store_c(m + 16u, q + 16u, r1);
  store_c(m + 32u, q, l2);  store_c(m + 32u, q + 16u, r2);
  store_c(m + 48u, q, l3);  store_c(m + 48u, q + 16u, r3);
  store_c(m + 64u, q, l4);  store_c(m + 64u, q + 16u, r4);
  store_c(m + 80u, q, l5);  store_c(m + 80u, q + 16u, r5);
  store_c(m + 96u, q, l6);  store_c(m + 96u, q + 16u, r6);
  store_c(m + 112u, q, l7);  store_c(m + 112u, q + 16u, r7);
}
