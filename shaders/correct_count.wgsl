// correct_count: how many samples of the batch are classified correctly, kept in the row of this step
//   correct[step] = number of b with argmax_c logits[b, c] = label[b]      (of equal logits the first counts)
//   a sample with a logit that is not finite is classified by nothing, and counts as wrong
//   logits: (B, C) f32 row-major      labels: (B) u32      step: (1) u32      correct: (steps) u32
//   one workgroup; threads stride over the batch, then a tree sum of integers
//   grid: 1      twin: src/reference/metrics.ts      maths: docs/02-loss.md
const WG: u32 = 64u;
struct Params { B: u32, C: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> step: array<u32>;
@group(0) @binding(4) var<storage, read_write> correct: array<u32>;

var<workgroup> partial: array<u32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) local: u32) {
  var count = 0u;
  for (var b = local; b < params.B; b += WG) {
    var best = 0u;
    var is_finite = true;
    for (var c = 0u; c < params.C; c++) {
      // By the bits: a compiler may take it that there are no NaNs.
      is_finite &= (bitcast<u32>(logits[b * params.C + c]) & 0x7f800000u) != 0x7f800000u;
      if (logits[b * params.C + c] > logits[b * params.C + best]) { best = c; }
    }
    if (is_finite && best == labels[b]) { count++; }
  }
  partial[local] = count;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (local < half) { partial[local] += partial[local + half]; }
    workgroupBarrier();
  }
  if (local == 0u) { correct[step[0]] = partial[0]; }
}
