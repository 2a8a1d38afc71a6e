// sigmoid_backward: forward: y[i] = 1 / (1 + exp(-x[i]))
//   dX[i] = dY[i] y[i] (1 - y[i])
//   y, dY, dX: (n) f32; the derivative is read off the output, so the input need not be kept
//   grid: linear over n      twin: src/reference/sigmoid.ts      maths: docs/06-synthetic-gradients.md
const WG: u32 = 64u;
struct Params { n: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> dY: array<f32>;
@group(0) @binding(3) var<storage, read_write> dX: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.n) { return; }
  dX[i] = dY[i] * y[i] * (1.0 - y[i]);
}
