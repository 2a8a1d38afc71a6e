// fused_layers: whole layers of a training step in one dispatch, as tiles of matrix products
//   A dispatch is a list of jobs, one workgroup each: a TILE_M x TILE_N tile of C = A B. Roles, for layer l of H + 1:
//     FORWARD  z_l = h_{l-1} W_l, with mean and M2 of each column of the tile; of the output layer: logits
//     PREDICT  sg_l = h_l V_l + U_l[y] + c_l, dn_l = sg_l where ReLU passes, and its column sums; at H + 1: the loss
//     PULL     dh_{l-1} = dz_l W_l^T, then dn_{l-1} and its column sums, or the predictor's error 2 (sg_{l-1} - dh_{l-1})
//     GRAD     dW_l = h_{l-1}^T dz_l (and the bias's, gamma's and beta's gradient), and Adam
//     TEACH    d[V U c]_l = [h_l onehot(y) 1]^T err_l, and Adam
//   Nothing between is kept: A and B are made while they are loaded, h = max(gamma (z - mean) rstd + beta, 0) from z,
//   dz = gamma rstd (dn - S1 / B - (z - mean) rstd S2 / B) from dn, where S1, S2 are the columns' sums of dn, dn xhat.
//   Layers may work on different batches: layer l, at tick t, on batch t - stagger (l - 1) - lag of its role.
//   F is a multiple of 4, and a row of classes as long as one: all is loaded and stored in quads, 4 numbers of a row.
//   grid: the jobs, in one row      layout of weights, moments, memory, table and state: src/reference/fused/layout.ts
//   GPU form      twin: src/reference/fused/layers.ts      maths: docs/12-fused.md, docs/14-fused-shaders.md
const TILE_M: u32 = 32u;
const TILE_N: u32 = 32u;
const TILE_K: u32 = 32u;
// Groups of threads that share out the k of a slice, and then the rows of the tile: 1, 2, or a multiple of 4.
const SPLIT: u32 = 2u;
// Room for the units of a hidden layer: at least F, up to the next multiple of TILE_K, and TILE_M + TILE_N.
const FEATURES: u32 = 256u;
// The roles that this pipeline is compiled for.
const ROLES: u32 = 31u;
// Less than B by this is what the running variance divides by: 1, unbiased, or 0.
const BESSEL: u32 = 1u;

const FORWARD = 1u;
const TEACH = 2u;
const PREDICT = 4u;
const GRAD = 8u;
const PULL = 16u;

const QUADS_M = TILE_M / 4u;
const QUADS_N = TILE_N / 4u;
const TEAM = QUADS_M * QUADS_N;  // threads of a group
const THREADS = TEAM * SPLIT;
// In the end ROWS of each 4 x 4 block belong to each of the first GROUPS groups.
const GROUPS = min(SPLIT, 4u);
const ROWS = 4u / GROUPS;
// A slice of A and B comes in 4 x 4 blocks, LOADS for a thread.
const BLOCKS_A = QUADS_M * TILE_K / 4u;
const BLOCKS = (QUADS_M + QUADS_N) * TILE_K / 4u;
const LOADS = (BLOCKS + THREADS - 1u) / THREADS;
const STRIDE_M = QUADS_M + 1u;
const STRIDE_N = QUADS_N + 1u;
const SLICE_B = TILE_K * STRIDE_M;  // where B begins in the slices
const SLICES = max(TILE_K * (STRIDE_M + STRIDE_N), select(4u * THREADS, THREADS, SPLIT == 1u));
const_assert TILE_M % 4u == 0u && TILE_N % 4u == 0u && TILE_K % 4u == 0u && TILE_K % SPLIT == 0u;
const_assert SPLIT == 1u || SPLIT == 2u || SPLIT % 4u == 0u;
const_assert FEATURES >= TILE_M + TILE_N && FEATURES % TILE_K == 0u;
const_assert SLICES >= 2u * GROUPS * TEAM;

