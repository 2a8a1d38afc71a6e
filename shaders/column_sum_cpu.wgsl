// column_sum_cpu: column_sum for drivers that run on the CPU
//   total[f] = sum over b of x[b, f]
//   x: (B, F) f32 row-major      total: (F) f32
//   one lane for each column, so that neighbouring lanes read neighbouring addresses; no barrier, since a barrier
//   makes such a driver save and restore every lane
//   grid: linear over F      twin: src/reference/bias.ts      maths: docs/03-backward.md
const WG: u32 = 8u;
struct Params { B: u32, F: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> total: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let f = (group.y * groups.x + group.x) * WG + local;
  if (f >= params.F) { return; }
  var sum = 0.0;
  for (var b = 0u; b < params.B; b++) { sum += x[b * params.F + f]; }
  total[f] = sum;
}
