// relu_forward: y[i] = max(x[i], 0)
//   x, y: (n) f32
//   written as a selection, because max(NaN, 0) is 0 on some drivers and would hide a NaN
//   grid: linear over n      twin: src/reference/relu.ts      maths: docs/01-forward.md
const WG: u32 = 64u;
struct Params { n: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.n) { return; }
  // Negative numbers become 0; everything else, a NaN too, passes.
  y[i] = select(x[i], 0.0, x[i] < 0.0);
}