struct Params {
  B: u32, I: u32, F: u32, C: u32, H: u32, U: u32, words: u32, capacity: u32,
  scale: f32, eps: f32, momentum: f32, beta1: f32, beta2: f32,
  stagger: u32, lag_predict: u32, lag_grad: u32, lag_teach: u32, lead: u32,
  back: u32, lag_merge: u32,
  z_slots: u32, slots: u32, w_slots: u32, v_slots: u32, tiles: u32, sum_tiles: u32,
  merges: u32, masks: u32, clock: u32, next: u32, advance: u32, loss_tiles: u32,
  forward_from: u32, forward_layers: u32, teach_from: u32, teach_layers: u32, predict_from: u32, predict_layers: u32,
  grad_from: u32, grad_layers: u32, pull_from: u32, pull_layers: u32,
  at_affine: u32, w_size: u32, at_running: u32, at_models: u32, v_size: u32, at_v: u32, at_updates: u32,
  at_norm: u32, at_stats: u32, at_dn: u32, at_sums: u32, at_sg: u32, at_err: u32, at_logits: u32, at_dlogits: u32,
  at_loss: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<u32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> weights: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> moments: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> memory: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> state: array<atomic<u32>>;

var<workgroup> slices: array<vec4<f32>, SLICES>;  // of A and B, k-major, in quads
var<workgroup> coef: array<vec4<f32>, FEATURES>;  // what features are normalised, or pulled back, with: 4 of each quad
var<workgroup> shared_clock: vec4<u32>;

// A workgroup's part: C is (M, N), summed over K; a, b, z: where A, B and the pre-activations of B (or A) begin.
struct Job {
  role: u32, layer: u32, m0: u32, n0: u32, M: u32, K: u32, N: u32,
  tick: u32, steps: u32, first: u32, n: i32, batch: u32, version: u32, a: u32, b: u32, z: u32,
}

// A 4 x 4 block of A or B as it comes from memory: four rows of quads, and pre-activations; words of pixels or of labels, and
// how far to shift those.
struct Fetched { x: mat4x4<f32>, z: mat4x4<f32>, words: vec4<u32>, shifts: vec4<u32> }

// A quad of columns' mean and squared distances from it, over `count` rows.
struct Stats { count: f32, mean: vec4<f32>, squares: vec4<f32> }

// Layers are counted from 1; H + 1 is the output layer, whose rows of classes are filled up with classes that are none.
fn inputs_of(l: u32) -> u32 { return select(params.F, params.I, l == 1u); }
fn class_row() -> u32 { return (params.C + 3u) / 4u * 4u; }
fn outputs_of(l: u32) -> u32 { return select(params.F, class_row(), l > params.H); }

fn at_w(l: u32, version: u32) -> u32 {
  let below = select(params.I * params.F + (l - 2u) * params.F * params.F, 0u, l == 1u);
  return (version % params.w_slots) * params.w_size + below;
}
fn at_affine(l: u32, version: u32) -> u32 {
  return (version % params.w_slots) * params.w_size + params.at_affine + (l - 1u) * 2u * params.F;
}
fn at_model(l: u32, version: u32) -> u32 {
  let size = (params.F + params.U + 1u) * params.F;
  return params.at_models + (version % params.v_slots) * params.v_size + (l - 1u) * size;
}
fn at_z(l: u32, batch: u32) -> u32 {
  return ((l - 1u) * params.z_slots + batch % params.z_slots) * params.B * params.F;
}
fn at_norm(l: u32, batch: u32) -> u32 {
  return params.at_norm + ((l - 1u) * params.z_slots + batch % params.z_slots) * 4u * params.F;
}
// Where a layer's part of a kind of memory lies that has `size` elements and params.slots slots.
fn slot(at: u32, l: u32, batch: u32, size: u32) -> u32 {
  return at + ((l - 1u) * params.slots + batch % params.slots) * size;
}
fn at_dn(l: u32, batch: u32) -> u32 { return slot(params.at_dn, l, batch, params.B * params.F); }
fn at_sg(l: u32, batch: u32) -> u32 { return slot(params.at_sg, l, batch, params.B * params.F); }
fn at_err(l: u32, batch: u32) -> u32 { return slot(params.at_err, l, batch, params.B * params.F); }
fn at_stats(l: u32, batch: u32) -> u32 { return slot(params.at_stats, l, batch, params.tiles * 2u * params.F); }
fn at_sums(l: u32, batch: u32) -> u32 { return slot(params.at_sums, l, batch, params.sum_tiles * 2u * params.F); }
fn at_logits(batch: u32) -> u32 { return slot(params.at_logits, 1u, batch, params.B * class_row()); }
fn at_dlogits(batch: u32) -> u32 { return slot(params.at_dlogits, 1u, batch, params.B * class_row()); }

// The sample in row r of a batch, counted within the upload; the batches before it lie there too.
fn sample(n: i32, r: u32) -> u32 { return table[4u + u32(n + i32(params.lead)) * params.B + r]; }
fn label_of(n: i32, r: u32) -> u32 {
  let s = sample(n, r);
  return (labels[s / 4u] >> (8u * (s % 4u))) & 0xffu;
}
// The four bytes of a word, scaled.
fn pixels_of(word: u32) -> vec4<f32> {
  return params.scale * vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xffu));
}

// Four quads, one below the other, at (row, column) of a matrix of so many rows and columns; outside it copies of its edge,
// so that nothing has to be done with what is loaded before it is used.
fn memory_block(at: u32, row: u32, column: u32, rows: u32, columns: u32) -> mat4x4<f32> {
  let first = (at + min(column, columns - 4u)) / 4u;
  let down = columns / 4u;
  let last = rows - 1u;
  return mat4x4<f32>(memory[first + min(row, last) * down], memory[first + min(row + 1u, last) * down],
    memory[first + min(row + 2u, last) * down], memory[first + min(row + 3u, last) * down]);
}
fn weights_block(at: u32, row: u32, column: u32, rows: u32, columns: u32) -> mat4x4<f32> {
  let first = (at + min(column, columns - 4u)) / 4u;
  let down = columns / 4u;
  let last = rows - 1u;
  return mat4x4<f32>(weights[first + min(row, last) * down], weights[first + min(row + 1u, last) * down],
    weights[first + min(row + 2u, last) * down], weights[first + min(row + 3u, last) * down]);
}

// h = max(gamma (z - mean) rstd + beta, 0), with c = (mean, rstd, gamma, beta). A NaN goes through, as max might not let it.
fn normalised(z: vec4<f32>, c: mat4x4<f32>) -> vec4<f32> {
  let n = c[2] * ((z - c[0]) * c[1]) + c[3];
  return select(n, vec4<f32>(), n < vec4<f32>());
}
// dz = gamma rstd (dn - S1 / B - (z - mean) rstd S2 / B), with c = (mean, gamma rstd, S1 / B, rstd S2 / B)
fn pulled(dn: vec4<f32>, z: vec4<f32>, c: mat4x4<f32>) -> vec4<f32> { return c[1] * (dn - c[2] - (z - c[0]) * c[3]); }

// (mean, rstd, gamma, beta) of four features as they were normalised with.
fn norm_of(l: u32, batch: u32, f: u32) -> mat4x4<f32> {
  let at = (at_norm(l, batch) + f) / 4u;
  let row = params.F / 4u;
  return mat4x4<f32>(memory[at], memory[at + row], memory[at + 2u * row], memory[at + 3u * row]);
}

// Adds a tile's mean and squared distances to those of the rows before it (Chan, Golub and LeVeque 1983).
fn merged(s: Stats, tile: u32, mean: vec4<f32>, squares: vec4<f32>) -> Stats {
  if (tile >= params.tiles) { return s; }
  let rows = f32(min(TILE_M, params.B - tile * TILE_M));
  let delta = mean - s.mean;
  let both = s.count + rows;
  return Stats(both, s.mean + delta * (rows / both), s.squares + squares + delta * delta * (s.count * rows / both));
}

