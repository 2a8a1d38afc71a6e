// batchnorm_stats: per-feature mean and 1/sqrt(var + eps) over the batch, and the running statistics
//   mean[f] = sum_b x[b, f] / B      var[f] = sum_b (x[b, f] - mean[f])^2 / B      rstd[f] = 1 / sqrt(var[f] + eps)
//   running_mean += momentum (mean - running_mean)      running_var += momentum (var B / (B - 1) - running_var)
//   x: (B, F) f32 row-major      mean, rstd, running_mean, running_var: (F) f32
//   biased variance (divide by B) to normalise, unbiased (B - 1) to run; two passes over x, so no cancellation
//   a workgroup owns COLS neighbouring columns; ROWS threads stride over each, then a tree sum, in fixed order
//   grid: ceil(F / COLS)      twin: src/reference/batchnorm.ts      maths: docs/04-batchnorm.md
const COLS: u32 = 16u;
const ROWS: u32 = 16u;
// Less than B by this is what the running variance divides by: 1, unbiased, or 0.
const BESSEL: u32 = 1u;
struct Params { B: u32, F: u32, eps: f32, momentum: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(4) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> running_var: array<f32>;

var<workgroup> partial: array<f32, COLS * ROWS>;

// Sums this value over the ROWS threads of its column; every thread of the workgroup calls it and gets the sum.
fn column_total(value: f32, column: u32, row: u32) -> f32 {
  let slot = row * COLS + column;
  partial[slot] = value;
  workgroupBarrier();
  for (var half = ROWS / 2u; half > 0u; half /= 2u) {
    if (row < half) { partial[slot] += partial[slot + half * COLS]; }
    workgroupBarrier();
  }
  let total = partial[column];
  // Nobody may overwrite the total before all have read it.
  workgroupBarrier();
  return total;
}

@compute @workgroup_size(COLS, ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let f = group.x * COLS + local.x;
  let inside = f < params.F;
  let count = f32(params.B);

  // First pass: the mean.
  var sum = 0.0;
  if (inside) {
    for (var b = local.y; b < params.B; b += ROWS) { sum += x[b * params.F + f]; }
  }
  let m = column_total(sum, local.x, local.y) / count;

  // Second pass: squared distances from that mean. E[x^2] - E[x]^2 would cancel where the mean is large.
  var squares = 0.0;
  if (inside) {
    for (var b = local.y; b < params.B; b += ROWS) {
      let d = x[b * params.F + f] - m;
      squares += d * d;
    }
  }
  let total = column_total(squares, local.x, local.y);

  if (inside && local.y == 0u) {
    mean[f] = m;
    rstd[f] = 1.0 / sqrt(total / count + params.eps);
    // Exponential moving averages, for evaluation. A batch of one has no unbiased variance: it counts as 0.
    running_mean[f] += params.momentum * (m - running_mean[f]);
    running_var[f] += params.momentum * (total / max(count - f32(BESSEL), 1.0) - running_var[f]);
  }
}
