// delay_line: gives back what it was given `delay` steps ago
//   ring[t mod (delay + 1)] = x,  y = ring[(t + 1) mod (delay + 1)], where t = clock
//   x, y: (n) f32      ring: (delay + 1, n) f32      clock: (1) u32, counts the steps (step_advance)
//   the slot after the one just written is the oldest; until it has been written, y is what the ring began with
//   the clock must not wrap around: slots would be met out of order once, after 2^32 steps
//   grid: linear over n      twin: src/reference/delay.ts      maths: docs/10-learning-rules.md
const WG: u32 = 64u;
struct Params { n: u32, delay: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> clock: array<u32>;
@group(0) @binding(3) var<storage, read_write> ring: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.n) { return; }
  let slots = params.delay + 1u;
  let newest = clock[0] % slots;
  let oldest = (newest + 1u) % slots;
  ring[newest * params.n + i] = x[i];
  y[i] = ring[oldest * params.n + i];
}