// Merges the tiles' statistics of four features, lowest rows first, into the batch's.
fn merge_stats(l: u32, batch: u32, version: u32, f: u32, keep: bool) -> mat4x4<f32> {
  let at = (at_stats(l, batch) + f) / 4u;
  let row = params.F / 4u;
  let affine = (at_affine(l, version) + f) / 4u;
  let running = (params.at_running + (l - 1u) * 2u * params.F + f) / 4u;
  let gamma = weights[affine];
  let beta = weights[affine + row];
  var moving = mat2x4<f32>();
  if (keep) { moving = mat2x4<f32>(weights[running], weights[running + row]); }
  var s = Stats();
  let last = params.tiles - 1u;
  for (var t = 0u; t < params.tiles; t += 8u) {
    // The loads of eight tiles are under way together, those past the last one again of the last.
    let p0 = at + 2u * t * row;
    let p1 = at + 2u * min(t + 1u, last) * row;
    let p2 = at + 2u * min(t + 2u, last) * row;
    let p3 = at + 2u * min(t + 3u, last) * row;
    let p4 = at + 2u * min(t + 4u, last) * row;
    let p5 = at + 2u * min(t + 5u, last) * row;
    let p6 = at + 2u * min(t + 6u, last) * row;
    let p7 = at + 2u * min(t + 7u, last) * row;
    let m0 = memory[p0];  let q0 = memory[p0 + row];  let m1 = memory[p1];  let q1 = memory[p1 + row];
    let m2 = memory[p2];  let q2 = memory[p2 + row];  let m3 = memory[p3];  let q3 = memory[p3 + row];
    let m4 = memory[p4];  let q4 = memory[p4 + row];  let m5 = memory[p5];  let q5 = memory[p5 + row];
    let m6 = memory[p6];  let q6 = memory[p6 + row];  let m7 = memory[p7];  let q7 = memory[p7 + row];
    s = merged(merged(merged(merged(s, t, m0, q0), t + 1u, m1, q1), t + 2u, m2, q2), t + 3u, m3, q3);
    s = merged(merged(merged(merged(s, t + 4u, m4, q4), t + 5u, m5, q5), t + 6u, m6, q6), t + 7u, m7, q7);
  }
  let rstd = 1.0 / sqrt(s.squares / s.count + params.eps);
  if (keep) {
    let norm = (at_norm(l, batch) + f) / 4u;
    memory[norm] = s.mean;
    memory[norm + row] = rstd;
    memory[norm + 2u * row] = gamma;
    memory[norm + 3u * row] = beta;
    // Moving averages for evaluation; the variance unbiased unless BESSEL is 0.
    let unbiased = s.squares / max(s.count - f32(BESSEL), 1.0);
    weights[running] = moving[0] + params.momentum * (s.mean - moving[0]);
    weights[running + row] = moving[1] + params.momentum * (unbiased - moving[1]);
    // Here, too: where a compiler takes ReLU's select for a max, a NaN would not come through to the loss.
    if (!all_finite(s.squares)) { atomicStore(&state[2], 1u); }
  }
  return mat4x4<f32>(s.mean, rstd, gamma, beta);
}

// S1 and S2 of four features: the sums over the batch of dn and of dn xhat, the gradients of beta and of gamma.
fn merge_sums(l: u32, batch: u32, f: u32) -> mat2x4<f32> {
  let at = (at_sums(l, batch) + f) / 4u;
  let row = params.F / 4u;
  let tiles = select(params.tiles, params.sum_tiles, l == params.H);
  var total = mat2x4<f32>();
  var t = 0u;
  // Eight tiles' loads are under way together.
  for (; t + 8u <= tiles; t += 8u) {
    let p = at + 2u * t * row;
    let a = mat2x4<f32>(memory[p], memory[p + row]);
    let b = mat2x4<f32>(memory[p + 2u * row], memory[p + 3u * row]);
    let c = mat2x4<f32>(memory[p + 4u * row], memory[p + 5u * row]);
    let d = mat2x4<f32>(memory[p + 6u * row], memory[p + 7u * row]);
    let e = mat2x4<f32>(memory[p + 8u * row], memory[p + 9u * row]);
    let g = mat2x4<f32>(memory[p + 10u * row], memory[p + 11u * row]);
    let h = mat2x4<f32>(memory[p + 12u * row], memory[p + 13u * row]);
    let i = mat2x4<f32>(memory[p + 14u * row], memory[p + 15u * row]);
    total = total + a + b + c + d + e + g + h + i;
  }
  for (; t < tiles; t++) { total += mat2x4<f32>(memory[at + 2u * t * row], memory[at + (2u * t + 1u) * row]); }
  return total;
}

// What `pulled` needs of four features, from their S1 and S2.
fn pull_coef(l: u32, batch: u32, f: u32, sums: mat2x4<f32>) -> mat4x4<f32> {
  let c = norm_of(l, batch, f);
  return mat4x4<f32>(c[0], c[2] * c[1], sums[0] / f32(params.B), c[1] * (sums[1] / f32(params.B)));
}

fn put_coef(at: u32, c: mat4x4<f32>) {
  coef[at] = c[0];
  coef[at + 1u] = c[1];
  coef[at + 2u] = c[2];
  coef[at + 3u] = c[3];
}
fn coef_at(at: u32) -> mat4x4<f32> { return mat4x4<f32>(coef[at], coef[at + 1u], coef[at + 2u], coef[at + 3u]); }

// Fills `coef` with what A and B need. Features past the last get zeros, which make 0 of any number.
fn prepare(role: u32, job: Job, index: u32) {
  let l = job.layer;
  if ((role == FORWARD && l > 1u) || role == PREDICT) {
    let source = select(l, l - 1u, role == FORWARD);
    let first = job.m0 == 0u && job.n0 == 0u;
    for (var k = 4u * index; k < FEATURES; k += 4u * THREADS) {
      var c = mat4x4<f32>();
      if (k < params.F) {
        if (role == FORWARD && params.merges == 0u) { c = norm_of(source, job.batch, k); }
        else {
          let keep = first && (role == PREDICT || params.merges == 1u);
          c = merge_stats(source, job.batch, version_of(job, source, job.tick - params.lag_merge), k, keep);
        }
      }
      put_coef(k, c);
    }
  }
  if (role == PULL && l <= params.H) {
    for (var k = 4u * index; k < FEATURES; k += 4u * THREADS) {
      var c = mat4x4<f32>();
      if (k < params.F) { c = pull_coef(l, job.batch, k, merge_sums(l, job.batch, k)); }
      put_coef(k, c);
    }
  }
  if (role == GRAD || role == TEACH) {
    // By the tile's own rows, behind them by its columns.
    for (var i = 4u * index; i < TILE_M + TILE_N; i += 4u * THREADS) {
      let m = job.m0 + i;
      let n = job.n0 + i - TILE_M;
      var c = mat4x4<f32>();
      if (i < TILE_M) {
        if (role == GRAD && l > 1u && m < params.F) { c = norm_of(l - 1u, job.batch, m); }
        if (role == TEACH && m < params.F) { c = norm_of(l, job.batch, m); }
      } else if (role == GRAD && l <= params.H && n < params.F) {
        let sums = merge_sums(l, job.batch, n);
        c = pull_coef(l, job.batch, n, sums);
        // They are the gradients of beta and gamma as well, which the tiles of the first rows update.
        if (job.m0 == 0u) { update_affine(job, n, sums); }
      }
      put_coef(i, c);
    }
  }
}

