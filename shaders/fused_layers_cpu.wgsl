// fused_layers_cpu: whole layers of a training step in one dispatch, for drivers that run on the processor
//   The roles, formulas, params and buffers of fused_layers, with no workgroup memory and no barrier. A workgroup is one
//   subgroup; its lanes load what they need of A and B once, and hand it to one another (subgroupBroadcast).
//   FORWARD, PREDICT and PULL: a workgroup has SIDE whole columns, all rows of the batch. So there are no tiles of
//   statistics: FORWARD itself writes mean and rstd, in two passes, and moves the running statistics; sums are one tile.
//   Where fused_layers leaves dn, what is left here is dz, as whoever makes dn has its columns' sums as well.
//   GRAD and TEACH: a workgroup has SIDE x SIDE elements of the weights, and updates them.
//   grid: the jobs, in one row, dealt from PILES piles      layout of the buffers: src/reference/fused/layout.ts
//   CPU form      twin: src/reference/fused/layers.ts      maths: docs/12-fused.md, docs/15-fused-cpu.md
enable subgroups;
// Nothing that decides whether a subgroup operation is reached differs inside a workgroup, which is one subgroup; but the
// compiler takes whatever was read from memory that is also written to differ.
diagnostic(off, subgroup_uniformity);

// Lanes of a subgroup, which are the threads of a workgroup: 4 or 8.
const LANES: u32 = 8u;
// Piles that the jobs are dealt from.
const PILES: u32 = 8u;
// The roles that this pipeline is compiled for.
const ROLES: u32 = 31u;
// Less than B by this is what the running variance divides by: 1, unbiased, or 0.
const BESSEL: u32 = 1u;

const FORWARD = 1u;
const TEACH = 2u;
const PREDICT = 4u;
const GRAD = 8u;
const PULL = 16u;

// A lane has 4 rows and 4 columns of a block of C.
const SIDE = 4u * LANES;
const_assert LANES == 4u || LANES == 8u;
// Whether a role's product decides in its loop where A lies, pixels or memory. Mesa's compiler takes long for a copy of the
// product, and its code jumps over what is not to be done. SwiftShader's runs through both ways of a branch under masks, and
// there each has a copy.
const SHARED = LANES > 4u;

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

// A workgroup's part: rows m0 to m1 of SIDE columns of C, which is (M, N), summed over K; a, b: where A and B begin.
struct Job {
  role: u32, layer: u32, m0: u32, m1: u32, n0: u32, M: u32, K: u32, N: u32,
  tick: u32, n: i32, batch: u32, version: u32, a: u32, b: u32,
}

// What `product` leaves: SIDE rows of C, of which a lane has 4 columns; of 4 lanes the first 16 rows. As a value it would be
// copied wherever it goes.
var<private> rows_c: array<vec4<f32>, 32>;

// What a lane keeps for all k: where its 4 rows of A and columns of B lie, and how far it is to the next k. Where A is
// normalised by row, with what. Where it is by k, lane i and lane 4 + i load the i-th of mean, rstd, gamma, beta: from where
// on, and whether it was kept there.
struct Side {
  a: vec4<u32>, b: vec4<u32>, step_a: u32, step_b: u32,
  mean: vec4<f32>, rstd: vec4<f32>, gamma: vec4<f32>, beta: vec4<f32>, onehot: vec4<u32>,
  norm: u32, is_kept: bool,
}

// What k and k + 1 need and all lanes share: what a feature is normalised with (mean, rstd, gamma, beta), where a sample's
// pixels begin, or its label.
struct Pair { norm: vec4<f32>, next_norm: vec4<f32>, number: u32, next_number: u32 }

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
fn at_dz(l: u32, batch: u32) -> u32 { return slot(params.at_dn, l, batch, params.B * params.F); }
fn at_sg(l: u32, batch: u32) -> u32 { return slot(params.at_sg, l, batch, params.B * params.F); }
fn at_err(l: u32, batch: u32) -> u32 { return slot(params.at_err, l, batch, params.B * params.F); }
fn at_sums(l: u32, batch: u32) -> u32 { return slot(params.at_sums, l, batch, params.sum_tiles * 2u * params.F); }
fn at_logits(batch: u32) -> u32 { return slot(params.at_logits, 1u, batch, params.B * params.C); }
fn at_dlogits(batch: u32) -> u32 { return slot(params.at_dlogits, 1u, batch, params.B * params.C); }

