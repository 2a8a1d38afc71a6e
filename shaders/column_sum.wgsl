// column_sum: the gradient of a bias (bias_add: y[b, f] = x[b, f] + bias[f])
//   total[f] = sum over b of x[b, f]
//   x: (B, F) f32 row-major      total: (F) f32
//   a workgroup owns COLS neighbouring columns; ROWS threads stride over each, then a tree sum, in fixed order
//   grid: ceil(F / COLS)      twin: src/reference/bias.ts      maths: docs/03-backward.md
const COLS: u32 = 16u;
const ROWS: u32 = 16u;
struct Params { B: u32, F: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> total: array<f32>;

var<workgroup> partial: array<f32, COLS * ROWS>;

@compute @workgroup_size(COLS, ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let f = group.x * COLS + local.x;
  let slot = local.y * COLS + local.x;
  // This thread's rows: local.y, local.y + ROWS, ...
  var sum = 0.0;
  if (f < params.F) {
    for (var b = local.y; b < params.B; b += ROWS) { sum += x[b * params.F + f]; }
  }
  partial[slot] = sum;
  workgroupBarrier();
  // Halve the number of partial sums until one a column is left.
  for (var half = ROWS / 2u; half > 0u; half /= 2u) {
    if (local.y < half) { partial[slot] += partial[slot + half * COLS]; }
    workgroupBarrier();
  }
  if (local.y == 0u && f < params.F) { total[f] = partial[local.x]; }
}