fn has_pixels(role: u32, job: Job) -> bool { return (role == FORWARD || role == GRAD) && job.layer == 1u; }

// Whether a block of A has rows behind the features: the output layer's bias; the label rows and the bias.
fn has_others(role: u32, job: Job, m: u32) -> bool {
  return ((role == GRAD && job.layer > params.H) || role == TEACH) && m >= params.F;
}

// The four samples of block i of A, where it is made of pixels or labels.
fn samples_of(role: u32, job: Job, i: u32, k0: u32) -> vec4<u32> {
  if (i >= BLOCKS_A) { return vec4<u32>(); }
  let m = job.m0 + 4u * (i % QUADS_M);
  if (!has_pixels(role, job) && !(role == TEACH && has_others(role, job, m))) { return vec4<u32>(); }
  // Of FORWARD samples are rows, of the others they are summed over; those past the last are copies of it.
  let r = select(k0 + 4u * (i / QUADS_M), m, role == FORWARD);
  let last = params.B - 1u;
  return vec4<u32>(sample(job.n, min(r, last)), sample(job.n, min(r + 1u, last)),
    sample(job.n, min(r + 2u, last)), sample(job.n, min(r + 3u, last)));
}

// Block i of the slice that begins at k0, those of A before those of B, as it lies in memory.
fn fetch(role: u32, job: Job, i: u32, k0: u32, samples: vec4<u32>) -> Fetched {
  var f = Fetched();
  if (i < BLOCKS_A) {
    let k = k0 + 4u * (i / QUADS_M);
    let m = job.m0 + 4u * (i % QUADS_M);
    if (has_pixels(role, job)) {
      let at = samples * params.words + min(select(k, m, role == GRAD) / 4u, params.words - 1u);
      f.words = vec4<u32>(pixels[at[0]], pixels[at[1]], pixels[at[2]], pixels[at[3]]);
    } else if (role == GRAD || role == TEACH) {
      f.x = memory_block(job.a, k, m, params.B, params.F);
      if (role == TEACH && has_others(role, job, m)) {
        let at = samples / 4u;
        f.words = vec4<u32>(labels[at[0]], labels[at[1]], labels[at[2]], labels[at[3]]);
        f.shifts = 8u * (samples % 4u);
      }
    } else {
      f.x = memory_block(job.a, m, k, params.B, job.K);
      if (role == PULL && job.layer <= params.H) { f.z = memory_block(job.z, m, k, params.B, job.K); }
    }
  } else if (i < BLOCKS) {
    let k = k0 + 4u * ((i - BLOCKS_A) / QUADS_N);
    let n = job.n0 + 4u * ((i - BLOCKS_A) % QUADS_N);
    if (role == FORWARD || role == PREDICT) { f.x = weights_block(job.b, k, n, job.K, job.N); }
    else if (role == PULL) { f.x = weights_block(job.b, n, k, job.N, job.K); }
    else {
      f.x = memory_block(job.b, k, n, job.K, job.N);
      if (role == GRAD && job.layer <= params.H) { f.z = memory_block(job.z, k, n, job.K, job.N); }
    }
  }
  return f;
}

// Row m of [h 1]^T, or of [h onehot(y) 1]^T, behind the features, for a sample of this label.
fn beyond(role: u32, m: u32, label: u32) -> f32 {
  if (role == TEACH && m < params.F + params.U) { return select(0.0, 1.0, label == m - params.F); }
  return 1.0;
}

// Makes A and B of block i, and puts it into the slices: row k of a slice has quads of neighbouring m or n.
fn put(role: u32, job: Job, i: u32, k0: u32, f: Fetched) {
  if (i < BLOCKS_A) {
    let k = k0 + 4u * (i / QUADS_M);
    let m = job.m0 + 4u * (i % QUADS_M);
    var quads = f.x;
    if (has_pixels(role, job)) {
      quads = mat4x4<f32>(pixels_of(f.words[0]), pixels_of(f.words[1]), pixels_of(f.words[2]), pixels_of(f.words[3]));
    } else if (role == PULL) {
      if (job.layer <= params.H) {
        let c = coef_at(k);
        quads = mat4x4<f32>(pulled(f.x[0], f.z[0], c), pulled(f.x[1], f.z[1], c), pulled(f.x[2], f.z[2], c),
          pulled(f.x[3], f.z[3], c));
      }
    } else {
      let c = coef_at(select(k, m - job.m0, role == GRAD || role == TEACH));
      quads = mat4x4<f32>(normalised(f.x[0], c), normalised(f.x[1], c), normalised(f.x[2], c), normalised(f.x[3], c));
    }
    // What is summed over runs along the rows of z and dn; of h^T it is the rows themselves.
    if (role == GRAD || role == TEACH) {
      if (has_others(role, job, m)) {
        let y = (f.words >> f.shifts) & vec4<u32>(0xffu);
        for (var r = 0u; r < 4u; r++) {
          quads[r] = vec4<f32>(beyond(role, m, y[r]), beyond(role, m + 1u, y[r]), beyond(role, m + 2u, y[r]),
            beyond(role, m + 3u, y[r]));
        }
      }
    } else { quads = transpose(quads); }
    let at = 4u * (i / QUADS_M) * STRIDE_M + i % QUADS_M;
    slices[at] = quads[0];
    slices[at + STRIDE_M] = quads[1];
    slices[at + 2u * STRIDE_M] = quads[2];
    slices[at + 3u * STRIDE_M] = quads[3];
  } else if (i < BLOCKS) {
    let j = i - BLOCKS_A;
    let k = k0 + 4u * (j / QUADS_N);
    var quads = f.x;
    if (role == PULL) { quads = transpose(f.x); }
    if (role == GRAD && job.layer <= params.H) {
      let c = coef_at(TILE_M + 4u * (j % QUADS_N));
      quads = mat4x4<f32>(pulled(f.x[0], f.z[0], c), pulled(f.x[1], f.z[1], c), pulled(f.x[2], f.z[2], c),
        pulled(f.x[3], f.z[3], c));
    }
    // What is summed over ends here; what A has there does not matter, as it is a copy of its edge.
    quads = mat4x4<f32>(select(vec4<f32>(), quads[0], k < job.K), select(vec4<f32>(), quads[1], k + 1u < job.K),
      select(vec4<f32>(), quads[2], k + 2u < job.K), select(vec4<f32>(), quads[3], k + 3u < job.K));
    let at = SLICE_B + 4u * (j / QUADS_N) * STRIDE_N + j % QUADS_N;
    slices[at] = quads[0];
    slices[at + STRIDE_N] = quads[1];
    slices[at + 2u * STRIDE_N] = quads[2];
    slices[at + 3u * STRIDE_N] = quads[3];
  }
}

