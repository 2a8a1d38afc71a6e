import { describe, expect, it } from 'vitest';
import { peakCopy, peakFma } from '../../src/kernels/peaks.ts';
import { CHAINS } from '../../src/reference/peaks.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();

describe('peak_fma', () => {
  it.each([
    [1, 0.999, 0.001],
    [64, 0.5, -1.25],
    [65, -0.75, 0.3],
    [1009, 0.999, 0.001],
    [300, 0, 2],
  ])('n = %i, a = %d, b = %d', async (n, a, b) => {
    await expectTwin(device.gpu, peakFma, { n, a, b }, { y: unwritten(n) });
  });

  it('with another number of steps', async () => {
    await expectTwin(device.gpu, peakFma, { n: 65, a: 0.999, b: 0.1 }, { y: unwritten(65) }, { STEPS: 24 });
  });

  it('takes as many steps as its flops are counted from', () => {
    const { STEPS } = device.gpu.kernel(peakFma).constants;
    expect(peakFma.flops({ n: 3, a: 0, b: 0 })).toBe(3 * (2 * CHAINS * STEPS! + CHAINS - 1));
  });

  it('really runs them: with a = 1 a chain counts its steps', async () => {
    // 12 chains of 512 steps of 1, and the beginnings (0 + 1 + ... + 11) / 128.
    const { y } = await runKernel(device.gpu, peakFma, { n: 64, a: 1, b: 1 }, { y: unwritten(64) });
    expect(y[0]).toBe(12 * 512 + 66 / 128);
  });
});

describe('peak_copy', () => {
  it.each([4, 252, 256, 260, 1024, 65_536])('n = %i (also the seed)', async (n) => {
    await expectTwin(device.gpu, peakCopy, { n }, { x: normals(new Random(n), n), y: unwritten(n) });
  });

  it('leaves alone what lies past n, and refuses an n that is no multiple of 4', async () => {
    const x = normals(new Random(3), 64);
    const { y } = await runKernel(device.gpu, peakCopy, { n: 40 }, { x, y: unwritten(64) });
    expect(y).toEqual(Float32Array.from([...x.subarray(0, 40), ...unwritten(24)]));
    await expect(runKernel(device.gpu, peakCopy, { n: 6 }, { x, y: unwritten(64) })).rejects.toThrow(
      'peak_copy: n must be a multiple of 4, got 6',
    );
  });
});
