// softmax_xent_backward: forward: loss[b] = log(sum_c exp(logits[b, c])) - logits[b, label[b]]
//   dLogits[b, c] = softmax(logits[b])[c] = exp(logits[b, c] - largest[b]) / sum[b]      where c is not the label
//   dLogits[b, label] = softmax(logits[b])[label] - 1 = minus the sum of exp(logits[b, c] - largest[b]) / sum[b] over the others
//   the gradient of each sample's own loss, not of the batch mean: Adam divides by B
//   logits, dLogits: (B, C) f32 row-major      labels: (B) u32      largest, sum: (B) f32
//   grid: linear over B * C      twin: src/reference/softmax-xent.ts      maths: docs/02-loss.md
const WG: u32 = 64u;
struct Params { B: u32, C: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> largest: array<f32>;
@group(0) @binding(4) var<storage, read> sum: array<f32>;
@group(0) @binding(5) var<storage, read_write> dLogits: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.B * params.C) { return; }
  let b = i / params.C;
  let label = labels[b];
  var numerator = exp(logits[i] - largest[b]);
  if (i % params.C == label) {
    // Not p - 1, which would cancel where p is nearly 1: the others' share, from terms that are all positive.
    var others = 0.0;
    for (var c = 0u; c < params.C; c++) {
      others += select(exp(logits[b * params.C + c] - largest[b]), 0.0, c == label);
    }
    numerator = -others;
  }
  dLogits[i] = numerator / sum[b];
}
