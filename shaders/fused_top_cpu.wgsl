// fused_top_cpu: the top of a backpropagation step in one dispatch, for drivers that run on the processor
//   logits = h W + bias     loss = lse - logits[y]     dlogits = softmax(logits) - onehot(y)     dn = dlogits W^T where
//   ReLU passed, its columns' sums, and from them dz, which is what is left in place of dn
//   The formulas, params and buffers of fused_top, with no workgroup memory and no barrier: a workgroup has SIDE whole
//   columns of dn, and so makes all samples' dlogits for itself; loss and correct count are written by the first.
//   grid: ceil(F / SIDE)      layout: src/reference/fused/layout.ts
//   CPU form      twin: src/reference/fused/top.ts      maths: docs/12-fused.md
enable subgroups;
// Nothing that decides whether a subgroup operation is reached differs inside a workgroup, which is one subgroup; but the
// compiler takes whatever was read from memory that is also written to differ.
diagnostic(off, subgroup_uniformity);

// Lanes of a subgroup, which are the threads of a workgroup: 4 or 8.
const LANES: u32 = 8u;

// A lane has 4 rows and 4 columns of a block; there are as many classes at most.
const SIDE = 4u * LANES;
const_assert LANES == 4u || LANES == 8u;
// Below any logit; -3.4e38 as a float.
const LEAST = -0x1.fffffep+127f;

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

// SIDE rows of a product, of which a lane has 4 columns; of 4 lanes the first 16 rows.
struct Block { row: array<vec4<f32>, 32> }

fn label_of(tick: u32, r: u32) -> u32 {
  let s = table[4u + (tick + params.lead) * params.B + r];
  return (labels[s / 4u] >> (8u * (s % 4u))) & 0xffu;
}

// By the exponent's bits: comparisons with a NaN may be folded away.
fn finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

// 4 elements of a row in `memory`, or in `weights`.
fn load(row: u32, at: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(memory[row + at[0]], memory[row + at[1]], memory[row + at[2]], memory[row + at[3]]);
}
fn load_weights(row: u32, at: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(weights[row + at[0]], weights[row + at[1]], weights[row + at[2]], weights[row + at[3]]);
}

// Elements n to n + 3 of a row in `memory`, those below N.
fn store(row: u32, n: u32, N: u32, x: vec4<f32>) {
  if (n < N) { memory[row + n] = x[0]; }
  if (n + 1u < N) { memory[row + n + 1u] = x[1]; }
  if (n + 2u < N) { memory[row + n + 2u] = x[2]; }
  if (n + 3u < N) { memory[row + n + 3u] = x[3]; }
}

// Four neighbours from n on, the last one below N repeated.
fn four(n: u32, N: u32) -> vec4<u32> { return min(vec4<u32>(n, n + 1u, n + 2u, n + 3u), vec4<u32>(N - 1u)); }

