// fused_top_cpu: the top of a backpropagation step in one dispatch, for drivers that run on the processor
//   logits = h W + bias     loss = -log softmax(logits)[y]     dlogits = softmax(logits) - onehot(y)     dn = dlogits W^T where
//   ReLU passed, its columns' sums, and from them dz, which is what is left in place of dn
//   The formulas, params and buffers of fused_top, with no workgroup memory and no barrier: a workgroup has COLUMNS whole
//   columns of dn, and so makes all samples' dlogits for itself; loss and correct count are written by the first.
//   grid: ceil(F / COLUMNS)      layout: src/reference/fused/layout.ts
//   CPU form      twin: src/reference/fused/top.ts      maths: docs/12-fused.md, docs/15-fused-cpu.md
enable subgroups;
// Nothing that decides whether a subgroup operation is reached differs inside a workgroup, which is one subgroup; but the
// compiler takes whatever was read from memory that is also written to differ.
diagnostic(off, subgroup_uniformity);

// Lanes of a subgroup, which are the threads of a workgroup: 4 or 8.
const LANES: u32 = 8u;
// Classes that logits are made for, a multiple of 4, and at least as many as there are: 4 times LANES at most.
const CLASSES: u32 = 32u;
// Features of a workgroup.
const COLUMNS: u32 = 128u;

// A lane has 4 samples of SIDE, or 4 features.
const SIDE = 4u * LANES;
const_assert LANES == 4u || LANES == 8u;
const_assert COLUMNS % SIDE == 0u && CLASSES % 4u == 0u;

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

// Each class's logits of this lane's 4 samples, without the bias.
var<private> logit: array<vec4<f32>, 32>;
// SIDE samples' gradients by this lane's 4 features; of 4 lanes the first 16.
var<private> dh: array<vec4<f32>, 32>;

// This lane's 4 samples: their labels, largest logits, sums of exp(logit - largest) (all, and without the label's), which are
// there, and their part in the loss and in the correct count.
struct Samples {
  m: vec4<u32>, label: vec4<u32>, most: vec4<f32>, sum: vec4<f32>, others: vec4<f32>, is_there: vec4<bool>, part: vec2<f32>,
}

fn label_of(tick: u32, r: u32) -> u32 {
  let s = table[4u + (tick + params.lead) * params.B + r];
  return (labels[s / 4u] >> (8u * (s % 4u))) & 0xffu;
}

// By the exponent's bits: comparisons with a NaN may be folded away.
fn finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

// 4, which a compiler cannot know, so that it leaves a loop a loop: what it takes grows with the square of the code.
fn four() -> u32 { return 4u * min(params.B, 1u); }

// Four neighbours from n on, the last one below N repeated.
fn neighbours(n: u32, N: u32) -> vec4<u32> { return min(vec4<u32>(n, n + 1u, n + 2u, n + 3u), vec4<u32>(N - 1u)); }

// This lane's one of the four numbers that feature k is normalised with: lane i and lane 4 + i have the i-th of mean, rstd,
// gamma, beta.
fn norm_at(k: u32, lane: u32) -> f32 {
  let i = lane % 4u;
  var c = 0.0;
  if (i < 2u) { c = memory[params.norm + i * params.F + k]; } else { c = weights[params.affine + (i - 2u) * params.F + k]; }
  return c;
}

// h = max(gamma (z - mean) rstd + beta, 0) of 4 samples, with c = (mean, rstd, gamma, beta); select lets a NaN through
fn normalised(rows: vec4<u32>, k: u32, c: vec4<f32>) -> vec4<f32> {
  let z = vec4<f32>(memory[rows[0] + k], memory[rows[1] + k], memory[rows[2] + k], memory[rows[3] + k]);
  let n = c[2] * ((z - c[0]) * c[1]) + c[3];
  return select(n, vec4<f32>(), n < vec4<f32>());
}

// Row k of W: this lane's classes, which are those numbered as the lane, LANES more, and so on.
fn classes_of(k: u32, lane: u32) -> vec4<f32> {
  let row = params.w + k * params.C;
  let last = params.C - 1u;
  var w = vec4<f32>();
  w[0] = weights[row + min(lane, last)];
  if (CLASSES > LANES) { w[1] = weights[row + min(lane + LANES, last)]; }
  if (CLASSES > 2u * LANES) { w[2] = weights[row + min(lane + 2u * LANES, last)]; }
  if (CLASSES > 3u * LANES) { w[3] = weights[row + min(lane + 3u * LANES, last)]; }
  return w;
}