// The sample in row r of a batch, counted within the upload; the batches before it lie there too.
fn sample(n: i32, r: u32) -> u32 { return table[4u + u32(n + i32(params.lead)) * params.B + r]; }
fn label_of(n: i32, r: u32) -> u32 {
  let s = sample(n, r);
  return (labels[s / 4u] >> (8u * (s % 4u))) & 0xffu;
}

// By the exponent's bits: comparisons with a NaN may be folded away.
fn finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

// h = max(gamma (z - mean) rstd + beta, 0); select lets a NaN through
fn normalised(z: vec4<f32>, mean: vec4<f32>, rstd: vec4<f32>, gamma: vec4<f32>, beta: vec4<f32>) -> vec4<f32> {
  let n = gamma * ((z - mean) * rstd) + beta;
  return select(n, vec4<f32>(), n < vec4<f32>());
}

// Whether A is normalised by row, since k runs over samples; else by k.
fn by_row(role: u32) -> bool { return role == GRAD || role == TEACH; }

// 4, which a compiler cannot know, so that it leaves a loop a loop: what it takes grows with the square of the code.
fn four() -> u32 { return 4u * min(params.B, 1u); }

// 4 elements of a row in `memory`, or in `weights`.
fn load(row: u32, at: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(memory[row + at[0]], memory[row + at[1]], memory[row + at[2]], memory[row + at[3]]);
}
fn load_weights(row: u32, at: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(weights[row + at[0]], weights[row + at[1]], weights[row + at[2]], weights[row + at[3]]);
}

// This lane's 4 columns of C, the last one repeated past the edge.
fn columns(job: Job, lane: u32) -> vec4<u32> {
  return min(vec4<u32>(job.n0 + 4u * lane) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(job.N - 1u));
}

// What this lane keeps for rows m0 to m0 + SIDE of C.
fn side_of(role: u32, bytes: bool, job: Job, m0: u32, lane: u32) -> Side {
  var side = Side();
  let cols = columns(job, lane);
  side.b = job.b + select(cols, cols * job.K, role == PULL);
  side.step_b = select(job.N, 1u, role == PULL);
  side.step_a = select(1u, params.F, by_row(role));
  let rows = vec4<u32>(m0 + 4u * lane) + vec4<u32>(0u, 1u, 2u, 3u);
  if (bytes && role == GRAD) {
    // The 4 rows are the bytes of a word.
    side.a = vec4<u32>(min(rows[0] / 4u, params.words - 1u));
    return side;
  }
  if (by_row(role)) {
    let l = select(job.layer, job.layer - 1u, role == GRAD);
    let f = min(rows, vec4<u32>(params.F - 1u));
    side.a = job.a + f;
    let norm = at_norm(l, job.batch);
    for (var q = 0u; q < four(); q++) {
      side.mean[q] = memory[norm + f[q]];
      side.rstd[q] = memory[norm + params.F + f[q]];
      side.gamma[q] = memory[norm + 2u * params.F + f[q]];
      side.beta[q] = memory[norm + 3u * params.F + f[q]];
    }
    // Behind the features: the bias's row of ones, made as gamma = 0 and beta = 1, and before it for TEACH the labels'.
    let beyond = rows >= vec4<u32>(params.F);
    side.gamma = select(side.gamma, vec4<f32>(), beyond);
    side.beta = select(side.beta, vec4<f32>(1.0), beyond);
    if (role == TEACH) {
      let label = rows < vec4<u32>(params.F + params.U);
      side.beta = select(side.beta, vec4<f32>(), beyond & label);
      side.onehot = select(vec4<u32>(0xffffffffu), rows - params.F, beyond & label);
    }
    return side;
  }
  let row = min(rows, vec4<u32>(params.B - 1u));
  if (bytes) {
    for (var q = 0u; q < four(); q++) { side.a[q] = params.words * sample(job.n, row[q]); }
  } else {
    side.a = job.a + row * job.K;
  }
  if ((role == FORWARD && !bytes) || role == PREDICT) {
    let source = select(job.layer, job.layer - 1u, role == FORWARD);
    let i = lane % 4u;
    side.is_kept = i < 2u || (role == FORWARD && params.merges == 0u);
    let affine = at_affine(source, version_of(source, job.tick - params.lag_merge)) + (i - 2u) * params.F;
    side.norm = select(affine, at_norm(source, job.batch) + i * params.F, side.is_kept);
  }
  return side;
}

