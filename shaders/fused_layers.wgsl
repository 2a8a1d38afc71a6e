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
//   grid: the jobs, in one row      layout of weights, moments, memory, table and state: src/reference/fused/layout.ts
//   GPU form      twin: src/reference/fused/layers.ts      maths: docs/12-fused.md
const TILE_M: u32 = 32u;
const TILE_N: u32 = 32u;
const TILE_K: u32 = 32u;
// Groups of threads that share out the k of a slice and add up their tiles at the end.
const SPLIT: u32 = 2u;
// Most units of a hidden layer; at least TILE_M + TILE_N.
const FEATURES: u32 = 256u;
// The roles that this pipeline is compiled for.
const ROLES: u32 = 31u;

const FORWARD = 1u;
const TEACH = 2u;
const PREDICT = 4u;
const GRAD = 8u;
const PULL = 16u;

const QUADS_M = TILE_M / 4u;
const QUADS_N = TILE_N / 4u;
const THREADS = QUADS_M * QUADS_N * SPLIT;
const STRIDE_M = QUADS_M + 1u;
const STRIDE_N = QUADS_N + 1u;
const SLICE_B = TILE_K * STRIDE_M;  // where B begins in the slices
const_assert TILE_M % 4u == 0u && TILE_N % 4u == 0u && TILE_K % SPLIT == 0u;
const_assert FEATURES >= TILE_M + TILE_N;
const_assert TILE_K * (STRIDE_M + STRIDE_N) >= THREADS;
const_assert SPLIT == 1u || TILE_K * (STRIDE_M + STRIDE_N) >= 4u * THREADS / SPLIT;

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
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> moments: array<f32>;
@group(0) @binding(6) var<storage, read_write> memory: array<f32>;
@group(0) @binding(7) var<storage, read_write> state: array<atomic<u32>>;

var<workgroup> slices: array<vec4<f32>, TILE_K * (STRIDE_M + STRIDE_N)>;  // of A and B, k-major, in quads
var<workgroup> coef: array<vec4<f32>, FEATURES>;  // what each feature is normalised, or pulled back, with
var<workgroup> shared_clock: vec2<u32>;

// A workgroup's part: C is (M, N), summed over K; a, b, z: where A, B and the pre-activations of B (or A) begin.
struct Job {
  role: u32, layer: u32, m0: u32, n0: u32, M: u32, K: u32, N: u32,
  tick: u32, n: i32, batch: u32, version: u32, a: u32, b: u32, z: u32,
}

// This thread's 4 x 4 elements of C.
struct Block { row: array<vec4<f32>, 4> }

// Layers are counted from 1; H + 1 is the output layer.
fn inputs_of(l: u32) -> u32 { return select(params.F, params.I, l == 1u); }
fn outputs_of(l: u32) -> u32 { return select(params.F, params.C, l > params.H); }

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
fn at_logits(batch: u32) -> u32 { return slot(params.at_logits, 1u, batch, params.B * params.C); }
fn at_dlogits(batch: u32) -> u32 { return slot(params.at_dlogits, 1u, batch, params.B * params.C); }

// The sample in row r of a batch, counted within the upload; the batches before it lie there too.
fn sample(n: i32, r: u32) -> u32 { return table[4u + u32(n + i32(params.lead)) * params.B + r]; }
fn pixel(n: i32, r: u32, i: u32) -> f32 {
  let word = pixels[sample(n, r) * params.words + i / 4u];
  return params.scale * f32((word >> (8u * (i % 4u))) & 0xffu);
}
fn label_of(n: i32, r: u32) -> u32 {
  let s = sample(n, r);
  return (labels[s / 4u] >> (8u * (s % 4u))) & 0xffu;
}