// The logits of SIDE samples from m0 on, without the bias; a lane has 4 of them, and their h, normalised while it is loaded.
fn product(m0: u32, lane: u32) {
  let rows = params.z + params.F * neighbours(m0 + 4u * lane, params.B);
  var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
  var s4 = vec4<f32>(); var s5 = vec4<f32>(); var s6 = vec4<f32>(); var s7 = vec4<f32>();
  var s8 = vec4<f32>(); var s9 = vec4<f32>(); var s10 = vec4<f32>(); var s11 = vec4<f32>();
  var s12 = vec4<f32>(); var s13 = vec4<f32>(); var s14 = vec4<f32>(); var s15 = vec4<f32>();
  var s16 = vec4<f32>(); var s17 = vec4<f32>(); var s18 = vec4<f32>(); var s19 = vec4<f32>();
  var s20 = vec4<f32>(); var s21 = vec4<f32>(); var s22 = vec4<f32>(); var s23 = vec4<f32>();
  var s24 = vec4<f32>(); var s25 = vec4<f32>(); var s26 = vec4<f32>(); var s27 = vec4<f32>();
  var s28 = vec4<f32>(); var s29 = vec4<f32>(); var s30 = vec4<f32>(); var s31 = vec4<f32>();
  // logit[c] += W[k, c] h[k] + W[k + 1, c] h[k + 1]; of an odd number the last k + 1 is 0.
  for (var k = 0u; k < params.F; k += 2u) {
    let next = min(k + 1u, params.F - 1u);
    // Of 8 lanes the lower half loads what k is normalised with; 4 lanes load twice.
    let c = norm_at(select(k, next, lane >= 4u), lane);
    var d = c;
    if (LANES == 4u) { d = norm_at(next, lane); }
    let x = normalised(rows, k, vec4<f32>(
      subgroupBroadcast(c, 0u), subgroupBroadcast(c, 1u), subgroupBroadcast(c, 2u), subgroupBroadcast(c, 3u)));
    let beyond = normalised(rows, next, vec4<f32>(subgroupBroadcast(d, LANES - 4u), subgroupBroadcast(d, LANES - 3u),
      subgroupBroadcast(d, LANES - 2u), subgroupBroadcast(d, LANES - 1u)));
    let y = select(vec4<f32>(), beyond, next > k);
    let w = classes_of(k, lane);
    let v = classes_of(next, lane);
    s0 += subgroupBroadcast(w[0u / LANES % 4u], 0u % LANES) * x + subgroupBroadcast(v[0u / LANES % 4u], 0u % LANES) * y;
    s1 += subgroupBroadcast(w[1u / LANES % 4u], 1u % LANES) * x + subgroupBroadcast(v[1u / LANES % 4u], 1u % LANES) * y;
    s2 += subgroupBroadcast(w[2u / LANES % 4u], 2u % LANES) * x + subgroupBroadcast(v[2u / LANES % 4u], 2u % LANES) * y;
    s3 += subgroupBroadcast(w[3u / LANES % 4u], 3u % LANES) * x + subgroupBroadcast(v[3u / LANES % 4u], 3u % LANES) * y;
    if (CLASSES > 4u) {
      s4 += subgroupBroadcast(w[4u / LANES % 4u], 4u % LANES) * x + subgroupBroadcast(v[4u / LANES % 4u], 4u % LANES) * y;
      s5 += subgroupBroadcast(w[5u / LANES % 4u], 5u % LANES) * x + subgroupBroadcast(v[5u / LANES % 4u], 5u % LANES) * y;
      s6 += subgroupBroadcast(w[6u / LANES % 4u], 6u % LANES) * x + subgroupBroadcast(v[6u / LANES % 4u], 6u % LANES) * y;
      s7 += subgroupBroadcast(w[7u / LANES % 4u], 7u % LANES) * x + subgroupBroadcast(v[7u / LANES % 4u], 7u % LANES) * y;
    }
    if (CLASSES > 8u) {
      s8 += subgroupBroadcast(w[8u / LANES % 4u], 8u % LANES) * x + subgroupBroadcast(v[8u / LANES % 4u], 8u % LANES) * y;
      s9 += subgroupBroadcast(w[9u / LANES % 4u], 9u % LANES) * x + subgroupBroadcast(v[9u / LANES % 4u], 9u % LANES) * y;
      s10 += subgroupBroadcast(w[10u / LANES % 4u], 10u % LANES) * x + subgroupBroadcast(v[10u / LANES % 4u], 10u % LANES) * y;
      s11 += subgroupBroadcast(w[11u / LANES % 4u], 11u % LANES) * x + subgroupBroadcast(v[11u / LANES % 4u], 11u % LANES) * y;
    }
    if (CLASSES > 12u) {
      s12 += subgroupBroadcast(w[12u / LANES % 4u], 12u % LANES) * x + subgroupBroadcast(v[12u / LANES % 4u], 12u % LANES) * y;
      s13 += subgroupBroadcast(w[13u / LANES % 4u], 13u % LANES) * x + subgroupBroadcast(v[13u / LANES % 4u], 13u % LANES) * y;
      s14 += subgroupBroadcast(w[14u / LANES % 4u], 14u % LANES) * x + subgroupBroadcast(v[14u / LANES % 4u], 14u % LANES) * y;
      s15 += subgroupBroadcast(w[15u / LANES % 4u], 15u % LANES) * x + subgroupBroadcast(v[15u / LANES % 4u], 15u % LANES) * y;
    }
    if (CLASSES > 16u) {
      s16 += subgroupBroadcast(w[16u / LANES % 4u], 16u % LANES) * x + subgroupBroadcast(v[16u / LANES % 4u], 16u % LANES) * y;
      s17 += subgroupBroadcast(w[17u / LANES % 4u], 17u % LANES) * x + subgroupBroadcast(v[17u / LANES % 4u], 17u % LANES) * y;
      s18 += subgroupBroadcast(w[18u / LANES % 4u], 18u % LANES) * x + subgroupBroadcast(v[18u / LANES % 4u], 18u % LANES) * y;
      s19 += subgroupBroadcast(w[19u / LANES % 4u], 19u % LANES) * x + subgroupBroadcast(v[19u / LANES % 4u], 19u % LANES) * y;
    }
    if (CLASSES > 20u) {
      s20 += subgroupBroadcast(w[20u / LANES % 4u], 20u % LANES) * x + subgroupBroadcast(v[20u / LANES % 4u], 20u % LANES) * y;
      s21 += subgroupBroadcast(w[21u / LANES % 4u], 21u % LANES) * x + subgroupBroadcast(v[21u / LANES % 4u], 21u % LANES) * y;
      s22 += subgroupBroadcast(w[22u / LANES % 4u], 22u % LANES) * x + subgroupBroadcast(v[22u / LANES % 4u], 22u % LANES) * y;
      s23 += subgroupBroadcast(w[23u / LANES % 4u], 23u % LANES) * x + subgroupBroadcast(v[23u / LANES % 4u], 23u % LANES) * y;
    }
    if (CLASSES > 24u) {
      s24 += subgroupBroadcast(w[24u / LANES % 4u], 24u % LANES) * x + subgroupBroadcast(v[24u / LANES % 4u], 24u % LANES) * y;
      s25 += subgroupBroadcast(w[25u / LANES % 4u], 25u % LANES) * x + subgroupBroadcast(v[25u / LANES % 4u], 25u % LANES) * y;
      s26 += subgroupBroadcast(w[26u / LANES % 4u], 26u % LANES) * x + subgroupBroadcast(v[26u / LANES % 4u], 26u % LANES) * y;
      s27 += subgroupBroadcast(w[27u / LANES % 4u], 27u % LANES) * x + subgroupBroadcast(v[27u / LANES % 4u], 27u % LANES) * y;
    }
    if (CLASSES > 28u) {
      s28 += subgroupBroadcast(w[28u / LANES % 4u], 28u % LANES) * x + subgroupBroadcast(v[28u / LANES % 4u], 28u % LANES) * y;
      s29 += subgroupBroadcast(w[29u / LANES % 4u], 29u % LANES) * x + subgroupBroadcast(v[29u / LANES % 4u], 29u % LANES) * y;
      s30 += subgroupBroadcast(w[30u / LANES % 4u], 30u % LANES) * x + subgroupBroadcast(v[30u / LANES % 4u], 30u % LANES) * y;
      s31 += subgroupBroadcast(w[31u / LANES % 4u], 31u % LANES) * x + subgroupBroadcast(v[31u / LANES % 4u], 31u % LANES) * y;
    }
  }
  logit[0] = s0;
  logit[1] = s1;
  logit[2] = s2;
  logit[3] = s3;
  if (CLASSES > 4u) {
    logit[4] = s4;
    logit[5] = s5;
    logit[6] = s6;
    logit[7] = s7;
  }
  if (CLASSES > 8u) {
    logit[8] = s8;
    logit[9] = s9;
    logit[10] = s10;
    logit[11] = s11;
  }
  if (CLASSES > 12u) {
    logit[12] = s12;
    logit[13] = s13;
    logit[14] = s14;
    logit[15] = s15;
  }
  if (CLASSES > 16u) {
    logit[16] = s16;
    logit[17] = s17;
    logit[18] = s18;
    logit[19] = s19;
  }
  if (CLASSES > 20u) {
    logit[20] = s20;
    logit[21] = s21;
    logit[22] = s22;
    logit[23] = s23;
  }
  if (CLASSES > 24u) {
    logit[24] = s24;
    logit[25] = s25;
    logit[26] = s26;
    logit[27] = s27;
  }
  if (CLASSES > 28u) {
    logit[28] = s28;
    logit[29] = s29;
    logit[30] = s30;
    logit[31] = s31;
  }
}

