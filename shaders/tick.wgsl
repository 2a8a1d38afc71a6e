// tick: the smallest kernel whose runs can be counted; for what a dispatch costs
//   clock[0] += STEP      clock: (1) u32
//   With another STEP it is another pipeline, and the sum tells how many dispatches of each have run.
//   one invocation      grid: 1      twin: src/reference/overhead.ts      maths: docs/07-performance.md
const STEP: u32 = 1u;

@group(0) @binding(1) var<storage, read_write> clock: array<u32>;

@compute @workgroup_size(1)
fn main() {
  clock[0] += STEP;
}
