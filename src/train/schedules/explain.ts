import type { Gpu } from '../../gpu/gpu.ts';
import type { Arena } from './arena.ts';

/** The first tensor in an arena that holds an infinity or a NaN, in the order in which a step makes them. */
export async function firstNonFiniteOf(
  gpu: Gpu,
  { layout, weights, memory }: Arena,
): Promise<string | undefined> {
  const { sizes } = layout;
  const { H, B, F, C, zSlots, slots, models } = sizes;
  const held = new Float32Array(await gpu.read(weights.buffer));
  const made = new Float32Array(await gpu.read(memory.buffer));
  const bad = (numbers: Float32Array, at: number, size: number) =>
    !numbers.subarray(at, at + size).every(Number.isFinite);
  const layers = Array.from({ length: H }, (_, i) => i + 1);
  for (const l of [...layers, H + 1]) {
    const { at, size } = layout.weightsOf(l);
    for (let v = 0; v < sizes.wSlots; v++) {
      if (bad(held, v * layout.weights.version + at, size)) return `layer${l}.W`;
    }
  }
  const perLayer = (at: number, size: number, l: number, count: number) =>
    bad(made, at + (l - 1) * count * size, count * size);
  const { norm, dn, sg, err, logits, dlogits } = layout.memory;
  for (const l of layers) {
    if (perLayer(0, B * F, l, zSlots)) return `layer${l}.z`;
    if (perLayer(norm, 4 * F, l, zSlots)) return `layer${l}.stats`;
  }
  if (bad(made, logits, slots * B * C)) return 'loss.logits';
  if (bad(made, dlogits, slots * B * C)) return 'loss.dLogits';
  for (const l of layers) {
    if (models && perLayer(sg, B * F, l, slots)) return `sg${l}.sg`;
    if (perLayer(dn, B * F, l, slots)) return `layer${l}.dN`;
    if (models && perLayer(err, B * F, l, slots)) return `sg${l}.dSg`;
  }
  return undefined;
}
