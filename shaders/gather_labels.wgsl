// gather_labels: the labels of this step's batch
//   y[b] = label[rows[step, b]]
//   labels: (ceil(N / 4)) u32, four labels each, little-endian      rows: (steps, B) u32
//   step: (1) u32, the counter on the GPU      y: (B) u32
//   grid: linear over B      twin: src/reference/gather.ts      maths: docs/01-forward.md
const WG: u32 = 64u;
struct Params { B: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read> step: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let b = (group.y * groups.x + group.x) * WG + local;
  if (b >= params.B) { return; }
  let sample = rows[step[0] * params.B + b];
  // Label `sample` is byte sample % 4 of word sample / 4.
  y[b] = (labels[sample / 4u] >> (8u * (sample % 4u))) & 0xffu;
}
