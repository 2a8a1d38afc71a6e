// peak_fma: how many multiply-adds a second this device does when nothing else holds it up: what percentages are of
//   y: (n) f32
//   12 chains, j = 0 .. 11:   s_j = (i mod 64 + j) / 128, and then STEPS times in a row   s_j = s_j * a + b
//   y[i] = the sum of the 12 chains
//   A step waits only for the one before it in its own chain, so each invocation has 12 multiply-adds under way, which
//   covers their latency and still fits the 16 vector registers of a processor. There is no memory in the loop, and one
//   test of its end for 96 multiply-adds. With |a| < 1 a chain runs towards b / (1 - a) and never overflows.
//   grid: linear over n      twin: src/reference/peaks.ts      maths: docs/07-performance.md
const WG: u32 = 64u;
const STEPS: u32 = 512u;
const_assert STEPS % 8u == 0u;

struct Params { n: u32, a: f32, b: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.n) { return; }
  let a = params.a;
  let b = vec4<f32>(params.b);
  let first = f32(i % 64u);
  var s0 = (first + vec4<f32>(0.0, 1.0, 2.0, 3.0)) / 128.0;
  var s1 = (first + vec4<f32>(4.0, 5.0, 6.0, 7.0)) / 128.0;
  var s2 = (first + vec4<f32>(8.0, 9.0, 10.0, 11.0)) / 128.0;
  for (var k = 0u; k < STEPS; k += 8u) {
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b;
  }
  let s = s0 + s1 + s2;
  y[i] = s[0] + s[1] + s[2] + s[3];
}