// Row r of one of them, chosen by the bits of r. An index would do; but Mesa makes a tree of branches of that, and what its
// compiler takes grows with the square of the branches.
fn row_of(x: ptr<private, array<vec4<f32>, 32>>, r: u32) -> vec4<f32> {
  let b0 = (r & 1u) != 0u;
  let b1 = (r & 2u) != 0u;
  let b2 = (r & 4u) != 0u;
  let b3 = (r & 8u) != 0u;
  let q0 = select(select(x[0], x[1], b0), select(x[2], x[3], b0), b1);
  let q1 = select(select(x[4], x[5], b0), select(x[6], x[7], b0), b1);
  let q2 = select(select(x[8], x[9], b0), select(x[10], x[11], b0), b1);
  let q3 = select(select(x[12], x[13], b0), select(x[14], x[15], b0), b1);
  let q4 = select(select(x[16], x[17], b0), select(x[18], x[19], b0), b1);
  let q5 = select(select(x[20], x[21], b0), select(x[22], x[23], b0), b1);
  let q6 = select(select(x[24], x[25], b0), select(x[26], x[27], b0), b1);
  let q7 = select(select(x[28], x[29], b0), select(x[30], x[31], b0), b1);
  let h0 = select(select(q0, q1, b2), select(q2, q3, b2), b3);
  let h1 = select(select(q4, q5, b2), select(q6, q7, b2), b3);
  return select(h0, h1, (r & 16u) != 0u);
}

