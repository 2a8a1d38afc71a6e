// step_advance: the last dispatch of a step moves the counter that lives on the GPU to the next row of the step table
//   step[0] += 1, unless the flag is up
//   flag, step: (1) u32
//   one invocation      grid: 1      twin: src/reference/metrics.ts      maths: docs/00-map.md
@group(0) @binding(1) var<storage, read> flag: array<u32>;
@group(0) @binding(2) var<storage, read_write> step: array<u32>;

@compute @workgroup_size(1)
fn main() {
  if (flag[0] == 0u) { step[0] += 1u; }
}
