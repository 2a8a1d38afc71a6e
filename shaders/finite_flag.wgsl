// finite_flag: raises a flag when a tensor holds an infinity or a NaN
//   flag[0] becomes 1 if any x[i] is not finite, and is left as it is otherwise
//   x: (n) f32      flag: (1) u32
//   told by the exponent's bits, all ones for infinities and NaNs: comparisons with a NaN may be folded away
//   while the flag is up, adam, sgd, momentum and step_advance do nothing, so the step that failed stays to be looked at
//   one workgroup; threads stride over x, then a tree      grid: 1
//   twin: src/reference/metrics.ts      maths: docs/08-numerics.md
const WG: u32 = 64u;
struct Params { n: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> flag: array<u32>;

var<workgroup> partial: array<u32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) local: u32) {
  var found = 0u;
  for (var i = local; i < params.n; i += WG) {
    if ((bitcast<u32>(x[i]) & 0x7f800000u) == 0x7f800000u) { found = 1u; }
  }
  partial[local] = found;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (local < half) { partial[local] |= partial[local + half]; }
    workgroupBarrier();
  }
  if (local == 0u && partial[0] != 0u) { flag[0] = 1u; }
}