// Class c's logits of this lane's 4 samples.
fn logits_of(c: u32) -> vec4<f32> { return row_of(&logit, c) + weights[params.w + params.F * params.C + c]; }

// dlogits of this lane's 4 samples, and with them dh = dlogits W^T: SIDE samples by this lane's 4 features, from n on.
fn pull(samples: Samples, n: u32, keep: bool) {
  let rows = params.w + params.C * neighbours(n, params.F);
  var r0 = vec4<f32>(); var r1 = vec4<f32>(); var r2 = vec4<f32>(); var r3 = vec4<f32>();
  var r4 = vec4<f32>(); var r5 = vec4<f32>(); var r6 = vec4<f32>(); var r7 = vec4<f32>();
  var r8 = vec4<f32>(); var r9 = vec4<f32>(); var r10 = vec4<f32>(); var r11 = vec4<f32>();
  var r12 = vec4<f32>(); var r13 = vec4<f32>(); var r14 = vec4<f32>(); var r15 = vec4<f32>();
  var r16 = vec4<f32>(); var r17 = vec4<f32>(); var r18 = vec4<f32>(); var r19 = vec4<f32>();
  var r20 = vec4<f32>(); var r21 = vec4<f32>(); var r22 = vec4<f32>(); var r23 = vec4<f32>();
  var r24 = vec4<f32>(); var r25 = vec4<f32>(); var r26 = vec4<f32>(); var r27 = vec4<f32>();
  var r28 = vec4<f32>(); var r29 = vec4<f32>(); var r30 = vec4<f32>(); var r31 = vec4<f32>();
  for (var c = 0u; c < params.C; c++) {
    let d = select(exp(logits_of(c) - samples.most), -samples.others, samples.label == vec4<u32>(c)) / samples.sum;
    if (keep) {
      let at = params.dlogits + samples.m * params.C + c;
      if (samples.is_there[0]) { memory[at[0]] = d[0]; }
      if (samples.is_there[1]) { memory[at[1]] = d[1]; }
      if (samples.is_there[2]) { memory[at[2]] = d[2]; }
      if (samples.is_there[3]) { memory[at[3]] = d[3]; }
    }
    let w = vec4<f32>(weights[rows[0] + c], weights[rows[1] + c], weights[rows[2] + c], weights[rows[3] + c]);
    let d0 = subgroupBroadcast(d, 0u);
    r0 += d0[0] * w;
    r1 += d0[1] * w;
    r2 += d0[2] * w;
    r3 += d0[3] * w;
    let d1 = subgroupBroadcast(d, 1u);
    r4 += d1[0] * w;
    r5 += d1[1] * w;
    r6 += d1[2] * w;
    r7 += d1[3] * w;
    let d2 = subgroupBroadcast(d, 2u);
    r8 += d2[0] * w;
    r9 += d2[1] * w;
    r10 += d2[2] * w;
    r11 += d2[3] * w;
    let d3 = subgroupBroadcast(d, 3u);
    r12 += d3[0] * w;
    r13 += d3[1] * w;
    r14 += d3[2] * w;
    r15 += d3[3] * w;
    if (LANES > 4u) {
      let d4 = subgroupBroadcast(d, 4u);
      r16 += d4[0] * w;
      r17 += d4[1] * w;
      r18 += d4[2] * w;
      r19 += d4[3] * w;
      let d5 = subgroupBroadcast(d, 5u);
      r20 += d5[0] * w;
      r21 += d5[1] * w;
      r22 += d5[2] * w;
      r23 += d5[3] * w;
      let d6 = subgroupBroadcast(d, 6u);
      r24 += d6[0] * w;
      r25 += d6[1] * w;
      r26 += d6[2] * w;
      r27 += d6[3] * w;
      let d7 = subgroupBroadcast(d, 7u);
      r28 += d7[0] * w;
      r29 += d7[1] * w;
      r30 += d7[2] * w;
      r31 += d7[3] * w;
    }
  }
  dh = array<vec4<f32>, 32>(
    r0, r1, r2, r3, r4, r5, r6, r7,
    r8, r9, r10, r11, r12, r13, r14, r15,
    r16, r17, r18, r19, r20, r21, r22, r23,
    r24, r25, r26, r27, r28, r29, r30, r31,
  );
}

