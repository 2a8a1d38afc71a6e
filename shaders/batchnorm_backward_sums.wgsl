// batchnorm_backward_sums: the gradients of beta and gamma
//   forward: y[b, f] = gamma[f] * xhat[b, f] + beta[f],      xhat[b, f] = (x[b, f] - mean[f]) * rstd[f]
//   dBeta[f] = sum_b dY[b, f]      dGamma[f] = sum_b dY[b, f] * xhat[b, f]
//   x, dY: (B, F) f32 row-major      mean, rstd, dGamma, dBeta: (F) f32
//   a workgroup owns COLS neighbouring columns; ROWS threads stride over each, then a tree sum, in fixed order
//   grid: ceil(F / COLS)      twin: src/reference/batchnorm.ts      maths: docs/04-batchnorm.md
const COLS: u32 = 16u;
const ROWS: u32 = 16u;
struct Params { B: u32, F: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> rstd: array<f32>;
@group(0) @binding(4) var<storage, read> dY: array<f32>;
@group(0) @binding(5) var<storage, read_write> dGamma: array<f32>;
@group(0) @binding(6) var<storage, read_write> dBeta: array<f32>;

// x: this thread's part of dBeta, y: of dGamma.
var<workgroup> partial: array<vec2f, COLS * ROWS>;

@compute @workgroup_size(COLS, ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let f = group.x * COLS + local.x;
  let slot = local.y * COLS + local.x;
  var sums = vec2f(0.0, 0.0);
  if (f < params.F) {
    let m = mean[f];
    let r = rstd[f];
    for (var b = local.y; b < params.B; b += ROWS) {
      let i = b * params.F + f;
      let xhat = (x[i] - m) * r;
      sums += vec2f(dY[i], dY[i] * xhat);
    }
  }
  partial[slot] = sums;
  workgroupBarrier();
  // Halve the number of partial sums until one a column is left.
  for (var half = ROWS / 2u; half > 0u; half /= 2u) {
    if (local.y < half) { partial[slot] += partial[slot + half * COLS]; }
    workgroupBarrier();
  }
  if (local.y == 0u && f < params.F) {
    dBeta[f] = partial[local.x].x;
    dGamma[f] = partial[local.x].y;
  }
}
