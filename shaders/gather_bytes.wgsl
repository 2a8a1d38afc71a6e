// gather_bytes: the rows of this step's batch, from bytes to scaled floats
//   x[b, i] = scale * image[rows[step, b], i]
//   bytes: (N, words) u32, four bytes each, little-endian, a row padded to whole words
//   rows: (steps, B) u32      step: (1) u32, the counter on the GPU      x: (B, I) f32 row-major
//   one invocation for each word, so for up to four neighbouring elements of x
//   grid: linear over B * words      twin: src/reference/gather.ts      maths: docs/01-forward.md
const WG: u32 = 64u;
struct Params { B: u32, I: u32, words: u32, scale: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bytes: array<u32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read> step: array<u32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let k = (group.y * groups.x + group.x) * WG + local;
  if (k >= params.B * params.words) { return; }
  let b = k / params.words;
  let word = k % params.words;
  // The step table says which sample is row b of this step's batch.
  let sample = rows[step[0] * params.B + b];
  let packed = bytes[sample * params.words + word];
  for (var j = 0u; j < 4u; j++) {
    let i = 4u * word + j;
    if (i < params.I) {
      // Byte j of the word, to [0, 1] when scale is 1 / 255.
      x[b * params.I + i] = params.scale * f32((packed >> (8u * j)) & 0xffu);
    }
  }
}