// Rows m0 to m0 + SIDE of h W, from z, normalised while it is loaded: see `product` in fused_layers_cpu.
fn product(m0: u32, lane: u32) -> Block {
  let rows = params.z + params.F * four(m0 + 4u * lane, params.B);
  let cols = params.w + four(4u * lane, params.C);
  var r0 = vec4<f32>(); var r1 = vec4<f32>(); var r2 = vec4<f32>(); var r3 = vec4<f32>();
  var r4 = vec4<f32>(); var r5 = vec4<f32>(); var r6 = vec4<f32>(); var r7 = vec4<f32>();
  var r8 = vec4<f32>(); var r9 = vec4<f32>(); var r10 = vec4<f32>(); var r11 = vec4<f32>();
  var r12 = vec4<f32>(); var r13 = vec4<f32>(); var r14 = vec4<f32>(); var r15 = vec4<f32>();
  var r16 = vec4<f32>(); var r17 = vec4<f32>(); var r18 = vec4<f32>(); var r19 = vec4<f32>();
  var r20 = vec4<f32>(); var r21 = vec4<f32>(); var r22 = vec4<f32>(); var r23 = vec4<f32>();
  var r24 = vec4<f32>(); var r25 = vec4<f32>(); var r26 = vec4<f32>(); var r27 = vec4<f32>();
  var r28 = vec4<f32>(); var r29 = vec4<f32>(); var r30 = vec4<f32>(); var r31 = vec4<f32>();
  for (var k0 = 0u; k0 < params.F; k0 += LANES) {
    // (mean, rstd, gamma, beta) of this lane's k = k0 + lane, for all lanes.
    let f = min(k0 + lane, params.F - 1u);
    let norm = vec4<f32>(memory[params.norm + f], memory[params.norm + params.F + f],
      weights[params.affine + f], weights[params.affine + params.F + f]);
    let steps = min(LANES, params.F - k0);
    for (var j = 0u; j < steps; j += 2u) {
      let next = min(j + 1u, steps - 1u);
      let x = normalised(load(k0 + j, rows), subgroupShuffle(norm, j));
      let y = select(vec4<f32>(), normalised(load(k0 + next, rows), subgroupShuffle(norm, next)), next > j);
      let w = load_weights((k0 + j) * params.C, cols);
      let v = load_weights((k0 + next) * params.C, cols);
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
  }
  return Block(array<vec4<f32>, 32>(
    r0, r1, r2, r3, r4, r5, r6, r7,
    r8, r9, r10, r11, r12, r13, r14, r15,
    r16, r17, r18, r19, r20, r21, r22, r23,
    r24, r25, r26, r27, r28, r29, r30, r31,
  ));
}


// h = max(gamma (z - mean) rstd + beta, 0), with c = (mean, rstd, gamma, beta); select lets a NaN through
fn normalised(z: vec4<f32>, c: vec4<f32>) -> vec4<f32> {
  let n = c[2] * ((z - c[0]) * c[1]) + c[3];
  return select(n, vec4<f32>(), n < vec4<f32>());
}

fn total(x: vec4<f32>) -> f32 { return (x[0] + x[1]) + (x[2] + x[3]); }

// 4 classes' part in dlogits W^T.
fn back(d: vec4<f32>, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) -> vec4<f32> {
  return d[0] * w0 + d[1] * w1 + d[2] * w2 + d[3] * w3;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tick = subgroupBroadcastFirst(atomicLoad(&state[params.clock]));
  if (subgroupBroadcastFirst(atomicLoad(&state[2])) != 0u) { return; }
  let first = group.x == 0u;
  if (first && lane == 0u && params.next != params.clock) { atomicStore(&state[params.next], tick); }

  // This lane's 4 features, and what they are normalised with; its 4 classes.
  let n = group.x * SIDE + 4u * lane;
  let cols = four(n, params.F);
  let mean = load(params.norm, cols);
  let rstd = load(params.norm + params.F, cols);
  let gamma = load_weights(params.affine, cols);
  let beta = load_weights(params.affine + params.F, cols);
  store(params.norm + 2u * params.F, n, params.F, gamma);
  store(params.norm + 3u * params.F, n, params.F, beta);
  let classes = vec4<u32>(4u * lane) + vec4<u32>(0u, 1u, 2u, 3u);
  let is_class = classes < vec4<u32>(params.C);
  let bias = load_weights(params.w + params.F * params.C, min(classes, vec4<u32>(params.C - 1u)));

  // W of this lane's features, class by class.
  var w = array<vec4<f32>, 32>();
  for (var c = 0u; c < params.C; c++) { w[c] = load_weights(params.w + c, cols * params.C); }

  var loss = 0.0;
  var correct = 0.0;
  var sum_dn = vec4<f32>();
  var sum_dn_xhat = vec4<f32>();
  for (var m0 = 0u; m0 < params.B; m0 += SIDE) {
    // All logits of SIDE samples: each workgroup makes them anew, for no other can tell it.
    let hw = product(m0, lane);
    for (var r = 0u; r < min(SIDE, params.B - m0); r++) {
      let m = m0 + r;
      let label = label_of(tick, m);
      let logits = select(vec4<f32>(LEAST), hw.row[r] + bias, is_class);
      // The largest logit is taken out first, so that exp never overflows.
      let most = subgroupMax(max(max(logits[0], logits[1]), max(logits[2], logits[3])));
      let lse = most + log(subgroupAdd(total(select(vec4<f32>(), exp(logits - most), is_class))));
      let is_label = classes == vec4<u32>(label);
      let d = select(vec4<f32>(), exp(logits - lse) - select(vec4<f32>(), vec4<f32>(1.0), is_label), is_class);
      loss += lse - subgroupAdd(total(select(vec4<f32>(), logits, is_label)));
      // Classified as the first of the classes with the largest logit.
      let best = select(vec4<u32>(0xffffffffu), classes, logits == vec4<f32>(most));
      correct += select(0.0, 1.0, subgroupMin(min(min(best[0], best[1]), min(best[2], best[3]))) == label);
      if (first) { store(params.dlogits + m * params.C, 4u * lane, params.C, d); }

      // dn = dlogits W^T where ReLU passed, 4 classes at a time; d of a class that is none is 0.
      var dh = back(subgroupBroadcast(d, 0u), w[0], w[1], w[2], w[3]);
      if (params.C > 4u) { dh += back(subgroupBroadcast(d, 1u), w[4], w[5], w[6], w[7]); }
      if (params.C > 8u) { dh += back(subgroupBroadcast(d, 2u), w[8], w[9], w[10], w[11]); }
      if (params.C > 12u) { dh += back(subgroupBroadcast(d, 3u), w[12], w[13], w[14], w[15]); }
      if (LANES > 4u && params.C > 16u) { dh += back(subgroupBroadcast(d, 4u), w[16], w[17], w[18], w[19]); }
      if (LANES > 4u && params.C > 20u) { dh += back(subgroupBroadcast(d, 5u), w[20], w[21], w[22], w[23]); }
      if (LANES > 4u && params.C > 24u) { dh += back(subgroupBroadcast(d, 6u), w[24], w[25], w[26], w[27]); }
      if (LANES > 4u && params.C > 28u) { dh += back(subgroupBroadcast(d, 7u), w[28], w[29], w[30], w[31]); }
      let xhat = (load(params.z + m * params.F, cols) - mean) * rstd;
      let dn = select(vec4<f32>(), dh, gamma * xhat + beta > vec4<f32>());
      store(params.dn + m * params.F, n, params.F, dn);
      sum_dn += dn;
      sum_dn_xhat += dn * xhat;
    }
  }

  if (first && lane == 0u) {
    memory[params.loss] = loss;
    memory[params.loss + 1u] = correct;
    // Updates come later in the step, and see it.
    if (!finite(loss)) { atomicStore(&state[2], 1u); }
  }
  store(params.sums, n, params.F, sum_dn);
  store(params.sums + params.F, n, params.F, sum_dn_xhat);

  // dz = gamma rstd (dn - S1 / B - (z - mean) rstd S2 / B), in the place of dn; a lane reads what it has written.
  let mean_dn = sum_dn / f32(params.B);
  let slope = rstd * (sum_dn_xhat / f32(params.B));
  for (var m = 0u; m < params.B; m++) {
    let dn = load(params.dn + m * params.F, cols);
    let z = load(params.z + m * params.F, cols);
    store(params.dn + m * params.F, n, params.F, gamma * rstd * (dn - mean_dn - (z - mean) * slope));
  }
}
