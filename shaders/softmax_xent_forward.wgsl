// softmax_xent_forward: cross-entropy of each sample, and what its softmax is made with
//   m = max_c logits[b, c]      rest = sum of exp(logits[b, c] - m) over all c but the first with that maximum
//   largest[b] = m      sum[b] = 1 + rest      loss[b] = -log softmax(logits[b])[label[b]] = log(1 + rest) + (m - logits[b, label[b]])
//   logits: (B, C) f32 row-major      labels: (B) u32      largest, sum, loss: (B) f32
//   m is taken out first, so that exp never overflows; it is never added to log(sum), which would be rounded to m's precision
//   grid: linear over B      twin: src/reference/softmax-xent.ts      maths: docs/02-loss.md
const WG: u32 = 64u;
struct Params { B: u32, C: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> largest: array<f32>;
@group(0) @binding(4) var<storage, read_write> sum: array<f32>;
@group(0) @binding(5) var<storage, read_write> loss: array<f32>;

// log(1 + x) for x >= 0, with a small relative error where log's own is absolute: 2 artanh(x / (2 + x)), as a series
fn log1p(x: f32) -> f32 {
  if (x >= 0.5) { return log(1.0 + x); }
  let s = x / (2.0 + x);
  let q = s * s;
  return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0))));
}

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let b = (group.y * groups.x + group.x) * WG + local;
  if (b >= params.B) { return; }
  let row = b * params.C;
  var best = 0u;
  for (var c = 1u; c < params.C; c++) {
    if (logits[row + c] > logits[row + best]) { best = c; }
  }
  let m = logits[row + best];
  // The largest term is exactly 1, and stays apart: added to it, small terms would lose their digits.
  var rest = 0.0;
  for (var c = 0u; c < params.C; c++) { rest += select(exp(logits[row + c] - m), 0.0, c == best); }
  largest[b] = m;
  sum[b] = 1.0 + rest;
  loss[b] = log1p(rest) + (m - logits[row + labels[b]]);
}
