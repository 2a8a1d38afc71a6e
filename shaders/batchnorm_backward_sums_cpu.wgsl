// batchnorm_backward_sums_cpu: batchnorm_backward_sums for drivers that run on the CPU
//   forward: y[b, f] = gamma[f] * xhat[b, f] + beta[f],      xhat[b, f] = (x[b, f] - mean[f]) * rstd[f]
//   dBeta[f] = sum_b dY[b, f]      dGamma[f] = sum_b dY[b, f] * xhat[b, f]
//   x, dY: (B, F) f32 row-major      mean, rstd, dGamma, dBeta: (F) f32
//   one lane for each column, no barrier
//   grid: linear over F      twin: src/reference/batchnorm.ts      maths: docs/04-batchnorm.md
const WG: u32 = 8u;
struct Params { B: u32, F: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> rstd: array<f32>;
@group(0) @binding(4) var<storage, read> dY: array<f32>;
@group(0) @binding(5) var<storage, read_write> dGamma: array<f32>;
@group(0) @binding(6) var<storage, read_write> dBeta: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let f = (group.y * groups.x + group.x) * WG + local;
  if (f >= params.F) { return; }
  let m = mean[f];
  let r = rstd[f];
  var sum_dy = 0.0;
  var sum_dy_xhat = 0.0;
  for (var b = 0u; b < params.B; b++) {
    let i = b * params.F + f;
    let xhat = (x[i] - m) * r;
    sum_dy += dY[i];
    sum_dy_xhat += dY[i] * xhat;
  }
  dBeta[f] = sum_dy;
  dGamma[f] = sum_dy_xhat;
}
