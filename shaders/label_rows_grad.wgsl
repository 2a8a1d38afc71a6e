// label_rows_grad: forward: y[b, f] = x[b, f] + rows[label[b], f] + bias[f]
//   dRows[c, f] = sum of dY[b, f] over the samples b with label c
//   dY: (B, F) f32 row-major      labels: (B) u32      dRows: (C, F) f32
//   one invocation for each element of dRows walks the batch in order: no atomics, so it repeats bit for bit
//   grid: linear over C * F      twin: src/reference/label-rows.ts      maths: docs/06-synthetic-gradients.md
const WG: u32 = 64u;
struct Params { B: u32, F: u32, C: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dY: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> dRows: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.C * params.F) { return; }
  let c = i / params.F;
  let f = i % params.F;
  var sum = 0.0;
  for (var b = 0u; b < params.B; b++) {
    if (labels[b] == c) { sum += dY[b * params.F + f]; }
  }
  dRows[i] = sum;
}