// h = max(gamma (z - mean) rstd + beta, 0), with c = (mean, rstd, gamma, beta). A NaN goes through, as max might not let it.
fn normalised(z: f32, c: vec4<f32>) -> f32 {
  let n = c.z * ((z - c.x) * c.y) + c.w;
  return select(n, 0.0, n < 0.0);
}
// dz = gamma rstd (dn - S1 / B - (z - mean) rstd S2 / B), with c = (mean, gamma rstd, S1 / B, rstd S2 / B)
fn pulled(dn: f32, z: f32, c: vec4<f32>) -> f32 { return c.y * (dn - c.z - (z - c.x) * c.w); }

// (mean, rstd, gamma, beta) of a feature as it was normalised with.
fn norm_of(l: u32, batch: u32, f: u32) -> vec4<f32> {
  let at = at_norm(l, batch) + f;
  return vec4<f32>(memory[at], memory[at + params.F], memory[at + 2u * params.F], memory[at + 3u * params.F]);
}

// Merges the tiles' means and squared distances (Chan, Golub and LeVeque 1983), lowest rows first, into the batch's.
fn merge_stats(l: u32, batch: u32, version: u32, f: u32, keep: bool) -> vec4<f32> {
  let at = at_stats(l, batch) + f;
  var count = 0.0;
  var mean = 0.0;
  var squares = 0.0;
  for (var t = 0u; t < params.tiles; t++) {
    let rows = f32(min(TILE_M, params.B - t * TILE_M));
    let tile = at + t * 2u * params.F;
    let delta = memory[tile] - mean;
    let both = count + rows;
    mean += delta * (rows / both);
    squares += memory[tile + params.F] + delta * delta * (count * rows / both);
    count = both;
  }
  let rstd = 1.0 / sqrt(squares / count + params.eps);
  let affine = at_affine(l, version) + f;
  let c = vec4<f32>(mean, rstd, weights[affine], weights[affine + params.F]);
  if (keep) {
    let norm = at_norm(l, batch) + f;
    for (var i = 0u; i < 4u; i++) { memory[norm + i * params.F] = c[i]; }
    // Moving averages for evaluation; the variance unbiased.
    let running = params.at_running + (l - 1u) * 2u * params.F + f;
    weights[running] += params.momentum * (mean - weights[running]);
    let unbiased = squares / max(count - 1.0, 1.0);
    weights[running + params.F] += params.momentum * (unbiased - weights[running + params.F]);
  }
  return c;
}

// S1 and S2 of a feature: the sums over the batch of dn and of dn xhat, the gradients of beta and of gamma.
fn merge_sums(l: u32, batch: u32, f: u32) -> vec2<f32> {
  let at = at_sums(l, batch) + f;
  var total = vec2<f32>();
  for (var t = 0u; t < select(params.tiles, params.sum_tiles, l == params.H); t++) {
    let tile = at + t * 2u * params.F;
    total += vec2<f32>(memory[tile], memory[tile + params.F]);
  }
  return total;
}

// What `pulled` needs of a feature.
fn pull_coef(l: u32, batch: u32, f: u32) -> vec4<f32> {
  let c = norm_of(l, batch, f);
  let mean = merge_sums(l, batch, f) / f32(params.B);
  return vec4<f32>(c.x, c.z * c.y, mean.x, c.y * mean.y);
}

// A[m, k]; rows and columns beyond the matrix are zero.
fn a_at(role: u32, job: Job, m: u32, k: u32) -> f32 {
  if (m >= job.M || k >= job.K) { return 0.0; }
  if (role == FORWARD || role == PREDICT) {
    if (role == FORWARD && job.layer == 1u) { return pixel(job.n, m, k); }
    return normalised(memory[job.a + m * params.F + k], coef[k]);
  }
  if (role == PULL) {
    let d = memory[job.a + m * job.K + k];
    if (job.layer > params.H) { return d; }
    return pulled(d, memory[job.z + m * params.F + k], coef[k]);
  }
  if (role == GRAD && job.layer == 1u) { return pixel(job.n, k, m); }
  if (m < params.F) { return normalised(memory[job.a + k * params.F + m], coef[m - job.m0]); }
  // Behind the features: for GRAD the output layer's bias, for TEACH the label rows and the bias.
  if (role == TEACH && m < params.F + params.U) { return select(0.0, 1.0, label_of(job.n, k) == m - params.F); }
  return 1.0;
}

