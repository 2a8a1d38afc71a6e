// gather_floats: the rows of this step's batch, from a data set of floats
//   x[b, i] = scale * values[rows[step, b], i]
//   values: (N, I) f32 row-major      rows: (steps, B) u32      step: (1) u32, the counter on the GPU
//   x: (B, I) f32 row-major
//   grid: linear over B * I      twin: src/reference/gather.ts      maths: docs/01-forward.md
const WG: u32 = 64u;
struct Params { B: u32, I: u32, scale: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read> step: array<u32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let k = (group.y * groups.x + group.x) * WG + local;
  if (k >= params.B * params.I) { return; }
  // The step table says which sample is row k / I of this step's batch.
  let sample = rows[step[0] * params.B + k / params.I];
  x[k] = params.scale * values[sample * params.I + k % params.I];
}
