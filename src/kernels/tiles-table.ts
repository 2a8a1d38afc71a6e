// biome-ignore-all format: written by `syngrad tune`, whose next run reads it as JSON
// For each device, what the fused kernels of a schedule were fastest with, and when and how that was measured.
export const tilesTable = {
  "devices": []
};