fn total(x: vec4<f32>) -> f32 { return (x[0] + x[1]) + (x[2] + x[3]); }

// log(1 + x) for x >= 0, with a small relative error where log's own is absolute: 2 artanh(x / (2 + x)), as a series
fn log1p(x: vec4<f32>) -> vec4<f32> {
  let s = x / (2.0 + x);
  let q = s * s;
  let series = 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0))));
  return select(series, log(1.0 + x), x >= vec4<f32>(0.5));
}

// This lane's 4 samples from m0 on.
fn softmax(tick: u32, m0: u32, lane: u32) -> Samples {
  var samples = Samples();
  samples.m = vec4<u32>(m0 + 4u * lane) + vec4<u32>(0u, 1u, 2u, 3u);
  samples.is_there = samples.m < vec4<u32>(params.B);
  for (var q = 0u; q < four(); q++) { samples.label[q] = label_of(tick, min(samples.m[q], params.B - 1u)); }
  // Classified as the first of the classes with the largest logit.
  var most = logits_of(0u);
  var best = vec4<u32>();
  for (var c = 1u; c < params.C; c++) {
    let x = logits_of(c);
    best = select(best, vec4<u32>(c), x > most);
    most = select(most, x, x > most);
  }
  // The largest logit is taken out first, so that exp never overflows.
  // Of the terms all but the largest, which is 1; and all but the label's, whose gradient is minus the sum of the others'.
  var rest = vec4<f32>();
  var chosen = vec4<f32>();
  for (var c = 0u; c < params.C; c++) {
    let x = logits_of(c);
    let term = exp(x - most);
    rest += select(term, vec4<f32>(), best == vec4<u32>(c));
    samples.others += select(term, vec4<f32>(), samples.label == vec4<u32>(c));
    chosen = select(chosen, x, samples.label == vec4<u32>(c));
  }
  samples.most = most;
  samples.sum = 1.0 + rest;
  let is_correct = samples.is_there & (best == samples.label);
  samples.part[0] = total(select(vec4<f32>(), log1p(rest) + (most - chosen), samples.is_there));
  samples.part[1] = total(select(vec4<f32>(), vec4<f32>(1.0), is_correct));
  return samples;
}