// This lane's one of the four numbers that feature k is normalised with: gamma and beta as they were kept, or as they are now.
fn norm_at(side: Side, k: u32) -> f32 {
  var c = 0.0;
  if (side.is_kept) { c = memory[side.norm + k]; } else { c = weights[side.norm + k]; }
  return c;
}

// What k and `next` need. Of 8 lanes the lower half loads what is for k; 4 lanes load twice.
fn pair_of(role: u32, bytes: bool, job: Job, side: Side, k: u32, next: u32, lane: u32) -> Pair {
  var pair = Pair();
  if ((role == FORWARD && !bytes) || role == PREDICT) {
    let c = norm_at(side, select(k, next, lane >= 4u));
    var d = c;
    if (LANES == 4u) { d = norm_at(side, next); }
    pair.norm = vec4<f32>(
      subgroupBroadcast(c, 0u), subgroupBroadcast(c, 1u), subgroupBroadcast(c, 2u), subgroupBroadcast(c, 3u));
    pair.next_norm = vec4<f32>(subgroupBroadcast(d, LANES - 4u), subgroupBroadcast(d, LANES - 3u),
      subgroupBroadcast(d, LANES - 2u), subgroupBroadcast(d, LANES - 1u));
  } else if ((bytes && role == GRAD) || role == TEACH) {
    let own = select(k, next, lane % 2u == 1u);
    var number = 0u;
    if (role == TEACH) { number = label_of(job.n, own); } else { number = sample(job.n, own) * params.words; }
    pair.number = subgroupBroadcast(number, 0u);
    pair.next_number = subgroupBroadcast(number, 1u);
  }
  return pair;
}

// A[m, k] of this lane's 4 rows m, with what k needs.
fn a_at(role: u32, bytes: bool, side: Side, k: u32, norm: vec4<f32>, number: u32) -> vec4<f32> {
  if (bytes && role == GRAD) {
    let word = pixels[number + side.a[0]];
    return params.scale * vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xffu));
  }
  let a = load(k * side.step_a, side.a);
  if (role == PULL) { return a; }
  let rows = by_row(role);
  let h = normalised(a, select(vec4<f32>(norm[0]), side.mean, rows), select(vec4<f32>(norm[1]), side.rstd, rows),
    select(vec4<f32>(norm[2]), side.gamma, rows), select(vec4<f32>(norm[3]), side.beta, rows));
  return select(h, vec4<f32>(1.0), vec4<bool>(role == TEACH) & (side.onehot == vec4<u32>(number)));
}

// Two bytes, the first and the second of a word's half, of this lane's 4 rows.
fn pixels_at(side: Side, k: u32) -> array<vec4<f32>, 2> {
  let at = side.a + k / 4u;
  let words = vec4<u32>(pixels[at[0]], pixels[at[1]], pixels[at[2]], pixels[at[3]]);
  let half = select(words, words >> vec4<u32>(16u), k % 4u == 2u);
  return array<vec4<f32>, 2>(
    params.scale * vec4<f32>(half & vec4<u32>(0xffu)),
    params.scale * vec4<f32>((half >> vec4<u32>(8u)) & vec4<u32>(0xffu)));
}

// B[k, n] of this lane's 4 columns n.
fn b_at(role: u32, side: Side, k: u32) -> vec4<f32> {
  if (by_row(role)) { return load(k * side.step_b, side.b); }
  return load_weights(k * side.step_b, side.b);
}

