// loss_mean: the batch's mean loss, kept on the GPU in the row of this step
//   losses[step] = sum_b loss[b] / B
//   loss: (B) f32      step: (1) u32, the counter on the GPU      losses: (steps) f32
//   one workgroup; threads stride over the batch, then a tree sum, in fixed order
//   grid: 1      twin: src/reference/metrics.ts      maths: docs/02-loss.md
const WG: u32 = 64u;
struct Params { B: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> loss: array<f32>;
@group(0) @binding(2) var<storage, read> step: array<u32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;

var<workgroup> partial: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  for (var b = local; b < params.B; b += WG) { sum += loss[b]; }
  partial[local] = sum;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (local < half) { partial[local] += partial[local + half]; }
    workgroupBarrier();
  }
  if (local == 0u) { losses[step[0]] = partial[0] / f32(params.B); }
}