// dn = dh where ReLU passed, of SIDE samples from m0 on and this lane's 4 features from n on, and their part in the sums over
// the batch of dn and of dn xhat.
fn mask(m0: u32, n: u32) {
  for (var q = 0u; q < min(4u, params.F - min(n, params.F)); q++) {
    let f = n + q;
    let mean = memory[params.norm + f];
    let rstd = memory[params.norm + params.F + f];
    let gamma = weights[params.affine + f];
    let beta = weights[params.affine + params.F + f];
    var sum = vec2<f32>();
    for (var r = 0u; r < min(SIDE, params.B - m0); r++) {
      let i = (m0 + r) * params.F + f;
      let xhat = (memory[params.z + i] - mean) * rstd;
      let dn = select(0.0, row_of(&dh, r)[q], gamma * xhat + beta > 0.0);
      memory[params.dn + i] = dn;
      sum += vec2<f32>(dn, dn * xhat);
    }
    if (m0 > 0u) { sum += vec2<f32>(memory[params.sums + f], memory[params.sums + params.F + f]); }
    memory[params.sums + f] = sum[0];
    memory[params.sums + params.F + f] = sum[1];
  }
}

// What remains of this lane's 4 features from n on, once all samples are done: gamma and beta are kept as the batch was
// normalised with them, and dz = gamma rstd (dn - S1 / B - (z - mean) rstd S2 / B) takes the place of dn.
fn finish(n: u32) {
  for (var q = 0u; q < min(4u, params.F - min(n, params.F)); q++) {
    let f = n + q;
    let mean = memory[params.norm + f];
    let rstd = memory[params.norm + params.F + f];
    let gamma = weights[params.affine + f];
    memory[params.norm + 2u * params.F + f] = gamma;
    memory[params.norm + 3u * params.F + f] = weights[params.affine + params.F + f];
    // A lane reads what it has written.
    let mean_dn = memory[params.sums + f] / f32(params.B);
    let slope = rstd * (memory[params.sums + params.F + f] / f32(params.B));
    for (var m = 0u; m < params.B; m++) {
      let i = m * params.F + f;
      memory[params.dn + i] = gamma * rstd * (memory[params.dn + i] - mean_dn - (memory[params.z + i] - mean) * slope);
    }
  }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tick = subgroupBroadcastFirst(atomicLoad(&state[params.clock]));
  if (subgroupBroadcastFirst(atomicLoad(&state[2])) != 0u) { return; }
  let first = group.x == 0u;
  if (first && lane == 0u && params.next != params.clock) { atomicStore(&state[params.next], tick); }

  let n0 = group.x * COLUMNS;
  let n1 = min(n0 + COLUMNS, params.F);
  var part = vec2<f32>();
  for (var m0 = 0u; m0 < params.B; m0 += SIDE) {
    // All logits of SIDE samples: each workgroup makes them anew, for no other can tell it.
    product(m0, lane);
    let samples = softmax(tick, m0, lane);
    part += samples.part;
    for (var n = n0; n < n1; n += SIDE) {
      pull(samples, n + 4u * lane, first && n == n0);
      mask(m0, n + 4u * lane);
    }
  }
  for (var n = n0; n < n1; n += SIDE) { finish(n + 4u * lane); }

  let loss = subgroupAdd(part[0]);
  let correct = subgroupAdd(part[1]);
  if (first && lane == 0u) {
    memory[params.loss] = loss;
    memory[params.loss + 1u] = correct;
    // Updates come later in the step, and see it.
    if (!finite(loss)) { atomicStore(&state[2], 1u); }
  }
}
