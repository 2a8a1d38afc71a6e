import { describe, expect, it } from 'vitest';
import { kernels } from '../../src/kernels/index.ts';
import * as matmul from '../../src/kernels/matmul.ts';
import { useNullDevice } from '../support/null-device.ts';

const device = useNullDevice();

describe("on Dawn's null backend, with the limits every WebGPU device has", () => {
  it.each(kernels.map((spec) => [spec.file, spec] as const))(
    '%s compiles with the layout of its spec',
    async (_, spec) => {
      await device.gpu.kernel(spec).ready;
      await device.gpu.idle();
    },
  );

  it('compiles a kernel once for each set of constants', () => {
    const { gpu } = device;
    const usual = gpu.kernel(matmul.matmulNN);
    const large = gpu.kernel(matmul.matmulNN, { TILE_M: 64, TILE_N: 64, TILE_K: 16 });
    expect(gpu.kernel(matmul.matmulNN)).toBe(usual);
    expect(gpu.kernel(matmul.matmulNN, { TILE_M: 64, TILE_N: 64, TILE_K: 16 })).toBe(large);
    expect(large).not.toBe(usual);
    expect(usual.constants).toMatchObject({ TILE_M: 32, TILE_N: 32, TILE_K: 32 });
    expect(large.constants).toMatchObject({ TILE_M: 64, TILE_N: 64, TILE_K: 16 });
  });

  it.each([
    // 64 x 64 / 16 threads and 16 x (64 + 64 + 8) x 4 bytes: the largest tile that fits everywhere.
    { TILE_M: 64, TILE_N: 64, TILE_K: 16 },
    { TILE_M: 16, TILE_N: 16, TILE_K: 32 },
    { TILE_M: 4, TILE_N: 4, TILE_K: 1 },
  ])('products with tiles of $TILE_M x $TILE_N x $TILE_K', async (tiles) => {
    for (const spec of [matmul.matmulNN, matmul.matmulNT, matmul.matmulTN]) {
      await device.gpu.kernel(spec, tiles).ready;
    }
  });

  it('a tile with more threads or more memory than promised is refused when it is compiled', async () => {
    const threads = device.gpu.kernel(matmul.matmulNN, { TILE_M: 128, TILE_N: 64, TILE_K: 4 });
    await expect(threads.ready).rejects.toThrow(/shaders\/matmul_nn\.wgsl.*\n?.*(512|invocations)/);
    const memory = device.gpu.kernel(matmul.matmulNN, { TILE_M: 64, TILE_N: 64, TILE_K: 32 });
    await expect(memory.ready).rejects.toThrow(/shaders\/matmul_nn\.wgsl.*\n?.*17408/);
  });

  it('a layout that is not that of the shader is refused', async () => {
    const { a, b, c } = matmul.matmulNN.buffers;
    const swapped = device.gpu.kernel({ ...matmul.matmulNN, buffers: { a: c, b, c: a } } as never);
    await expect(swapped.ready).rejects.toThrow('shaders/matmul_nn.wgsl: ');
    const missing = device.gpu.kernel({ ...matmul.matmulNN, buffers: { a, b } } as never);
    await expect(missing.ready).rejects.toThrow('shaders/matmul_nn.wgsl: ');
  });
});