// The tile of C = A B, from slices of A and B in workgroup memory. The threads of a group make 4 x 4 elements each; what
// a thread returns are the first ROWS rows of those that it finishes, from row_of on.
fn product(role: u32, job: Job, thread: vec3<u32>, index: u32) -> mat4x4<f32> {
  // The loads of the first slice are under way while `coef` is filled.
  var samples: array<vec4<u32>, LOADS>;
  var held: array<Fetched, LOADS>;
  for (var s = 0u; s < LOADS; s++) {
    let i = index + s * THREADS;
    samples[s] = samples_of(role, job, i, 0u);
    held[s] = fetch(role, job, i, 0u, samples[s]);
    if (role == GRAD || role == TEACH) { samples[s] = samples_of(role, job, i, TILE_K); }
  }
  prepare(role, job, index);
  workgroupBarrier();
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();
  for (var k0 = 0u; k0 < job.K; k0 += TILE_K) {
    for (var s = 0u; s < LOADS; s++) { put(role, job, index + s * THREADS, k0, held[s]); }
    workgroupBarrier();  // the slices are complete
    // The next ones are under way meanwhile, and the numbers of the samples after them, where those are summed over.
    if (k0 + TILE_K < job.K) {
      for (var s = 0u; s < LOADS; s++) {
        let i = index + s * THREADS;
        held[s] = fetch(role, job, i, k0 + TILE_K, samples[s]);
        if (role == GRAD || role == TEACH) { samples[s] = samples_of(role, job, i, k0 + 2u * TILE_K); }
      }
    }
    for (var i = 0u; i < TILE_K / SPLIT; i++) {
      let k = i * SPLIT + thread.z;
      let x = slices[k * STRIDE_M + thread.y];
      let w = slices[SLICE_B + k * STRIDE_N + thread.x];
      sum0 += x[0] * w;
      sum1 += x[1] * w;
      sum2 += x[2] * w;
      sum3 += x[3] * w;
    }
    workgroupBarrier();  // everybody has read them: they may be overwritten
  }
  let sums = mat4x4<f32>(sum0, sum1, sum2, sum3);
  if (SPLIT == 1u) { return sums; }
  // Each group has a part of each sum. They change hands: a group takes over rows, and adds up in the order of the groups.
  let lane = thread.y * QUADS_N + thread.x;
  for (var r = 0u; r < 4u; r++) { slices[(4u * thread.z + r) * TEAM + lane] = sums[r]; }
  workgroupBarrier();
  var total = mat4x4<f32>();
  if (finishes(thread)) {
    for (var r = 0u; r < ROWS; r++) {
      for (var g = 0u; g < SPLIT; g++) { total[r] += slices[(4u * g + ROWS * thread.z + r) * TEAM + lane]; }
    }
  }
  workgroupBarrier();
  return total;
}

// Whether a thread finishes rows of the tile, and the first of them.
fn finishes(thread: vec3<u32>) -> bool { return thread.z < GROUPS; }
fn row_of(job: Job, thread: vec3<u32>) -> u32 { return job.m0 + 4u * thread.y + ROWS * thread.z; }

// One or two sums of four columns over the rows of the tile, from what each thread has of the rows that it finishes. A few
// threads add up, from the top down, and tell the others.
fn column_totals(count: u32, mine: mat2x4<f32>, thread: vec3<u32>) -> mat2x4<f32> {
  const rows = QUADS_M * GROUPS;
  if (finishes(thread)) {
    let at = (thread.y * GROUPS + thread.z) * QUADS_N + thread.x;
    slices[at] = mine[0];
    if (count > 1u) { slices[rows * QUADS_N + at] = mine[1]; }
  }
  workgroupBarrier();
  for (var i = thread.y; thread.z == 0u && i < count; i += QUADS_M) {
    var total = vec4<f32>();
    for (var y = 0u; y < rows; y++) { total += slices[(i * rows + y) * QUADS_N + thread.x]; }
    slices[i * rows * QUADS_N + thread.x] = total;
  }
  workgroupBarrier();
  var totals = mat2x4<f32>();
  totals[0] = slices[thread.x];
  if (count > 1u) { totals[1] = slices[rows * QUADS_N + thread.x]; }
  workgroupBarrier();
  return totals;
}

// This thread's rows of a (B, F) matrix in `memory`, all under way together; past the edge copies of it.
fn own_rows(at: u32, m: u32, n: u32) -> mat4x4<f32> {
  var x = mat4x4<f32>();
  for (var r = 0u; r < ROWS; r++) {
    x[r] = memory[(at + min(m + r, params.B - 1u) * params.F + min(n, params.F - 4u)) / 4u];
  }
  return x;
}

// From each element of dh (or sg): dn where ReLU passed, and the tile's columns' sums of dn and of dn xhat.
fn mask_and_sum(role: u32, l: u32, job: Job, dh: mat4x4<f32>, thread: vec3<u32>) {
  let m = row_of(job, thread);
  let n = job.n0 + 4u * thread.x;
  var sums = mat2x4<f32>();
  if (finishes(thread) && n < params.F) {
    let z = own_rows(at_z(l, job.batch), m, n);
    var c = mat4x4<f32>();
    if (role == PREDICT) { c = coef_at(n); } else { c = norm_of(l, job.batch, n); }
    for (var r = 0u; r < ROWS; r++) {
      if (m + r < params.B) {
        let xhat = (z[r] - c[0]) * c[1];
        let dn = select(vec4<f32>(), dh[r], c[2] * xhat + c[3] > vec4<f32>());
        memory[(at_dn(l, job.batch) + (m + r) * params.F + n) / 4u] = dn;
        sums += mat2x4<f32>(dn, dn * xhat);
      }
    }
  }
  sums = column_totals(2u, sums, thread);
  if (thread.y == 0u && thread.z == 0u && n < params.F) {
    let tile = (at_sums(l, job.batch) + (job.m0 / TILE_M) * 2u * params.F + n) / 4u;
    memory[tile] = sums[0];
    memory[tile + params.F / 4u] = sums[1];
    // A layer that does not wait for the loss sees for itself whether what it learns from is finite.
    if (role == PREDICT && !all_finite(sums[1])) { atomicStore(&state[2], 1u); }
  }
}

