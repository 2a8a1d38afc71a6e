// sigmoid_forward: y[i] = 1 / (1 + exp(-x[i]))
//   x, y: (n) f32
//   of exp(-|x|), which cannot overflow: 1 / (1 + e) where x >= 0, e / (1 + e) where x < 0
//   grid: linear over n      twin: src/reference/sigmoid.ts      maths: docs/06-synthetic-gradients.md
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
  let e = exp(-abs(x[i]));
  let s = select(1.0, e, x[i] < 0.0) / (1.0 + e);
  // A NaN, told by its bits, passes: on some drivers exp makes it a number.
  let nan = (bitcast<u32>(x[i]) & 0x7fffffffu) > 0x7f800000u;
  y[i] = select(s, x[i], nan);
}