// SIDE rows of C = A B, from row m0 on, into `rows_c`.
fn product(role: u32, bytes: bool, job: Job, m0: u32, lane: u32) {
  let side = side_of(role, bytes, job, m0, lane);
  var r0 = vec4<f32>(); var r1 = vec4<f32>(); var r2 = vec4<f32>(); var r3 = vec4<f32>();
  var r4 = vec4<f32>(); var r5 = vec4<f32>(); var r6 = vec4<f32>(); var r7 = vec4<f32>();
  var r8 = vec4<f32>(); var r9 = vec4<f32>(); var r10 = vec4<f32>(); var r11 = vec4<f32>();
  var r12 = vec4<f32>(); var r13 = vec4<f32>(); var r14 = vec4<f32>(); var r15 = vec4<f32>();
  var r16 = vec4<f32>(); var r17 = vec4<f32>(); var r18 = vec4<f32>(); var r19 = vec4<f32>();
  var r20 = vec4<f32>(); var r21 = vec4<f32>(); var r22 = vec4<f32>(); var r23 = vec4<f32>();
  var r24 = vec4<f32>(); var r25 = vec4<f32>(); var r26 = vec4<f32>(); var r27 = vec4<f32>();
  var r28 = vec4<f32>(); var r29 = vec4<f32>(); var r30 = vec4<f32>(); var r31 = vec4<f32>();
  // C[m, n] += A[m, k] B[k, n] + A[m, k + 1] B[k + 1, n]; of an odd number the last k + 1 is 0 times k.
  for (var k = 0u; k < job.K; k += 2u) {
    let next = min(k + 1u, job.K - 1u);
    var x = vec4<f32>();
    var y = vec4<f32>();
    if (bytes && role == FORWARD) {
      let both = pixels_at(side, k);
      x = both[0];
      y = both[1];
    } else {
      let pair = pair_of(role, bytes, job, side, k, next, lane);
      x = a_at(role, bytes, side, k, pair.norm, pair.number);
      y = a_at(role, bytes, side, next, pair.next_norm, pair.next_number);
    }
    y = select(vec4<f32>(), y, next > k);
    let w = b_at(role, side, k);
    let v = b_at(role, side, next);
    let x0 = subgroupBroadcast(x, 0u);
    let y0 = subgroupBroadcast(y, 0u);
    r0 += x0[0] * w + y0[0] * v;
    r1 += x0[1] * w + y0[1] * v;
    r2 += x0[2] * w + y0[2] * v;
    r3 += x0[3] * w + y0[3] * v;
    let x1 = subgroupBroadcast(x, 1u);
    let y1 = subgroupBroadcast(y, 1u);
    r4 += x1[0] * w + y1[0] * v;
    r5 += x1[1] * w + y1[1] * v;
    r6 += x1[2] * w + y1[2] * v;
    r7 += x1[3] * w + y1[3] * v;
    let x2 = subgroupBroadcast(x, 2u);
    let y2 = subgroupBroadcast(y, 2u);
    r8 += x2[0] * w + y2[0] * v;
    r9 += x2[1] * w + y2[1] * v;
    r10 += x2[2] * w + y2[2] * v;
    r11 += x2[3] * w + y2[3] * v;
    let x3 = subgroupBroadcast(x, 3u);
    let y3 = subgroupBroadcast(y, 3u);
    r12 += x3[0] * w + y3[0] * v;
    r13 += x3[1] * w + y3[1] * v;
    r14 += x3[2] * w + y3[2] * v;
    r15 += x3[3] * w + y3[3] * v;
    if (LANES > 4u) {
      let x4 = subgroupBroadcast(x, 4u);
      let y4 = subgroupBroadcast(y, 4u);
      r16 += x4[0] * w + y4[0] * v;
      r17 += x4[1] * w + y4[1] * v;
      r18 += x4[2] * w + y4[2] * v;
      r19 += x4[3] * w + y4[3] * v;
      let x5 = subgroupBroadcast(x, 5u);
      let y5 = subgroupBroadcast(y, 5u);
      r20 += x5[0] * w + y5[0] * v;
      r21 += x5[1] * w + y5[1] * v;
      r22 += x5[2] * w + y5[2] * v;
      r23 += x5[3] * w + y5[3] * v;
      let x6 = subgroupBroadcast(x, 6u);
      let y6 = subgroupBroadcast(y, 6u);
      r24 += x6[0] * w + y6[0] * v;
      r25 += x6[1] * w + y6[1] * v;
      r26 += x6[2] * w + y6[2] * v;
      r27 += x6[3] * w + y6[3] * v;
      let x7 = subgroupBroadcast(x, 7u);
      let y7 = subgroupBroadcast(y, 7u);
      r28 += x7[0] * w + y7[0] * v;
      r29 += x7[1] * w + y7[1] * v;
      r30 += x7[2] * w + y7[2] * v;
      r31 += x7[3] * w + y7[3] * v;
    }
  }
  rows_c = array<vec4<f32>, 32>(
    r0, r1, r2, r3, r4, r5, r6, r7,
    r8, r9, r10, r11, r12, r13, r14, r15,
    r16, r17, r18, r19, r20, r21, r22, r23,
    r24, r25, r26, r27, r28, r29, r30, r31,
  );
}

