// batchnorm_stats_cpu: batchnorm_stats for drivers that run on the CPU
//   mean[f] = sum_b x[b, f] / B      var[f] = sum_b (x[b, f] - mean[f])^2 / B      rstd[f] = 1 / sqrt(var[f] + eps)
//   running_mean += momentum (mean - running_mean)      running_var += momentum (var B / (B - 1) - running_var)
//   x: (B, F) f32 row-major      mean, rstd, running_mean, running_var: (F) f32
//   one lane for each column, no barrier; biased variance to normalise, unbiased to run; two passes
//   grid: linear over F      twin: src/reference/batchnorm.ts      maths: docs/04-batchnorm.md
const WG: u32 = 8u;
// Less than B by this is what the running variance divides by: 1, unbiased, or 0.
const BESSEL: u32 = 1u;
struct Params { B: u32, F: u32, eps: f32, momentum: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(4) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> running_var: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let f = (group.y * groups.x + group.x) * WG + local;
  if (f >= params.F) { return; }
  let count = f32(params.B);

  // First pass: the mean.
  var sum = 0.0;
  for (var b = 0u; b < params.B; b++) { sum += x[b * params.F + f]; }
  let m = sum / count;

  // Second pass: squared distances from that mean. E[x^2] - E[x]^2 would cancel where the mean is large.
  var squares = 0.0;
  for (var b = 0u; b < params.B; b++) {
    let d = x[b * params.F + f] - m;
    squares += d * d;
  }

  mean[f] = m;
  rstd[f] = 1.0 / sqrt(squares / count + params.eps);
  // Exponential moving averages, for evaluation. A batch of one has no unbiased variance: it counts as 0.
  running_mean[f] += params.momentum * (m - running_mean[f]);
  running_var[f] += params.momentum * (squares / max(count - f32(BESSEL), 1.0) - running_var[f]);
}