// By the exponents' bits: comparisons with a NaN may be folded away.
fn all_finite(x: vec4<f32>) -> bool {
  return all((bitcast<vec4<u32>>(x) & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u));
}

// z and its columns' mean and squared distances from it over the rows of this tile; of the output layer: logits.
fn finish_forward(job: Job, z: mat4x4<f32>, thread: vec3<u32>) {
  let m = row_of(job, thread);
  let n = job.n0 + 4u * thread.x;
  let l = job.layer;
  let inside = finishes(thread) && n < job.N;
  if (l > params.H) {
    if (inside) {
      let bias = weights[(job.b + params.F * job.N + n) / 4u];
      for (var r = 0u; r < ROWS; r++) {
        if (m + r < params.B) { memory[(at_logits(job.batch) + (m + r) * job.N + n) / 4u] = z[r] + bias; }
      }
    }
    return;
  }
  var sum = vec4<f32>();
  for (var r = 0u; r < ROWS; r++) {
    if (inside && m + r < params.B) {
      sum += z[r];
      memory[(at_z(l, job.batch) + (m + r) * params.F + n) / 4u] = z[r];
    }
  }
  let mean = column_totals(1u, mat2x4<f32>(sum, vec4<f32>()), thread)[0] / f32(min(TILE_M, params.B - job.m0));
  var squares = vec4<f32>();
  for (var r = 0u; r < ROWS; r++) {
    if (inside && m + r < params.B) {
      let d = z[r] - mean;
      squares += d * d;
    }
  }
  squares = column_totals(1u, mat2x4<f32>(squares, vec4<f32>()), thread)[0];
  if (inside && thread.y == 0u && thread.z == 0u) {
    let tile = (at_stats(l, job.batch) + (job.m0 / TILE_M) * 2u * params.F + n) / 4u;
    memory[tile] = mean;
    memory[tile + params.F / 4u] = squares;
  }
}

// The labels of this thread's rows; past the edge copies of the last.
fn own_labels(job: Job, thread: vec3<u32>) -> vec4<u32> {
  var y = vec4<u32>();
  for (var r = 0u; r < ROWS; r++) { y[r] = label_of(job.n, min(row_of(job, thread) + r, params.B - 1u)); }
  return y;
}

// sg = h V + U[y] + c, and what the layer learns from it.
fn finish_predict(job: Job, product_hv: mat4x4<f32>, y: vec4<u32>, thread: vec3<u32>) {
  let m = row_of(job, thread);
  let n = job.n0 + 4u * thread.x;
  let column = job.b + min(n, params.F - 4u);
  let bias = weights[(column + (params.F + params.U) * params.F) / 4u];
  var sg = product_hv;
  if (params.U > 0u) {
    for (var r = 0u; r < ROWS; r++) { sg[r] += weights[(column + (params.F + y[r]) * params.F) / 4u]; }
  }
  for (var r = 0u; r < ROWS; r++) {
    sg[r] += bias;
    if (finishes(thread) && n < params.F && m + r < params.B) {
      memory[(at_sg(job.layer, job.batch) + (m + r) * params.F + n) / 4u] = sg[r];
    }
  }
  mask_and_sum(PREDICT, job.layer, job, sg, thread);
}

// The gradient by the activations below: for the layer below to learn from, or for its predictor.
fn finish_pull(job: Job, dh: mat4x4<f32>, thread: vec3<u32>) {
  let below = job.layer - 1u;
  if (params.masks == 1u) {
    mask_and_sum(PULL, below, job, dh, thread);
    return;
  }
  let m = row_of(job, thread);
  let n = job.n0 + 4u * thread.x;
  let sg = own_rows(at_sg(below, job.batch), m, n);
  for (var r = 0u; r < ROWS; r++) {
    if (finishes(thread) && n < params.F && m + r < params.B) {
      memory[(at_err(below, job.batch) + (m + r) * params.F + n) / 4u] = 2.0 * (sg[r] - dh[r]);
    }
  }
}

// Adam (Kingma and Ba 2015) of four parameters: what m, v and the parameter were, and are then.
struct Adam { m: vec4<f32>, v: vec4<f32>, p: vec4<f32> }

fn adam_at(read: u32, moment: u32) -> Adam {
  return Adam(moments[moment / 4u], moments[(params.at_v + moment) / 4u], weights[read / 4u]);
}
// One update, from the sums of the gradients over the batch.
fn adam(was: Adam, gradient: vec4<f32>, step: vec2<f32>) -> Adam {
  let g = gradient / f32(params.B);
  let m = params.beta1 * was.m + (1.0 - params.beta1) * g;
  let v = params.beta2 * was.v + (1.0 - params.beta2) * g * g;
  return Adam(m, v, was.p - step.x * m / (sqrt(v) + step.y));
}
fn put_adam(write: u32, moment: u32, now: Adam) {
  moments[moment / 4u] = now.m;
  moments[(params.at_v + moment) / 4u] = now.v;
  weights[write / 4u] = now.p;
}

// Step size and epsilon of an update in this batch's step.
fn step_of(event: u32, n: i32) -> vec2<f32> {
  let at = params.at_updates + 2u * (event * params.capacity + u32(n));
  return vec2<f32>(bitcast<f32>(table[at]), bitcast<f32>(table[at + 1u]));
}

// gamma and beta of four features, from S1 and S2.
fn update_affine(job: Job, f: u32, sums: mat2x4<f32>) {
  let l = job.layer;
  let step = step_of(l - 1u, job.n + i32(way_back(l)));
  let read = at_affine(l, job.version) + f;
  let write = at_affine(l, job.version + 1u) + f;
  let moment = at_affine(l, 0u) + f;
  let gamma = adam_at(read, moment);
  let beta = adam_at(read + params.F, moment + params.F);
  put_adam(write, moment, adam(gamma, sums[1], step));
  put_adam(write + params.F, moment + params.F, adam(beta, sums[0], step));
}