// Row r of `rows_c`, chosen by the bits of r. An index would do; but Mesa makes a tree of branches of that, and what its compiler
// takes grows with the square of the branches.
fn row_at(r: u32) -> vec4<f32> {
  let b0 = (r & 1u) != 0u;
  let b1 = (r & 2u) != 0u;
  let b2 = (r & 4u) != 0u;
  let b3 = (r & 8u) != 0u;
  let q0 = select(select(rows_c[0], rows_c[1], b0), select(rows_c[2], rows_c[3], b0), b1);
  let q1 = select(select(rows_c[4], rows_c[5], b0), select(rows_c[6], rows_c[7], b0), b1);
  let q2 = select(select(rows_c[8], rows_c[9], b0), select(rows_c[10], rows_c[11], b0), b1);
  let q3 = select(select(rows_c[12], rows_c[13], b0), select(rows_c[14], rows_c[15], b0), b1);
  let q4 = select(select(rows_c[16], rows_c[17], b0), select(rows_c[18], rows_c[19], b0), b1);
  let q5 = select(select(rows_c[20], rows_c[21], b0), select(rows_c[22], rows_c[23], b0), b1);
  let q6 = select(select(rows_c[24], rows_c[25], b0), select(rows_c[26], rows_c[27], b0), b1);
  let q7 = select(select(rows_c[28], rows_c[29], b0), select(rows_c[30], rows_c[31], b0), b1);
  let h0 = select(select(q0, q1, b2), select(q2, q3, b2), b3);
  let h1 = select(select(q4, q5, b2), select(q6, q7, b2), b3);
  return select(h0, h1, (r & 16u) != 0u);
}

// Where element e of rows m0 on of this lane's columns lies in a matrix of N columns: row by row, 4 in each.
struct Place { row: u32, col: u32, at: u32, is_there: bool }
fn place_of(job: Job, m0: u32, lane: u32, e: u32) -> Place {
  let n = job.n0 + 4u * lane + e % 4u;
  return Place(e / 4u, e % 4u, (m0 + e / 4u) * job.N + n, n < job.N);
}

// The columns' mean and 1 / sqrt(var + eps) of layer l's z, which lies from `to` on, and the running statistics.
fn take_statistics(l: u32, job: Job, to: u32, lane: u32) {
  // Each lane reads what it has written.
  for (var f = job.n0 + 4u * lane; f < min(job.n0 + 4u * lane + 4u, params.F); f++) {
    var sum = 0.0;
    for (var m = 0u; m < params.B; m++) { sum += memory[to + m * params.F + f]; }
    let mean = sum / f32(params.B);
    // A second pass, so that nothing cancels.
    var squares = 0.0;
    for (var m = 0u; m < params.B; m++) {
      let d = memory[to + m * params.F + f] - mean;
      squares += d * d;
    }
    let norm = at_norm(l, job.batch) + f;
    memory[norm] = mean;
    memory[norm + params.F] = 1.0 / sqrt(squares / f32(params.B) + params.eps);
    // Moving averages for evaluation; the variance unbiased unless BESSEL is 0.
    let running = params.at_running + (l - 1u) * 2u * params.F + f;
    weights[running] += params.momentum * (mean - weights[running]);
    let unbiased = squares / max(f32(params.B) - f32(BESSEL), 1.0);
    weights[running + params.F] += params.momentum * (unbiased - weights[running + params.F]);
  }
}

