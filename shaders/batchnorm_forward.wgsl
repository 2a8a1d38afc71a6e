// batchnorm_forward: normalise with the batch's statistics, then scale and shift
//   y[b, f] = gamma[f] * xhat[b, f] + beta[f],      xhat[b, f] = (x[b, f] - mean[f]) * rstd[f]
//   x, y: (B, F) f32 row-major      mean, rstd, gamma, beta: (F) f32
//   grid: linear over B * F      twin: src/reference/batchnorm.ts      maths: docs/04-batchnorm.md
const WG: u32 = 64u;
struct Params { B: u32, F: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> rstd: array<f32>;
@group(0) @binding(4) var<storage, read> gamma: array<f32>;
@group(0) @binding(5) var<storage, read> beta: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.B * params.F) { return; }
  let f = i % params.F;
  let xhat = (x[i] - mean[f]) * rstd[f];
  y[i] = gamma[f] * xhat + beta[f];
}