// B[k, n]
fn b_at(role: u32, job: Job, k: u32, n: u32) -> f32 {
  if (k >= job.K || n >= job.N) { return 0.0; }
  if (role == FORWARD || role == PREDICT) { return weights[job.b + k * job.N + n]; }
  if (role == PULL) { return weights[job.b + n * job.K + k]; }
  let d = memory[job.b + k * job.N + n];
  if (role == TEACH || job.layer > params.H) { return d; }
  return pulled(d, memory[job.z + k * params.F + n], coef[TILE_M + n - job.n0]);
}

// Fills `coef` with what A and B need.
fn prepare(role: u32, job: Job, index: u32) {
  let l = job.layer;
  if ((role == FORWARD && l > 1u) || role == PREDICT) {
    let source = select(l, l - 1u, role == FORWARD);
    let first = job.m0 == 0u && job.n0 == 0u;
    for (var k = index; k < params.F; k += THREADS) {
      if (role == FORWARD && params.merges == 0u) { coef[k] = norm_of(source, job.batch, k); }
      else {
        let keep = first && (role == PREDICT || params.merges == 1u);
        coef[k] = merge_stats(source, job.batch, version_of(source, job.tick - params.lag_merge), k, keep);
      }
    }
  }
  if (role == PULL && l <= params.H) {
    for (var k = index; k < params.F; k += THREADS) { coef[k] = pull_coef(l, job.batch, k); }
  }
  if (role == GRAD || role == TEACH) {
    for (var i = index; i < TILE_M + TILE_N; i += THREADS) {
      let m = job.m0 + i;
      let n = job.n0 + i - TILE_M;
      if (i < TILE_M) {
        if (role == GRAD && l > 1u && m < params.F) { coef[i] = norm_of(l - 1u, job.batch, m); }
        if (role == TEACH && m < params.F) { coef[i] = norm_of(l, job.batch, m); }
      } else if (role == GRAD && l <= params.H && n < params.F) { coef[i] = pull_coef(l, job.batch, n); }
    }
  }
  workgroupBarrier();
}

// The tile of C = A B. The threads of a group make 4 x 4 elements each, from slices of A and B in workgroup memory.
fn product(role: u32, job: Job, thread: vec3<u32>, index: u32) -> Block {
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();
  for (var k0 = 0u; k0 < job.K; k0 += TILE_K) {
    // Neighbouring threads take what neighbours in memory.
    let a_by_k = role == FORWARD || role == PREDICT || role == PULL;
    for (var i = index; i < TILE_K * QUADS_M; i += THREADS) {
      let k = select(i / QUADS_M, i % TILE_K, a_by_k);
      let q = select(i % QUADS_M, i / TILE_K, a_by_k);
      let m = job.m0 + 4u * q;
      slices[k * STRIDE_M + q] = vec4<f32>(a_at(role, job, m, k0 + k), a_at(role, job, m + 1u, k0 + k),
        a_at(role, job, m + 2u, k0 + k), a_at(role, job, m + 3u, k0 + k));
    }
    for (var i = index; i < TILE_K * QUADS_N; i += THREADS) {
      let k = select(i / QUADS_N, i % TILE_K, role == PULL);
      let q = select(i % QUADS_N, i / TILE_K, role == PULL);
      let n = job.n0 + 4u * q;
      slices[SLICE_B + k * STRIDE_N + q] = vec4<f32>(b_at(role, job, k0 + k, n), b_at(role, job, k0 + k, n + 1u),
        b_at(role, job, k0 + k, n + 2u), b_at(role, job, k0 + k, n + 3u));
    }
    workgroupBarrier();
    for (var k = thread.z; k < TILE_K; k += SPLIT) {
      let x = slices[k * STRIDE_M + thread.y];
      let w = slices[SLICE_B + k * STRIDE_N + thread.x];
      sum0 += x[0] * w;
      sum1 += x[1] * w;
      sum2 += x[2] * w;
      sum3 += x[3] * w;
    }
    workgroupBarrier();
  }
  // The groups' sums, in the order of the groups, end up in group 0.
  let place = 4u * (thread.y * QUADS_N + thread.x);
  for (var g = 1u; g < SPLIT; g++) {
    if (thread.z == g) {
      slices[place] = sum0;
      slices[place + 1u] = sum1;
      slices[place + 2u] = sum2;
      slices[place + 3u] = sum3;
    }
    workgroupBarrier();
    if (thread.z == 0u) {
      sum0 += slices[place];
      sum1 += slices[place + 1u];
      sum2 += slices[place + 2u];
      sum3 += slices[place + 3u];
    }
    workgroupBarrier();
  }
  return Block(array<vec4<f32>, 4>(sum0, sum1, sum2, sum3));
}