// Keeps gamma and beta of a layer as its batch is normalised with them.
fn keep_affine(l: u32, job: Job, lane: u32) {
  let source = at_affine(l, version_of(l, job.tick - params.lag_merge));
  let to = at_norm(l, job.batch) + 2u * params.F;
  for (var i = lane; i < 2u * params.F; i += LANES) { memory[to + i] = weights[source + i]; }
}

// From dh, the gradient by the activations of layer l, that by its pre-activations, each lane from what it has written:
//   dn = dh where ReLU passed      S1, S2: the sums over the batch of dn and of dn xhat, the gradients of beta and of gamma
//   dz = gamma rstd (dn - S1 / B - xhat S2 / B)
// gamma and beta lie from `affine` on: in `weights`, or as they were kept. Returns whether all sums are finite.
fn differentiate(l: u32, job: Job, dh: u32, learned: bool, lane: u32) -> bool {
  var all_finite = true;
  let z = at_z(l, job.batch);
  for (var f = job.n0 + 4u * lane; f < min(job.n0 + 4u * lane + 4u, params.F); f++) {
    let norm = at_norm(l, job.batch) + f;
    let mean = memory[norm];
    let rstd = memory[norm + params.F];
    var gamma = 0.0;
    var beta = 0.0;
    if (learned) {
      let affine = at_affine(l, version_of(l, job.tick)) + f;
      gamma = weights[affine];
      beta = weights[affine + params.F];
      memory[norm + 2u * params.F] = gamma;
      memory[norm + 3u * params.F] = beta;
    } else {
      gamma = memory[norm + 2u * params.F];
      beta = memory[norm + 3u * params.F];
    }
    var sum_dn = 0.0;
    var sum_dn_xhat = 0.0;
    for (var m = 0u; m < params.B; m++) {
      let xhat = (memory[z + m * params.F + f] - mean) * rstd;
      let dn = select(0.0, memory[dh + m * params.F + f], gamma * xhat + beta > 0.0);
      sum_dn += dn;
      sum_dn_xhat += dn * xhat;
    }
    let sums = at_sums(l, job.batch) + f;
    memory[sums] = sum_dn;
    memory[sums + params.F] = sum_dn_xhat;
    all_finite = all_finite && finite(sum_dn_xhat);
    let mean_dn = sum_dn / f32(params.B);
    let slope = sum_dn_xhat / f32(params.B);
    for (var m = 0u; m < params.B; m++) {
      let xhat = (memory[z + m * params.F + f] - mean) * rstd;
      let dn = select(0.0, memory[dh + m * params.F + f], gamma * xhat + beta > 0.0);
      memory[at_dz(l, job.batch) + m * params.F + f] = gamma * rstd * (dn - mean_dn - xhat * slope);
    }
  }
  return all_finite;
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

// Adam on gamma and beta of this lane's 4 columns, whose gradients are sums over the batch.
fn update_affine(job: Job, lane: u32, step: vec2<f32>) {
  let l = job.layer;
  let read = at_affine(l, job.version);
  let write = at_affine(l, job.version + 1u);
  let moment = at_affine(l, 0u);
  let sums = at_sums(l, job.batch);
  for (var e = 0u; e < 2u * four(); e++) {
    // The sums of beta lie before those of gamma.
    let f = job.n0 + 4u * lane + e % 4u;
    let i = f + select(0u, params.F, e >= 4u);
    if (f < params.F) { adam(read + i, write + i, moment + i, memory[sums + f + select(params.F, 0u, e >= 4u)], step); }
  }
}

// log(1 + x) for x >= 0, with a small relative error where log's own is absolute: 2 artanh(x / (2 + x)), as a series
fn log1p(x: f32) -> f32 {
  if (x >= 0.5) { return log(1.0 + x); }
  let s = x / (2.0 + x);
  let q = s * s;
  return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0))));
}

