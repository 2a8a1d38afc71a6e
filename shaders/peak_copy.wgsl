// peak_copy: how many bytes a second this device moves when nothing else holds it up: what percentages are of
//   y[i] = x[i]      x, y: (n) f32 in quads, n a multiple of 4
//   one invocation reads 16 bytes and writes 16, its neighbours the next ones; tensors larger than every cache
//   grid: linear over n / 4      twin: src/reference/peaks.ts      maths: docs/07-performance.md
const WG: u32 = 256u;
struct Params { n: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.n / 4u) { return; }
  y[i] = x[i];
}