// The sum of four columns over the rows of the tile, from what each thread of group 0 has of its own rows.
fn column_total(mine: vec4<f32>, thread: vec3<u32>) -> vec4<f32> {
  if (thread.z == 0u) { slices[thread.y * QUADS_N + thread.x] = mine; }
  workgroupBarrier();
  var total = vec4<f32>();
  for (var y = 0u; y < QUADS_M; y++) { total += slices[y * QUADS_N + thread.x]; }
  workgroupBarrier();
  return total;
}

// From each element of dh (or sg): dn where ReLU passed, and the tile's columns' sums of dn and of dn xhat.
fn mask_and_sum(role: u32, l: u32, job: Job, dh: Block, thread: vec3<u32>) {
  let m = job.m0 + 4u * thread.y;
  let n = job.n0 + 4u * thread.x;
  var sum_dn = vec4<f32>();
  var sum_dn_xhat = vec4<f32>();
  if (thread.z == 0u) {
    for (var j = 0u; j < 4u && n + j < params.F; j++) {
      var c = vec4<f32>();
      if (role == PREDICT) { c = coef[n + j]; } else { c = norm_of(l, job.batch, n + j); }
      for (var r = 0u; r < 4u && m + r < params.B; r++) {
        let i = (m + r) * params.F + n + j;
        let xhat = (memory[at_z(l, job.batch) + i] - c.x) * c.y;
        let dn = select(0.0, dh.row[r][j], c.z * xhat + c.w > 0.0);
        memory[at_dn(l, job.batch) + i] = dn;
        sum_dn[j] += dn;
        sum_dn_xhat[j] += dn * xhat;
      }
    }
  }
  sum_dn = column_total(sum_dn, thread);
  sum_dn_xhat = column_total(sum_dn_xhat, thread);
  if (thread.z == 0u && thread.y == 0u) {
    let tile = at_sums(l, job.batch) + (job.m0 / TILE_M) * 2u * params.F;
    for (var j = 0u; j < 4u && n + j < params.F; j++) {
      memory[tile + n + j] = sum_dn[j];
      memory[tile + params.F + n + j] = sum_dn_xhat[j];
      // A layer that does not wait for the loss sees for itself whether what it learns from is finite.
      if (role == PREDICT && !finite(sum_dn_xhat[j])) { atomicStore(&state[2], 1u); }
    }
  }
}

// By the exponent's bits: comparisons with a NaN may be folded away.
fn finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