// Softmax, cross-entropy and their gradient for the whole batch, a row for each lane; the batch's loss and correct count.
fn softmax(job: Job, lane: u32) {
  var loss = 0.0;
  var correct = 0.0;
  for (var m = lane; m < params.B; m += LANES) {
    let row = at_logits(job.batch) + m * params.C;
    let label = label_of(job.n, m);
    var best = 0u;
    var most = memory[row];
    for (var c = 1u; c < params.C; c++) {
      if (memory[row + c] > most) {
        best = c;
        most = memory[row + c];
      }
    }
    // The largest logit is taken out first, so that exp never overflows.
    // Of the terms all but the largest, which is 1; and all but the label's, whose gradient is minus the sum of the others'.
    var rest = 0.0;
    var others = 0.0;
    for (var c = 0u; c < params.C; c++) {
      let term = exp(memory[row + c] - most);
      rest += select(term, 0.0, c == best);
      others += select(term, 0.0, c == label);
    }
    loss += log1p(rest) + (most - memory[row + label]);
    correct += select(0.0, 1.0, best == label);
    for (var c = 0u; c < params.C; c++) {
      let d = select(exp(memory[row + c] - most), -others, c == label) / (1.0 + rest);
      memory[at_dlogits(job.batch) + m * params.C + c] = d;
    }
  }
  loss = subgroupAdd(loss);
  correct = subgroupAdd(correct);
  if (lane != 0u) { return; }
  if (!finite(loss)) { atomicStore(&state[2], 1u); }
  atomicStore(&state[4u + u32(job.n)], bitcast<u32>(loss / f32(params.B)));
  atomicStore(&state[4u + params.capacity + u32(job.n)], u32(correct));
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

// Whether a workgroup has whole columns, since it needs sums over the batch.
fn is_whole(role: u32, l: u32) -> bool {
  return (role == FORWARD && l <= params.H) || role == PREDICT || (role == PULL && params.masks == 1u);
}

// Which role, layer and part of C the number-th job is.
fn job_of(number: u32, tick: u32) -> Job {
  var job = Job();
  job.tick = tick;
  var rest = number;
  for (var role = FORWARD; role <= PULL; role *= 2u) {
    if ((ROLES & role) == 0u) { continue; }
    let span = span_of(role);
    for (var l = span.x; l < span.x + span.y; l++) {
      let shape = shape_of(role, l);
      let across = (shape.z + SIDE - 1u) / SIDE;
      let rows = select(SIDE, shape.x, is_whole(role, l));
      let count = across * ((shape.x + rows - 1u) / rows);
      if (rest < count) {
        job.role = role;
        job.layer = l;
        job.m0 = rest / across * rows;
        job.m1 = min(job.m0 + rows, shape.x);
        job.n0 = rest % across * SIDE;
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

// A job of a role, which is a constant here: what depends on it is settled when the code is compiled.
fn run(role: u32, found: Job, lane: u32) {
  var job = found;
  let l = job.layer;
  // This job's batch: nothing is done before the first of the upload has come here, and after the last.
  var lag = 0u;
  if (role == PREDICT) { lag = params.lag_predict; }
  if (role == GRAD || role == PULL) { lag = params.lag_grad; }
  let tick = i32(job.tick) - i32(params.stagger * (l - 1u) + lag);
  if (tick < 0 || tick >= i32(table[0])) { return; }
  job.n = tick;
  job.version = version_of(l, job.tick);
  job.batch = table[1] + u32(tick);
  if (role == TEACH) {
    // A predictor learns from an earlier batch; before the first there is nothing to learn.
    job.n = tick - i32(params.lag_teach);
    job.version = table[1] + u32(tick);
    if (job.version < params.lag_teach) { return; }
    job.batch = job.version - params.lag_teach;
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
    softmax(job, lane);
    return;
  }
  let outputs = l > params.H;
  let below = l - 1u;
  let bytes = l == 1u && (role == FORWARD || role == GRAD);
  // Where an element of C goes in `memory`; of GRAD and TEACH where in `weights` it is read and written, and its moments.
  var to = 0u;
  var at = vec3<u32>();
  var step = vec2<f32>();
  if (role == FORWARD) {
    if (l > 1u) { job.a = at_z(below, job.batch); }
    job.b = at_w(l, job.version);
    to = select(at_z(l, job.batch), at_logits(job.batch), outputs);
  }
  if (role == PREDICT) {
    job.a = at_z(l, job.batch);
    job.b = at_model(l, job.batch + params.lag_predict);
    to = at_sg(l, job.batch);
  }
  if (role == PULL) {
    job.a = select(at_dz(l, job.batch), at_dlogits(job.batch), outputs);
    job.b = at_w(l, job.version);
    to = select(at_err(below, job.batch), at_dz(below, job.batch), params.masks == 1u);
  }
  if (role == GRAD) {
    if (l > 1u) { job.a = at_z(below, job.batch); }
    job.b = select(at_dz(l, job.batch), at_dlogits(job.batch), outputs);
    at = vec3<u32>(at_w(l, job.version), at_w(l, job.version + 1u), at_w(l, 0u));
    step = step_of(below, job.n + i32(way_back(l)));
  }
  if (role == TEACH) {
    job.a = at_z(l, job.batch);
    job.b = at_err(l, job.batch);
    at = vec3<u32>(at_model(l, job.version), at_model(l, job.version + 1u), at_model(l, 0u) - params.at_models + params.w_size);
    step = step_of(params.H + l, job.n + i32(params.lag_teach));
  }

  for (var m0 = job.m0; m0 < job.m1; m0 += SIDE) {
    if (SHARED) { product(role, bytes, job, m0, lane); }
    else if (bytes) { product(role, true, job, m0, lane); }
    else { product(role, false, job, m0, lane); }
    for (var e = 0u; e < 4u * min(SIDE, job.m1 - m0); e++) {
      let p = place_of(job, m0, lane, e);
      if (p.is_there) {
        var x = row_at(p.row)[p.col];
        let column = job.n0 + 4u * lane + p.col;
        if (by_row(role)) {
          // dW, or d[V U c].
          adam(at.x + p.at, at.y + p.at, at.z + p.at, x, step);
        } else {
          // z; of the output layer: logits.
          if (role == FORWARD && outputs) { x += weights[job.b + params.F * params.C + column]; }
          // sg = h V + U[y] + c
          if (role == PREDICT) {
            let models = job.b + params.F * params.F + column;
            if (params.U > 0u) { x += weights[models + label_of(job.n, m0 + p.row) * params.F]; }
            x += weights[models + params.U * params.F];
          }
          // The gradient by the activations below: for the layer below to learn from, or for its predictor.
          if (role == PULL && params.masks == 0u) { x = 2.0 * (memory[at_sg(below, job.batch) + p.at] - x); }
          memory[to + p.at] = x;
        }
      }
    }
  }

  if (role == FORWARD) {
    if (l > 1u && params.merges == 1u && job.m0 == 0u && job.n0 == 0u) { keep_affine(below, job, lane); }
    if (!outputs) { take_statistics(l, job, to, lane); }
  }
  // The workgroups of the first rows take gamma and beta along.
  if (role == GRAD && job.m0 == 0u && !outputs) { update_affine(job, lane, step); }
  if (role == PREDICT || (role == PULL && params.masks == 1u)) {
    let learned = role == PREDICT;
    let all_finite = differentiate(select(below, l, learned), job, to, learned, lane);
    // A layer that does not wait for the loss sees for itself whether what it learns from is finite.
    if (learned && !all_finite) { atomicStore(&state[2], 1u); }
  }
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  // The tick, and the flag: once something was not finite everything stays as it is.
  let tick = subgroupBroadcastFirst(atomicLoad(&state[params.clock]));
  if (subgroupBroadcastFirst(atomicLoad(&state[2])) != 0u) { return; }
  if (group.x == 0u && lane == 0u) { keep_time(tick); }
  // Drivers give each of their threads as many neighbouring workgroups: jobs of all kinds, if they are dealt like cards.
  let job = job_of(group.x % PILES * (groups.x / PILES) + group.x / PILES, tick);
  // One copy of the code for each role, so that nothing of a role is decided in the inner loops.
  switch (job.role) {
    case FORWARD: { if ((ROLES & FORWARD) != 0u) { run(FORWARD, job, lane); } }
    case TEACH: { if ((ROLES & TEACH) != 0u) { run(TEACH, job, lane); } }
    case PREDICT: { if ((ROLES & PREDICT) != 0u) { run(PREDICT, job, lane); } }
    case GRAD: { if ((ROLES & GRAD) != 0u) { run(GRAD, job, lane); } }
    case PULL: { if ((ROLES & PULL) != 0u) { run(PULL, job, lane); } }
    default: {}
  }
}