// Adam on this thread's elements of a matrix that is read, and written, and whose moments begin, `at` these places. All
// loads come before the first store: behind one that might have changed what they read, they would wait for it.
fn update(job: Job, gradient: mat4x4<f32>, thread: vec3<u32>, at: vec3<u32>, step: vec2<f32>) {
  let m = row_of(job, thread);
  let n = job.n0 + 4u * thread.x;
  if (!finishes(thread) || n >= job.N) { return; }
  // Whatever lies past the last row is left unread: a copy of that row is another thread's, which stores it in this dispatch.
  var was: array<Adam, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    let i = (m + r) * job.N + n;
    if (m + r < job.M) { was[r] = adam_at(at.x + i, at.z + i); }
  }
  for (var r = 0u; r < ROWS; r++) {
    let i = (m + r) * job.N + n;
    if (m + r < job.M) { put_adam(at.y + i, at.z + i, adam(was[r], gradient[r], step)); }
  }
}

// The sum of what all threads have: in pairs, then pairs of pairs, always the same ones.
fn workgroup_total(mine: vec2<f32>, index: u32) -> vec2<f32> {
  slices[index] = vec4<f32>(mine, 0.0, 0.0);
  workgroupBarrier();
  for (var apart = 1u; apart < THREADS; apart *= 2u) {
    if (index % (2u * apart) == 0u && index + apart < THREADS) { slices[index] += slices[index + apart]; }
    workgroupBarrier();
  }
  let total = slices[0].xy;
  workgroupBarrier();
  return total;
}

// log(1 + x) for x >= 0, with a small relative error where log's own is absolute: 2 artanh(x / (2 + x)), as a series
fn log1p(x: f32) -> f32 {
  if (x >= 0.5) { return log(1.0 + x); }
  let s = x / (2.0 + x);
  let q = s * s;
  return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0))));
}

// Softmax, cross-entropy and their gradient for the whole batch, by one workgroup; the batch's loss and correct count.
fn softmax(job: Job, index: u32) {
  var loss = 0.0;
  var correct = 0.0;
  for (var m = index; m < params.B; m += THREADS) {
    let row = (at_logits(job.batch) + m * class_row()) / 4u;
    let to = (at_dlogits(job.batch) + m * class_row()) / 4u;
    let label = label_of(job.n, m);
    let quads = class_row() / 4u;
    // The largest logit is taken out first, so that exp never overflows.
    var best = 0u;
    var most = memory[row][0];
    for (var q = 0u; q < quads; q++) {
      let logits = memory[row + q];
      for (var j = 0u; j < 4u; j++) {
        if (4u * q + j < params.C && logits[j] > most) {
          best = 4u * q + j;
          most = logits[j];
        }
      }
    }
    // Of the terms all but the largest, which is 1; and all but the label's, whose gradient is minus the sum of the others'.
    var rest = 0.0;
    var others = 0.0;
    for (var q = 0u; q < quads; q++) {
      let terms = select(vec4<f32>(), exp(memory[row + q] - most), classes_of(q) < vec4<u32>(params.C));
      let a = select(terms, vec4<f32>(), classes_of(q) == vec4<u32>(best));
      let b = select(terms, vec4<f32>(), classes_of(q) == vec4<u32>(label));
      rest += (a[0] + a[1]) + (a[2] + a[3]);
      others += (b[0] + b[1]) + (b[2] + b[3]);
    }
    loss += log1p(rest) + (most - memory[row + label / 4u][label % 4u]);
    correct += select(0.0, 1.0, best == label);
    for (var q = 0u; q < quads; q++) {
      let d = select(exp(memory[row + q] - most), vec4<f32>(-others), classes_of(q) == vec4<u32>(label)) / (1.0 + rest);
      memory[to + q] = select(vec4<f32>(), d, classes_of(q) < vec4<u32>(params.C));
    }
  }
  let total = workgroup_total(vec2<f32>(loss, correct), index);
  if (index != 0u) { return; }
  if (!all_finite(vec4<f32>(total.x))) { atomicStore(&state[2], 1u); }
  atomicStore(&state[4u + u32(job.n)], bitcast<u32>(total.x / f32(params.B)));
  atomicStore(&state[4u + params.capacity + u32(job.n)], u32(total.y));
}
fn classes_of(q: u32) -> vec4<u32> { return vec4<u32>(4u * q) + vec4<u32>(0u, 1u, 2u, 3u); }

// Steps that layer l's gradient takes back to it, where every layer waits for the true one.
fn way_back(l: u32) -> u32 { return params.back * (params.H + 1u - l); }

// How many updates of layer l are done before a tick, all uploads together.
fn version_of(job: Job, l: u32, tick: u32) -> u32 {
  let done = i32(tick) - i32(params.stagger * (l - 1u) + params.lag_grad);
  let passed = job.first + u32(clamp(done, 0, i32(job.steps)));
  return passed - min(passed, way_back(l));
}

// First layer and number of layers of a role in this dispatch.
fn span_of(role: u32) -> vec2<u32> {
  switch (role) {
    case FORWARD: { return vec2<u32>(params.forward_from, params.forward_layers); }
    case TEACH: { return vec2<u32>(params.teach_from, params.teach_layers); }
    case PREDICT: { return vec2<u32>(params.predict_from, params.predict_layers); }
    case GRAD: { return vec2<u32>(params.grad_from, params.grad_layers); }
    default: { return vec2<u32>(params.pull_from, params.pull_layers); }
  }
}

// M, K, N of a role's product.
fn shape_of(role: u32, l: u32) -> vec3<u32> {
  switch (role) {
    case FORWARD: { return vec3<u32>(params.B, inputs_of(l), outputs_of(l)); }
    case TEACH: { return vec3<u32>(params.F + params.U + 1u, params.B, params.F); }
    case PREDICT: { return vec3<u32>(select(params.B, 1u, l > params.H), params.F, select(params.F, 1u, l > params.H)); }
    case GRAD: { return vec3<u32>(inputs_of(l) + select(0u, 1u, l > params.H), params.B, outputs_of(l)); }
    default: { return vec3<u32>(params.B, outputs_of(l), params.F); }
  }
}