// z and its columns' mean and squared distances from it over the rows of this tile; of the output layer: logits.
fn finish_forward(job: Job, z: Block, thread: vec3<u32>) {
  let m = job.m0 + 4u * thread.y;
  let n = job.n0 + 4u * thread.x;
  let l = job.layer;
  if (l > params.H) {
    for (var r = 0u; thread.z == 0u && r < 4u && m + r < params.B; r++) {
      for (var j = 0u; j < 4u && n + j < params.C; j++) {
        let bias = weights[job.b + params.F * params.C + n + j];
        memory[at_logits(job.batch) + (m + r) * params.C + n + j] = z.row[r][j] + bias;
      }
    }
    return;
  }
  var sum = vec4<f32>();
  for (var r = 0u; thread.z == 0u && r < 4u && m + r < params.B; r++) {
    sum += z.row[r];
    for (var j = 0u; j < 4u && n + j < params.F; j++) {
      memory[at_z(l, job.batch) + (m + r) * params.F + n + j] = z.row[r][j];
    }
  }
  let mean = column_total(sum, thread) / f32(min(TILE_M, params.B - job.m0));
  var squares = vec4<f32>();
  for (var r = 0u; thread.z == 0u && r < 4u && m + r < params.B; r++) {
    let d = z.row[r] - mean;
    squares += d * d;
  }
  squares = column_total(squares, thread);
  if (thread.z == 0u && thread.y == 0u) {
    let tile = at_stats(l, job.batch) + (job.m0 / TILE_M) * 2u * params.F;
    for (var j = 0u; j < 4u && n + j < params.F; j++) {
      memory[tile + n + j] = mean[j];
      memory[tile + params.F + n + j] = squares[j];
    }
  }
}

// sg = h V + U[y] + c, and what the layer learns from it.
fn finish_predict(job: Job, product_hv: Block, thread: vec3<u32>) {
  let m = job.m0 + 4u * thread.y;
  let n = job.n0 + 4u * thread.x;
  var sg = product_hv;
  for (var r = 0u; thread.z == 0u && r < 4u && m + r < params.B; r++) {
    let row = params.F + label_of(job.n, m + r);
    for (var j = 0u; j < 4u && n + j < params.F; j++) {
      if (params.U > 0u) { sg.row[r][j] += weights[job.b + row * params.F + n + j]; }
      sg.row[r][j] += weights[job.b + (params.F + params.U) * params.F + n + j];
      memory[at_sg(job.layer, job.batch) + (m + r) * params.F + n + j] = sg.row[r][j];
    }
  }
  mask_and_sum(PREDICT, job.layer, job, sg, thread);
}

// The gradient by the activations below: for the layer below to learn from, or for its predictor.
fn finish_pull(job: Job, dh: Block, thread: vec3<u32>) {
  let below = job.layer - 1u;
  if (params.masks == 1u) {
    mask_and_sum(PULL, below, job, dh, thread);
    return;
  }
  let m = job.m0 + 4u * thread.y;
  let n = job.n0 + 4u * thread.x;
  for (var r = 0u; thread.z == 0u && r < 4u && m + r < params.B; r++) {
    for (var j = 0u; j < 4u && n + j < params.F; j++) {
      let i = (m + r) * params.F + n + j;
      memory[at_err(below, job.batch) + i] = 2.0 * (memory[at_sg(below, job.batch) + i] - dh.row[r][j]);
    }
  }
}

// One Adam update (Kingma and Ba 2015) of a parameter, from the sum of its gradient over the batch.
fn adam(read: u32, write: u32, moment: u32, gradient: f32, step: vec2<f32>) {
  let g = gradient / f32(params.B);
  let m = params.beta1 * moments[moment] + (1.0 - params.beta1) * g;
  let v = params.beta2 * moments[params.at_v + moment] + (1.0 - params.beta2) * g * g;
  moments[moment] = m;
  moments[params.at_v + moment] = v;
  weights[write] = weights[read] - step.x * m / (sqrt(v) + step.y);
}

// Step size and epsilon of an update in this batch's step.
fn step_of(event: u32, n: i32) -> vec2<f32> {
  let at = params.at_updates + 2u * (event * params.capacity + u32(n));
  return vec2<f32>(bitcast<f32>(table[at]), bitcast<f32>(table[at + 1u]));
}

