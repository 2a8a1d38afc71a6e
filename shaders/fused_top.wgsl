// fused_top: the top of a backpropagation step in one dispatch, from the last hidden layer's z to its dn
//   h = max(gamma (z - mean) rstd + beta, 0)     logits = h W + bias     loss = -log softmax(logits)[y]
//   dlogits = softmax(logits) - onehot(y)        dn = dlogits W^T where ReLU passed
//   and for each tile of ROWS rows: the columns' sums of dn and of dn xhat, the loss, the correct count
//   memory holds z (B, F), the tile statistics of z, and takes the rest; w: W (F, C), the bias (C) behind it
//   F is a multiple of 4, and rows of C classes are filled up to one. Threads share out the columns, then the logits, then the columns.
//   grid: ceil(B / ROWS)      layout: src/reference/fused/layout.ts
//   GPU form      twin: src/reference/fused/top.ts      maths: docs/12-fused.md, docs/14-fused-shaders.md
const ROWS: u32 = 8u;
// Threads for each row.
const LANES: u32 = 32u;
// Rows of a tile of statistics: the TILE_M of fused_layers.
const TILE_M: u32 = 32u;
// Most units of a hidden layer, and most classes.
const FEATURES: u32 = 256u;
const CLASSES: u32 = 16u;
// Less than B by this is what the running variance divides by: 1, unbiased, or 0.
const BESSEL: u32 = 1u;

const THREADS = ROWS * LANES;
const OWN = (FEATURES + THREADS - 1u) / THREADS;  // columns of a thread
const STRIDE = FEATURES + 1u;                     // of rows of h, so that they begin in different banks
const PAIRS = ROWS * CLASSES;                     // a row and a class each
const PARTS = max(THREADS / PAIRS, 1u);           // that a logit's sum is divided into

struct Params {
  B: u32, F: u32, C: u32, lead: u32, capacity: u32, tiles: u32, clock: u32, next: u32,
  eps: f32, momentum: f32,
  w: u32, affine: u32, running: u32, z: u32, norm: u32, stats: u32, dn: u32, sums: u32, dlogits: u32, loss: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> memory: array<f32>;
@group(0) @binding(5) var<storage, read_write> state: array<atomic<u32>>;

var<workgroup> h: array<f32, ROWS * STRIDE>;
var<workgroup> partial: array<f32, PARTS * PAIRS>;                   // logits, each summed over a part of the features
var<workgroup> logits: array<f32, PAIRS>;
var<workgroup> dlogits: array<f32, PAIRS>;
var<workgroup> row_label: array<u32, ROWS>;
var<workgroup> row_loss: array<vec2<f32>, ROWS>;                     // loss, and 1 where classified correctly
var<workgroup> clock: vec2<u32>;

fn class_row() -> u32 { return (params.C + 3u) / 4u * 4u; }
fn label_of(tick: u32, r: u32) -> u32 {
  let s = table[4u + (tick + params.lead) * params.B + r];
  return (labels[s / 4u] >> (8u * (s % 4u))) & 0xffu;
}

// By the exponent's bits: comparisons with a NaN may be folded away.
fn finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

// log(1 + x) for x >= 0, with a small relative error where log's own is absolute: 2 artanh(x / (2 + x)), as a series
fn log1p(x: f32) -> f32 {
  if (x >= 0.5) { return log(1.0 + x); }
  let s = x / (2.0 + x);
  let q = s * s;
  return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0))));
}

// Merges the tiles' means and squared distances (Chan, Golub and LeVeque 1983), lowest rows first, into the batch's.
fn merge_stats(f: u32, keep: bool) -> vec4<f32> {
  let running = params.running + f;
  let gamma = weights[params.affine + f];
  let beta = weights[params.affine + params.F + f];
  var moving = vec2<f32>();
  if (keep) { moving = vec2<f32>(weights[running], weights[running + params.F]); }
  var count = 0.0;
  var mean = 0.0;
  var squares = 0.0;
  for (var t0 = 0u; t0 < params.tiles; t0 += 8u) {
    // The loads of eight tiles are under way together, those past the last one again of the last.
    var means: array<f32, 8>;
    var apart: array<f32, 8>;
    for (var i = 0u; i < 8u; i++) {
      let tile = params.stats + min(t0 + i, params.tiles - 1u) * 2u * params.F + f;
      means[i] = memory[tile];
      apart[i] = memory[tile + params.F];
    }
    for (var i = 0u; i < 8u; i++) {
      if (t0 + i < params.tiles) {
        let rows = f32(min(TILE_M, params.B - (t0 + i) * TILE_M));
        let delta = means[i] - mean;
        let both = count + rows;
        mean += delta * (rows / both);
        squares += apart[i] + delta * delta * (count * rows / both);
        count = both;
      }
    }
  }
  let c = vec4<f32>(mean, 1.0 / sqrt(squares / count + params.eps), gamma, beta);
  if (keep) {
    for (var i = 0u; i < 4u; i++) { memory[params.norm + i * params.F + f] = c[i]; }
    // Moving averages for evaluation; the variance unbiased unless BESSEL is 0.
    let unbiased = squares / max(count - f32(BESSEL), 1.0);
    weights[running] = moving.x + params.momentum * (mean - moving.x);
    weights[running + params.F] = moving.y + params.momentum * (unbiased - moving.y);
    // Here, too: where a compiler takes ReLU's select for a max, a NaN would not come through to the loss.
    if (!finite(squares)) { atomicStore(&state[2], 1u); }
  }
  return c;
}

