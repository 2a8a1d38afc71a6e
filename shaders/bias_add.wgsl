// bias_add: one number for each feature, added to every row
//   y[b, f] = x[b, f] + bias[f]
//   x, y: (B, F) f32 row-major      bias: (F) f32
//   grid: linear over B * F      twin: src/reference/bias.ts      maths: docs/01-forward.md
const WG: u32 = 64u;
struct Params { B: u32, F: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.B * params.F) { return; }
  y[i] = x[i] + bias[i % params.F];
}
