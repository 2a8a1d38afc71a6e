// matmul_split: C = A B, with the sum over k split among a workgroup's threads; the ladder's rung for small products
//   a: (M, K) f32 row-major      b: (K, N) f32 row-major      c: (M, N) f32 row-major      K and N multiples of 4
//   C[m, n] = sum over k of A[m, k] * B[k, n]
//   A product of few tiles leaves most of a GPU idle, and what works waits for memory. Here SPLIT teams of 64 threads
//   share a 32 x 32 tile: team t takes the slices t, t + SPLIT, ... of TILE_K steps in k, so that SPLIT times as many
//   loads are under way and each chain of sums is SPLIT times shorter. Then the teams' sums are added, in their order.
//   Each C[m, n] is summed in a fixed order: the same bits on every run.
//   grid: ceil(N / TILE_N), ceil(M / TILE_M)
//   limits: 256 threads, 16 KiB of workgroup memory, all that every device has
//   twin: src/reference/matmul.ts      maths: docs/07-performance.md
// The code below spells these numbers out: changing one line alone is an error, not a wrong result.
const TILE_M: u32 = 32u;
const TILE_N: u32 = 32u;
const TILE_K: u32 = 16u;
const SPLIT: u32 = 4u;
const_assert TILE_M == 32u && TILE_N == 32u && TILE_K == 16u && SPLIT == 4u;

struct Params { M: u32, K: u32, N: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;  // quads of neighbouring k
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;  // quads of neighbouring n
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;  // quads of neighbouring n

// Each team's slices, 128 quads of A as [row of C][quad of k] and 128 of B as [k][quad of columns of C]; after the last
// slice, each team's 256 quads of C.
var<workgroup> shared_quads: array<vec4<f32>, 1024>;

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

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let tile_m = tile.y * TILE_M;
  let tile_q = tile.x * 8u;  // the tile's first quad of columns
  let team = index / 64u;
  let member = index % 64u;
  let x = member % 8u;
  let y = member / 8u;
  let slice_a = 256u * team;
  let slice_b = slice_a + 128u;

  // Row y + 8 r of the tile, four columns: this team's share of their sums.
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();

  // As many rounds for every team, since all meet at the barriers; behind K the slices hold zeros.
  for (var begin = 0u; begin < params.K; begin += SPLIT * TILE_K) {
    let k0 = begin + team * TILE_K;
    for (var i = member; i < 128u; i += 64u) {
      shared_quads[slice_a + i] = load_a(tile_m + i / 4u, k0 / 4u + i % 4u);
      shared_quads[slice_b + i] = load_b(k0 + i / 8u, tile_q + i % 8u);
    }
    workgroupBarrier();  // the slices are complete
    for (var q = 0u; q < 4u; q++) {
      let first = slice_b + 32u * q + x;
      let w0 = shared_quads[first];
      let w1 = shared_quads[first + 8u];
      let w2 = shared_quads[first + 16u];
      let w3 = shared_quads[first + 24u];
      let row = slice_a + 4u * y + q;
      sum0 = four(sum0, shared_quads[row], w0, w1, w2, w3);
      sum1 = four(sum1, shared_quads[row + 32u], w0, w1, w2, w3);
      sum2 = four(sum2, shared_quads[row + 64u], w0, w1, w2, w3);
      sum3 = four(sum3, shared_quads[row + 96u], w0, w1, w2, w3);
    }
    workgroupBarrier();  // everybody has read them: they may be overwritten
  }

  // Quad 8 (y + 8 r) + x of the tile is member + 64 r.
  let mine = slice_a + member;
  shared_quads[mine] = sum0;
  shared_quads[mine + 64u] = sum1;
  shared_quads[mine + 128u] = sum2;
  shared_quads[mine + 192u] = sum3;
  workgroupBarrier();  // the shares are complete
  var total = shared_quads[index];
  total += shared_quads[256u + index];
  total += shared_quads[512u + index];
  total += shared_quads[768u + index];
  store_c(tile_m + index / 8u, tile_q + index % 8u, total);
}
