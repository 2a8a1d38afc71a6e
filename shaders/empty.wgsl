// empty: does nothing; for what a dispatch costs
//   x: (1) f32, bound for reading and writing, so that a dispatch waits for the one before it that had it too
//   SPARE is for nothing but this: with another number it is another pipeline
//   one invocation      grid: 1      twin: src/reference/overhead.ts      maths: docs/07-performance.md
const SPARE: u32 = 1u;

@group(0) @binding(1) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(1)
fn main() {
  _ = &x;
}
