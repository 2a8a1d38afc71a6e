// mix: a weighted mean of two tensors
//   y[i] = lambda a[i] + (1 - lambda) b[i]
//   a, b, y: (n) f32
//   lambda 1 gives a and lambda 0 gives b, bit for bit, whatever the other one holds
//   grid: linear over n      twin: src/reference/mix.ts      maths: docs/06-synthetic-gradients.md
const WG: u32 = 64u;
struct Params { n: u32, lambda: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WG + local;
  if (i >= params.n) { return; }
  let mixture = params.lambda * a[i] + (1.0 - params.lambda) * b[i];
  // At the ends a copy: the sum would turn -0 into 0, and take a NaN over from the side that has no share.
  y[i] = select(select(mixture, b[i], params.lambda == 0.0), a[i], params.lambda == 1.0);
}
