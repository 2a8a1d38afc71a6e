// momentum: one step of gradient descent with momentum (Polyak 1964, in PyTorch's form)
//   v = mu v + scale * dP      p -= step_size[t] * v
//   dP, p, v: (n) f32      table: (steps, 2) f32, step_size of each step first      step, flag: (1) u32
//   scale is 1 / B: gradients arrive summed over the batch
//   grid: linear over n      twin: src/reference/sgd.ts      maths: docs/05-adam.md
const WG: u32 = 64u;
struct Params { n: u32, scale: f32, mu: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dP: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read> step: array<u32>;
@group(0) @binding(4) var<storage, read> flag: array<u32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  // Once something was not finite (finite_flag), parameters stay as they are.
  if (i >= params.n || flag[0] != 0u) { return; }
  let step_size = table[2u * step[0]];
  let v_new = params.mu * v[i] + params.scale * dP[i];
  v[i] = v_new;
  p[i] -= step_size * v_new;
}
