// adam: one Adam update of a parameter from its gradient (Kingma and Ba 2015, algorithm 1, efficient form)
//   g = scale * dP      m = beta1 m + (1 - beta1) g      v = beta2 v + (1 - beta2) g^2
//   p -= rate * step_size[t] * m / (sqrt(v) + eps_hat[t])
//   step_size[t] = learning rate * sqrt(1 - beta2^t) / (1 - beta1^t)      eps_hat[t] = eps * sqrt(1 - beta2^t)
//   dP, p, m, v: (n) f32      table: (steps, 2) f32, step_size and eps_hat of each step      step, flag: (1) u32
//   scale is 1 / B: gradients arrive summed over the batch. rate is 1 but for parameters in other units. The corrections are computed in float64 on the host.
//   grid: linear over n      twin: src/reference/adam.ts      maths: docs/05-adam.md
const WG: u32 = 64u;
struct Params { n: u32, scale: f32, beta1: f32, beta2: f32, rate: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dP: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read> step: array<u32>;
@group(0) @binding(4) var<storage, read> flag: array<u32>;
@group(0) @binding(5) var<storage, read_write> p: array<f32>;
@group(0) @binding(6) var<storage, read_write> m: array<f32>;
@group(0) @binding(7) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  // Once something was not finite (finite_flag), parameters stay as they are.
  if (i >= params.n || flag[0] != 0u) { return; }
  let step_size = params.rate * table[2u * step[0]];
  let eps_hat = table[2u * step[0] + 1u];
  let g = params.scale * dP[i];
  // Moving averages of the gradient and of its square.
  let m_new = params.beta1 * m[i] + (1.0 - params.beta1) * g;
  let v_new = params.beta2 * v[i] + (1.0 - params.beta2) * g * g;
  m[i] = m_new;
  v[i] = v_new;
  p[i] -= step_size * m_new / (sqrt(v_new) + eps_hat);
}
