// softmax_xent_forward: softmax and cross-entropy of each sample, by log-sum-exp
//   lse[b] = m + log(sum_c exp(logits[b, c] - m)),  m = max_c logits[b, c]
//   loss[b] = -log softmax(logits[b])[label[b]] = lse[b] - logits[b, label[b]]
//   logits: (B, C) f32 row-major      labels: (B) u32      lse, loss: (B) f32
//   the maximum is taken out first, so that exp never overflows and the largest term is exactly 1
//   grid: linear over B      twin: src/reference/softmax-xent.ts      maths: docs/02-loss.md
const WG: u32 = 64u;
struct Params { B: u32, C: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let b = (group.y * groups.x + group.x) * WG + local;
  if (b >= params.B) { return; }
  let row = b * params.C;
  var m = logits[row];
  for (var c = 1u; c < params.C; c++) { m = max(m, logits[row + c]); }
  var sum = 0.0;
  for (var c = 0u; c < params.C; c++) { sum += exp(logits[row + c] - m); }
  lse[b] = m + log(sum);
  loss[b] = lse[b] - logits[row + labels[b]];
}