// dW, and Adam; the workgroups of the first rows take gamma and beta along.
fn finish_grad(job: Job, dw: Block, thread: vec3<u32>, index: u32) {
  let l = job.layer;
  let step = step_of(l - 1u, job.n + i32(way_back(l)));
  let read = at_w(l, job.version);
  let write = at_w(l, job.version + 1u);
  let moment = at_w(l, 0u);
  update(job, dw, thread, vec3<u32>(read, write, moment), step);
  if (job.m0 == 0u && l <= params.H) {
    let from_affine = at_affine(l, job.version);
    let to_affine = at_affine(l, job.version + 1u);
    for (var f = job.n0 + index; f < min(job.n0 + TILE_N, params.F); f += THREADS) {
      let sums = merge_sums(l, job.batch, f);
      adam(from_affine + f, to_affine + f, at_affine(l, 0u) + f, sums.y, step);
      let beta = params.F + f;
      adam(from_affine + beta, to_affine + beta, at_affine(l, 0u) + beta, sums.x, step);
    }
  }
}

// Adam on this thread's elements of a matrix that is read, and written, and whose moments begin, `at` these places.
fn update(job: Job, gradient: Block, thread: vec3<u32>, at: vec3<u32>, step: vec2<f32>) {
  let m = job.m0 + 4u * thread.y;
  let n = job.n0 + 4u * thread.x;
  for (var r = 0u; thread.z == 0u && r < 4u && m + r < job.M; r++) {
    for (var j = 0u; j < 4u && n + j < job.N; j++) {
      let i = (m + r) * job.N + n + j;
      adam(at.x + i, at.y + i, at.z + i, gradient.row[r][j], step);
    }
  }
}

// Softmax, cross-entropy and their gradient for the whole batch, by one workgroup; the batch's loss and correct count.
fn softmax(job: Job, index: u32) {
  var loss = 0.0;
  var correct = 0.0;
  for (var m = index; m < params.B; m += THREADS) {
    let row = at_logits(job.batch) + m * params.C;
    let label = label_of(job.n, m);
    var best = 0u;
    for (var c = 1u; c < params.C; c++) {
      if (memory[row + c] > memory[row + best]) { best = c; }
    }
    // The largest logit is taken out first, so that exp never overflows.
    let most = memory[row + best];
    var sum = 0.0;
    for (var c = 0u; c < params.C; c++) { sum += exp(memory[row + c] - most); }
    let lse = most + log(sum);
    loss += lse - memory[row + label];
    correct += select(0.0, 1.0, best == label);
    for (var c = 0u; c < params.C; c++) {
      let d = exp(memory[row + c] - lse) - select(0.0, 1.0, c == label);
      memory[at_dlogits(job.batch) + m * params.C + c] = d;
    }
  }
  slices[index] = vec4<f32>(loss, correct, 0.0, 0.0);
  workgroupBarrier();
  if (index != 0u) { return; }
  var total = slices[0];
  for (var i = 1u; i < THREADS; i++) { total += slices[i]; }
  if (!finite(total.x)) { atomicStore(&state[2], 1u); }
  atomicStore(&state[4u + u32(job.n)], bitcast<u32>(total.x / f32(params.B)));
  atomicStore(&state[4u + params.capacity + u32(job.n)], u32(total.y));
}

// Steps that layer l's gradient takes back to it, where every layer waits for the true one.
fn way_back(l: u32) -> u32 { return params.back * (params.H + 1u - l); }

