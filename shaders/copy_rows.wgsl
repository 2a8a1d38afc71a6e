// copy_rows: a matrix from one place to another, where its rows may lie further apart
//   y[at_y + r stride_y + c] = x[at + r stride + c]
//   x, y: f32 of any size; what lies between the rows of y stays as it is
//   grid: linear over rows x columns      twin: src/reference/copy-rows.ts      maths: docs/12-fused.md
const WG: u32 = 64u;
struct Params { rows: u32, columns: u32, at: u32, stride: u32, at_y: u32, stride_y: u32 }

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
  y[params.at_y + r * params.stride_y + c] = x[params.at + r * params.stride + c];
}
