// squared_error_grad: the gradient of a sample's squared error ||prediction[b] - target[b]||^2
//   dPrediction[i] = 2 (prediction[i] - goal[i])
//   prediction, goal, dPrediction: (n) f32; the target is called goal because WGSL reserves the word
//   grid: linear over n      twin: src/reference/squared-error.ts      maths: docs/06-synthetic-gradients.md
const WG: u32 = 64u;
struct Params { n: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> prediction: array<f32>;
@group(0) @binding(2) var<storage, read> goal: array<f32>;
@group(0) @binding(3) var<storage, read_write> dPrediction: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.n) { return; }
  dPrediction[i] = 2.0 * (prediction[i] - goal[i]);
}
