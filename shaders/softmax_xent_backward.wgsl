// softmax_xent_backward: forward: loss[b] = lse[b] - logits[b, label[b]]
//   dLogits[b, c] = exp(logits[b, c] - lse[b]) - (1 if c = label[b], else 0) = softmax(logits[b])[c] - onehot
//   the gradient of each sample's own loss, not of the batch mean: Adam divides by B
//   logits, dLogits: (B, C) f32 row-major      labels: (B) u32      lse: (B) f32
//   grid: linear over B * C      twin: src/reference/softmax-xent.ts      maths: docs/02-loss.md
const WG: u32 = 64u;
struct Params { B: u32, C: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read_write> dLogits: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.B * params.C) { return; }
  let b = i / params.C;
  let probability = exp(logits[i] - lse[b]);
  let target_probability = select(0.0, 1.0, i % params.C == labels[b]);
  dLogits[i] = probability - target_probability;
}
