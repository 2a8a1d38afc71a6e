// label_rows_add: the label term and the bias of a conditioned predictor
//   y[b, f] = x[b, f] + rows[label[b], f] + bias[f]
//   the product of a one-hot label with its weights is one row of them, so no product is computed
//   x, y: (B, F) f32 row-major      rows: (C, F) f32      bias: (F) f32      labels: (B) u32
//   grid: linear over B * F      twin: src/reference/label-rows.ts      maths: docs/06-synthetic-gradients.md
const WG: u32 = 64u;
struct Params { B: u32, F: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> rows: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> labels: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.B * params.F) { return; }
  let b = i / params.F;
  let f = i % params.F;
  y[i] = x[i] + rows[labels[b] * params.F + f] + bias[f];
}