// Which role, layer and tile this workgroup has.
fn job_of(group: u32) -> Job {
  var job = Job();
  var rest = group;
  for (var role = FORWARD; role <= PULL; role *= 2u) {
    if ((ROLES & role) == 0u) { continue; }
    let span = span_of(role);
    let end = span.x + span.y;
    var l = span.x;
    while (l < end) {
      let shape = shape_of(role, l);
      let across = (shape.z + TILE_N - 1u) / TILE_N;
      let count = across * ((shape.x + TILE_M - 1u) / TILE_M);
      // The hidden layers above the first are alike.
      let alike = select(1u, min(end, params.H + 1u) - l, l > 1u && l <= params.H);
      if (rest < count * alike) {
        let tile = rest % count;
        job.role = role;
        job.layer = l + rest / count;
        job.m0 = tile / across * TILE_M;
        job.n0 = tile % across * TILE_N;
        job.M = shape.x;
        job.K = shape.y;
        job.N = shape.z;
        return job;
      }
      rest -= count * alike;
      l += alike;
    }
  }
  return job;
}

// Adds up the losses of a step that has left them in tiles. Of one workgroup, by all its threads.
fn sum_losses(tick: u32, index: u32) {
  var mine = vec2<f32>();
  for (var t = index; t < params.loss_tiles; t += THREADS) {
    let quad = memory[(params.at_loss + 2u * t) / 4u];
    mine += select(quad.xy, quad.zw, t % 2u == 1u);
  }
  let total = workgroup_total(mine, index);
  if (index != 0u) { return; }
  atomicStore(&state[4u + tick], bitcast<u32>(total.x / f32(params.B)));
  atomicStore(&state[4u + params.capacity + tick], u32(total.y));
}

fn run(role: u32, found: Job, thread: vec3<u32>, index: u32) {
  var job = found;
  let l = job.layer;
  // This job's batch: nothing is done before the first of the upload has come here, and after the last.
  var lag = 0u;
  if (role == PREDICT) { lag = params.lag_predict; }
  if (role == GRAD || role == PULL) { lag = params.lag_grad; }
  let tick = i32(job.tick) - i32(params.stagger * (l - 1u) + lag);
  if (tick < 0 || tick >= i32(job.steps)) { return; }
  job.n = tick;
  if (role == TEACH) {
    // A predictor learns from an earlier batch; before the first there is nothing to learn.
    job.n = tick - i32(params.lag_teach);
    job.version = job.first + u32(tick);
    job.batch = job.first + u32(tick) - params.lag_teach;
  } else {
    job.version = version_of(job, l, job.tick);
    job.batch = job.first + u32(tick);
  }
  if (role == GRAD || role == PULL) {
    // Of the batch whose gradient is back by now. It goes down through the weights that the batch came up through.
    let back = way_back(l);
    if (job.batch < back) { return; }
    job.n -= i32(back);
    job.batch -= back;
    if (role == PULL) { job.version = job.batch - min(job.batch, back); }
  }
  if (role == PREDICT && l > params.H) {
    softmax(job, index);
    return;
  }
  switch (role) {
    case FORWARD: {
      if (l > 1u) { job.a = at_z(l - 1u, job.batch); }
      job.b = at_w(l, job.version);
    }
    case PREDICT: {
      job.a = at_z(l, job.batch);
      job.b = at_model(l, job.batch + params.lag_predict);
    }
    case PULL: {
      job.a = select(at_dn(l, job.batch), at_dlogits(job.batch), l > params.H);
      if (l <= params.H) { job.z = at_z(l, job.batch); }
      job.b = at_w(l, job.version);
    }
    case GRAD: {
      if (l > 1u) { job.a = at_z(l - 1u, job.batch); }
      job.b = select(at_dn(l, job.batch), at_dlogits(job.batch), l > params.H);
      if (l <= params.H) { job.z = at_z(l, job.batch); }
    }
    default: {
      job.a = at_z(l, job.batch);
      job.b = at_err(l, job.batch);
    }
  }
  if (role == TEACH && job.version < params.lag_teach) { return; }
  var y = vec4<u32>();
  if (role == PREDICT) { y = own_labels(job, thread); }
  let c = product(role, job, thread, index);
  switch (role) {
    case FORWARD: { finish_forward(job, c, thread); }
    case PREDICT: { finish_predict(job, c, y, thread); }
    case PULL: { finish_pull(job, c, thread); }
    case GRAD: {
      let at = vec3<u32>(at_w(l, job.version), at_w(l, job.version + 1u), at_w(l, 0u));
      update(job, c, thread, at, step_of(l - 1u, job.n + i32(way_back(l))));
    }
    default: {
      let read = at_model(l, job.version);
      let moment = at_model(l, 0u) - params.at_models + params.w_size;
      let write = at_model(l, job.version + 1u);
      update(job, c, thread, vec3<u32>(read, write, moment), step_of(params.H + l, tick));
    }
  }
}

@compute @workgroup_size(QUADS_N, QUADS_M, SPLIT)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) thread: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  // The tick, the flag (once something was not finite everything stays as it is), and the upload's steps and first step.
  var job = job_of(group.x);
  if (index == 0u) {
    shared_clock = vec4<u32>(atomicLoad(&state[params.clock]), atomicLoad(&state[2]), table[0], table[1]);
  }
  let clock = workgroupUniformLoad(&shared_clock);
  if (clock[1] != 0u) { return; }
  if (group.x == 0u) {
    if (index == 0u && params.next != params.clock) { atomicStore(&state[params.next], clock[0] + params.advance); }
    if (params.loss_tiles > 0u) { sum_losses(clock[0], index); }
  }
  job.tick = clock[0];
  job.steps = clock[2];
  job.first = clock[3];
  // One copy of the code for each role that this pipeline has, so that nothing of a role is decided in the inner loops.
  switch (job.role) {
    case FORWARD: { if ((ROLES & FORWARD) != 0u) { run(FORWARD, job, thread, index); } }
    case TEACH: { if ((ROLES & TEACH) != 0u) { run(TEACH, job, thread, index); } }
    case PREDICT: { if ((ROLES & PREDICT) != 0u) { run(PREDICT, job, thread, index); } }
    case GRAD: { if ((ROLES & GRAD) != 0u) { run(GRAD, job, thread, index); } }
    default: { if ((ROLES & PULL) != 0u) { run(PULL, job, thread, index); } }
  }
}
