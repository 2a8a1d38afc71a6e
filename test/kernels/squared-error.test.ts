import { describe, expect, it } from 'vitest';
import { squaredErrorGrad } from '../../src/kernels/squared-error.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();

describe('squared_error_grad', () => {
  it.each([1, 63, 64, 65, 1009, 256 * 256])('n = %i (also the seed)', async (n) => {
    const random = new Random(n);
    const contents = { prediction: normals(random, n), goal: normals(random, n) };
    await expectTwin(device.gpu, squaredErrorGrad, { n }, { ...contents, dPrediction: unwritten(n) });
  });

  it('is twice the difference: 0 at the goal, and no cancellation near it', async () => {
    const prediction = Float32Array.of(3, 1, -2, 1000.125, 1e30);
    const goal = Float32Array.of(3, 2, 2, 1000, -1e30);
    const contents = { prediction, goal, dPrediction: unwritten(5) };
    const { dPrediction } = await runKernel(device.gpu, squaredErrorGrad, { n: 5 }, contents);
    expect([...dPrediction]).toEqual([0, -2, -8, 0.25, Math.fround(4e30)]);
  });
});