// How many updates of layer l are done before a tick, all uploads together.
fn version_of(l: u32, tick: u32) -> u32 {
  let done = i32(tick) - i32(params.stagger * (l - 1u) + params.lag_grad);
  let passed = table[1] + u32(clamp(done, 0, i32(table[0])));
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
fn job_of(group: u32, tick: u32) -> Job {
  var job = Job();
  job.tick = tick;
  var rest = group;
  for (var role = FORWARD; role <= PULL; role *= 2u) {
    if ((ROLES & role) == 0u) { continue; }
    let span = span_of(role);
    for (var l = span.x; l < span.x + span.y; l++) {
      let shape = shape_of(role, l);
      let across = (shape.z + TILE_N - 1u) / TILE_N;
      let count = across * ((shape.x + TILE_M - 1u) / TILE_M);
      if (rest < count) {
        job.role = role;
        job.layer = l;
        job.m0 = rest / across * TILE_M;
        job.n0 = rest % across * TILE_N;
        job.M = shape.x;
        job.K = shape.y;
        job.N = shape.z;
        return job;
      }
      rest -= count;
    }
  }
  return job;
}

// Counts the tick, and at the end of a step that leaves its loss in tiles adds them up.
fn keep_time(tick: u32) {
  if (params.loss_tiles > 0u) {
    var total = vec2<f32>();
    for (var t = 0u; t < params.loss_tiles; t++) {
      total += vec2<f32>(memory[params.at_loss + 2u * t], memory[params.at_loss + 2u * t + 1u]);
    }
    atomicStore(&state[4u + tick], bitcast<u32>(total.x / f32(params.B)));
    atomicStore(&state[4u + params.capacity + tick], u32(total.y));
  }
  if (params.next != params.clock) { atomicStore(&state[params.next], tick + params.advance); }
}

fn run(role: u32, found: Job, thread: vec3<u32>, index: u32) {
  var job = found;
  let l = job.layer;
  // This job's batch: nothing is done before the first of the upload has come here, and after the last.
  var lag = 0u;
  if (role == PREDICT) { lag = params.lag_predict; }
  if (role == GRAD || role == PULL) { lag = params.lag_grad; }
  let tick = i32(job.tick) - i32(params.stagger * (l - 1u) + lag);
  if (tick < 0 || tick >= i32(table[0])) { return; }
  job.n = tick;
  if (role == TEACH) {
    // A predictor learns from an earlier batch; before the first there is nothing to learn.
    job.n = tick - i32(params.lag_teach);
    job.version = table[1] + u32(tick);
    job.batch = table[1] + u32(tick) - params.lag_teach;
  } else {
    job.version = version_of(l, job.tick);
    job.batch = table[1] + u32(tick);
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
  prepare(role, job, index);
  let c = product(role, job, thread, index);
  switch (role) {
    case FORWARD: { finish_forward(job, c, thread); }
    case PREDICT: { finish_predict(job, c, thread); }
    case PULL: { finish_pull(job, c, thread); }
    case GRAD: { finish_grad(job, c, thread, index); }
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
  // The tick, and the flag: once something was not finite everything stays as it is.
  if (index == 0u) { shared_clock = vec2<u32>(atomicLoad(&state[params.clock]), atomicLoad(&state[2])); }
  let clock = workgroupUniformLoad(&shared_clock);
  if (clock.y != 0u) { return; }
  if (group.x == 0u && index == 0u) { keep_time(clock.x); }
  let job = job_of(group.x, clock.x);
  // One copy of the code for each role that this pipeline has, so that nothing of a role is decided in the inner loops.
  switch (job.role) {
    case FORWARD: { if ((ROLES & FORWARD) != 0u) { run(FORWARD, job, thread, index); } }
    case TEACH: { if ((ROLES & TEACH) != 0u) { run(TEACH, job, thread, index); } }
    case PREDICT: { if ((ROLES & PREDICT) != 0u) { run(PREDICT, job, thread, index); } }
    case GRAD: { if ((ROLES & GRAD) != 0u) { run(GRAD, job, thread, index); } }
    default: { if ((ROLES & PULL) != 0u) { run(PULL, job, thread, index); } }
  }
}
