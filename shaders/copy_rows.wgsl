// copy_rows: a matrix from one place to another, where its rows may lie further apart
//   y[y_at + r y_stride + c] = x[x_at + r x_stride + c]
//   x, y: f32 of any size; what lies between the rows of y stays as it is
//   grid: linear over rows x columns      twin: src/reference/copy-rows.ts      maths: docs/12-fused.md
const WG: u32 = 64u;
struct Params { rows: u32, columns: u32, x_at: u32, x_stride: u32, y_at: u32, y_stride: u32 }

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
  if (i >= params.rows * params.columns) { return; }
  let r = i / params.columns;
  let c = i % params.columns;
  y[params.y_at + r * params.y_stride + c] = x[params.x_at + r * params.x_stride + c];
}
