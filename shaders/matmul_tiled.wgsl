// matmul_tiled: C = A B through workgroup memory; the ladder's second rung
//   a: (M, K) f32 row-major      b: (K, N) f32 row-major      c: (M, N) f32 row-major
//   C[m, n] = sum over k of A[m, k] * B[k, n], in the order k = 0, 1, ..., K - 1
//   A workgroup makes a TILE x TILE tile of C, one thread an element, from TILE x TILE tiles of A and B that its
//   threads bring in together: each number is loaded once for TILE uses. Outside the matrices the tiles hold zeros.
//   grid: ceil(N / TILE), ceil(M / TILE)
//   twin: src/reference/matmul.ts      maths: docs/07-performance.md
const TILE: u32 = 16u;

struct Params { M: u32, K: u32, N: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

var<workgroup> tile_a: array<f32, TILE * TILE>;  // [row of C][k]
var<workgroup> tile_b: array<f32, TILE * TILE>;  // [k][column of C]

@compute @workgroup_size(TILE, TILE)
fn main(
  @builtin(global_invocation_id) at: vec3<u32>,
  @builtin(local_invocation_id) thread: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let n = at.x;
  let m = at.y;
  var sum = 0.0;
  for (var k0 = 0u; k0 < params.K; k0 += TILE) {
    // One element of each tile a thread. Nobody returns early: everybody is needed at the barriers.
    let k_a = k0 + thread.x;
    let k_b = k0 + thread.y;
    tile_a[index] = 0.0;
    tile_b[index] = 0.0;
    if (m < params.M && k_a < params.K) { tile_a[index] = a[m * params.K + k_a]; }
    if (k_b < params.K && n < params.N) { tile_b[index] = b[k_b * params.N + n]; }
    workgroupBarrier();  // the tiles are complete
    for (var k = 0u; k < TILE; k++) {
      sum += tile_a[thread.y * TILE + k] * tile_b[k * TILE + thread.x];
    }
    workgroupBarrier();  // everybody has read them: they may be overwritten
  }
  if (m < params.M && n < params.N) {
    c[m * params.N + n] = sum;
  }
}