@compute @workgroup_size(LANES, ROWS)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  if (index == 0u) { clock = vec2<u32>(atomicLoad(&state[params.clock]), atomicLoad(&state[2])); }
  let now = workgroupUniformLoad(&clock);
  if (now.y != 0u) { return; }
  if (group.x == 0u && index == 0u && params.next != params.clock) { atomicStore(&state[params.next], now.x); }
  let m0 = group.x * ROWS;
  let last = params.B - 1u;

  if (index < ROWS) { row_label[index] = label_of(now.x, min(m0 + index, last)); }
  // This thread's columns: z and W, whose loads are under way together; past the edge copies, which nobody uses.
  var xhat: array<array<f32, ROWS>, OWN>;
  var w: array<array<f32, CLASSES>, OWN>;
  for (var i = 0u; i < OWN; i++) {
    let f = min(index + i * THREADS, params.F - 1u);
    for (var r = 0u; r < ROWS; r++) { xhat[i][r] = memory[params.z + min(m0 + r, last) * params.F + f]; }
    for (var c = 0u; c < CLASSES; c++) { w[i][c] = weights[params.w + f * class_row() + min(c, params.C - 1u)]; }
  }
  var coef: array<vec4<f32>, OWN>;  // mean, rstd, gamma, beta
  for (var i = 0u; i < OWN; i++) {
    let f = index + i * THREADS;
    if (f < params.F) {
      coef[i] = merge_stats(f, group.x == 0u);
      for (var r = 0u; r < ROWS; r++) {
        xhat[i][r] = (xhat[i][r] - coef[i].x) * coef[i].y;
        let n = coef[i].z * xhat[i][r] + coef[i].w;
        h[r * STRIDE + f] = select(n, 0.0, n < 0.0);  // lets a NaN through, as max might not
      }
    }
  }
  workgroupBarrier();

  // logits = h W + bias: each thread has a row, a class and every PARTS-th quad of features, then the first ones add up.
  let down = class_row();  // from a row of W to the next
  for (var p = index; p < PARTS * PAIRS; p += THREADS) {
    let row = p % PAIRS / CLASSES * STRIDE;
    let c = min(p % CLASSES, params.C - 1u);
    var sum = 0.0;
    for (var k = 4u * (p / PAIRS); k < params.F; k += 4u * PARTS) {
      let at = params.w + k * down + c;
      sum += h[row + k] * weights[at] + h[row + k + 1u] * weights[at + down] + h[row + k + 2u] * weights[at + 2u * down]
        + h[row + k + 3u] * weights[at + 3u * down];
    }
    partial[p] = sum;
  }
  workgroupBarrier();
  for (var p = index; p < PAIRS; p += THREADS) {
    var logit = weights[params.w + params.F * class_row() + min(p % CLASSES, params.C - 1u)];
    for (var part = 0u; part < PARTS; part++) { logit += partial[part * PAIRS + p]; }
    logits[p] = logit;
  }
  workgroupBarrier();

  // Softmax of a row, by each of its classes for itself; the loss by the first.
  for (var p = index; p < PAIRS; p += THREADS) {
    let r = p / CLASSES;
    let class_of = p % CLASSES;
    let m = m0 + r;
    let row = r * CLASSES;
    let label = row_label[r];
    // The largest logit is taken out first, so that exp never overflows.
    var best = 0u;
    var most = logits[row];
    for (var c = 1u; c < min(params.C, CLASSES); c++) {
      let logit = logits[row + c];
      if (logit > most) {
        best = c;
        most = logit;
      }
    }
    // Of the terms all but the largest, which is 1; and all but the label's, whose gradient is minus the sum of the others'.
    var rest = 0.0;
    var others = 0.0;
    for (var c = 0u; c < min(params.C, CLASSES); c++) {
      let term = exp(logits[row + c] - most);
      rest += select(term, 0.0, c == best);
      others += select(term, 0.0, c == label);
    }
    let d = select(exp(logits[p] - most), -others, class_of == label) / (1.0 + rest);
    dlogits[p] = select(0.0, d, class_of < params.C);
    if (m < params.B && class_of < params.C) { memory[params.dlogits + m * class_row() + class_of] = d; }
    if (class_of == 0u) {
      for (var c = params.C; m < params.B && c < class_row(); c++) { memory[params.dlogits + m * class_row() + c] = 0.0; }
      let measured = vec2<f32>(log1p(rest) + (most - logits[row + label]), select(0.0, 1.0, best == label));
      row_loss[r] = select(vec2<f32>(), measured, m < params.B);
    }
  }
  workgroupBarrier();

  if (index == 0u) {
    var total = vec2<f32>();
    for (var r = 0u; r < ROWS; r++) { total += row_loss[r]; }
    memory[params.loss + 2u * group.x] = total.x;
    memory[params.loss + 2u * group.x + 1u] = total.y;
    // Updates come later in the step, and see it.
    if (!finite(total.x)) { atomicStore(&state[2], 1u); }
  }

  // dn = dlogits W^T where ReLU passed: each thread has whole columns of the tile, and so their sums.
  let tile = params.sums + group.x * 2u * params.F;
  for (var i = 0u; i < OWN; i++) {
    let f = index + i * THREADS;
    if (f < params.F) {
      var sum_dn = 0.0;
      var sum_dn_xhat = 0.0;
      for (var r = 0u; r < ROWS; r++) {
        if (m0 + r < params.B) {
          // What a class that is none has in W counts 0 times.
          var dh = 0.0;
          for (var c = 0u; c < CLASSES; c++) { dh += dlogits[r * CLASSES + c] * w[i][c]; }
          let dn = select(0.0, dh, coef[i].z * xhat[i][r] + coef[i].w > 0.0);
          memory[params.dn + (m0 + r) * params.F + f] = dn;
          sum_dn += dn;
          sum_dn_xhat += dn * xhat[i][r];
        }
      }
      memory[tile + f] = sum_dn;
      memory[tile + params.F + f] = sum_dn_xhat;
    }
  }
}
