// fused_top: the top of a backpropagation step in one dispatch, from the last hidden layer's z to its dn
//   h = max(gamma (z - mean) rstd + beta, 0)     logits = h W + bias     loss = lse - logits[y]     (softmax, cross-entropy)
//   dlogits = softmax(logits) - onehot(y)        dn = dlogits W^T where ReLU passed
//   and for each tile of ROWS rows: the columns' sums of dn and of dn xhat, the loss, the correct count
//   memory holds z (B, F), the tile statistics of z, and takes the rest; w: W (F, C), the bias (C) behind it
//   LANES threads share out the features of a row for its logits, then all threads share out the columns for dn
//   grid: ceil(B / ROWS)      layout: src/reference/fused/layout.ts
//   GPU form      twin: src/reference/fused/top.ts      maths: docs/12-fused.md
const ROWS: u32 = 16u;
const LANES: u32 = 8u;
// Rows of a tile of statistics: the TILE_M of fused_layers.
const TILE_M: u32 = 32u;
// Most units of a hidden layer, and most classes.
const FEATURES: u32 = 256u;
const CLASSES: u32 = 16u;
const THREADS = ROWS * LANES;

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

var<workgroup> coef: array<vec4<f32>, FEATURES>;                     // mean, rstd, gamma, beta
var<workgroup> partial: array<f32, THREADS * CLASSES>;               // logits, summed over each lane's features
var<workgroup> dlogits: array<f32, ROWS * CLASSES>;
var<workgroup> row_loss: array<vec2<f32>, ROWS>;                     // loss, and 1 where classified correctly
var<workgroup> clock: vec2<u32>;

fn label_of(tick: u32, r: u32) -> u32 {
  let s = table[4u + (tick + params.lead) * params.B + r];
  return (labels[s / 4u] >> (8u * (s % 4u))) & 0xffu;
}

// Merges the tiles' means and squared distances (Chan, Golub and LeVeque 1983), lowest rows first, into the batch's.
fn merge_stats(f: u32, keep: bool) -> vec4<f32> {
  var count = 0.0;
  var mean = 0.0;
  var squares = 0.0;
  for (var t = 0u; t < params.tiles; t++) {
    let rows = f32(min(TILE_M, params.B - t * TILE_M));
    let tile = params.stats + t * 2u * params.F + f;
    let delta = memory[tile] - mean;
    let both = count + rows;
    mean += delta * (rows / both);
    squares += memory[tile + params.F] + delta * delta * (count * rows / both);
    count = both;
  }
  let rstd = 1.0 / sqrt(squares / count + params.eps);
  let c = vec4<f32>(mean, rstd, weights[params.affine + f], weights[params.affine + params.F + f]);
  if (keep) {
    for (var i = 0u; i < 4u; i++) { memory[params.norm + i * params.F + f] = c[i]; }
    // Moving averages for evaluation; the variance unbiased.
    let running = params.running + f;
    weights[running] += params.momentum * (mean - weights[running]);
    let unbiased = squares / max(count - 1.0, 1.0);
    weights[running + params.F] += params.momentum * (unbiased - weights[running + params.F]);
  }
  return c;
}

@compute @workgroup_size(LANES, ROWS)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) thread: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  if (index == 0u) { clock = vec2<u32>(atomicLoad(&state[params.clock]), atomicLoad(&state[2])); }
  let now = workgroupUniformLoad(&clock);
  if (now.y != 0u) { return; }
  if (group.x == 0u && index == 0u && params.next != params.clock) { atomicStore(&state[params.next], now.x); }
  let m0 = group.x * ROWS;
  let m = m0 + thread.y;

  for (var f = index; f < params.F; f += THREADS) { coef[f] = merge_stats(f, group.x == 0u); }
  workgroupBarrier();

  // logits = h W + bias: each lane has every LANES-th feature of its row.
  var sum: array<f32, CLASSES>;
  if (m < params.B) {
    for (var k = thread.x; k < params.F; k += LANES) {
      let c4 = coef[k];
      let n = c4.z * ((memory[params.z + m * params.F + k] - c4.x) * c4.y) + c4.w;
      let h = select(n, 0.0, n < 0.0);  // lets a NaN through, as max might not
      for (var c = 0u; c < min(params.C, CLASSES); c++) { sum[c] += h * weights[params.w + k * params.C + c]; }
    }
  }
  for (var c = 0u; c < min(params.C, CLASSES); c++) { partial[index * CLASSES + c] = sum[c]; }
  workgroupBarrier();

  // Softmax and loss of the row, by its first lane.
  if (thread.x == 0u) {
    let label = label_of(now.x, min(m, params.B - 1u));
    var best = 0u;
    for (var c = 0u; c < min(params.C, CLASSES); c++) {
      var logit = weights[params.w + params.F * params.C + c];
      for (var lane = 0u; lane < LANES; lane++) { logit += partial[(index + lane) * CLASSES + c]; }
      sum[c] = logit;
      if (logit > sum[best]) { best = c; }
    }
    // The largest logit is taken out first, so that exp never overflows.
    var total = 0.0;
    for (var c = 0u; c < min(params.C, CLASSES); c++) { total += exp(sum[c] - sum[best]); }
    let lse = sum[best] + log(total);
    for (var c = 0u; c < min(params.C, CLASSES); c++) {
      let d = exp(sum[c] - lse) - select(0.0, 1.0, c == label);
      dlogits[thread.y * CLASSES + c] = d;
      if (m < params.B) { memory[params.dlogits + m * params.C + c] = d; }
    }
    row_loss[thread.y] = select(vec2<f32>(), vec2<f32>(lse - sum[label], select(0.0, 1.0, best == label)), m < params.B);
  }
  workgroupBarrier();

  if (index == 0u) {
    var total = vec2<f32>();
    for (var r = 0u; r < ROWS; r++) { total += row_loss[r]; }
    memory[params.loss + 2u * group.x] = total.x;
    memory[params.loss + 2u * group.x + 1u] = total.y;
    // By the exponent's bits: comparisons with a NaN may be folded away. Updates come later in the step, and see it.
    if ((bitcast<u32>(total.x) & 0x7f800000u) == 0x7f800000u) { atomicStore(&state[2], 1u); }
  }

  // dn = dlogits W^T where ReLU passed: each thread has whole columns of the tile, and so their sums.
  let tile = params.sums + group.x * 2u * params.F;
  for (var f = index; f < params.F; f += THREADS) {
    let c4 = coef[f];
    var sum_dn = 0.0;
    var sum_dn_xhat = 0.0;
    for (var c = 0u; c < min(params.C, CLASSES); c++) { sum[c] = weights[params.w + f * params.C + c]; }
    for (var r = 0u; r < ROWS && m0 + r < params.B; r++) {
      let i = (m0 + r) * params.F + f;
      let xhat = (memory[params.z + i] - c4.x) * c4.y;
      var dh = 0.0;
      for (var c = 0u; c < min(params.C, CLASSES); c++) { dh += dlogits[r * CLASSES + c] * sum[c]; }
      let dn = select(0.0, dh, c4.z * xhat + c4.w > 0.0);
      memory[params.dn + i] = dn;
      sum_dn += dn;
      sum_dn_xhat += dn * xhat;
    }
    memory[tile + f] = sum_dn;
    memory[tile + params.F + f] = sum_dn_xhat;
  }
}
