import { describe, expect, it } from 'vitest';
import {
  batchnormBackwardInput,
  batchnormBackwardSums,
  batchnormBackwardSumsCpu,
} from '../../src/kernels/batchnorm.ts';
import * as twin from '../../src/reference/batchnorm.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();
const OPTIONS = { eps: 1e-5, momentum: 0.1 };

const SHAPES = [
  [1, 1],
  [1, 17],
  [2, 1],
  [2, 33],
  [15, 17],
  [16, 16],
  [17, 15],
  [7, 9],
  [13, 5],
  [97, 10],
  [10, 97],
  [1009, 3],
  [256, 256],
] as const;

/** What the forward pass leaves for the backward one, in float32, and a random upstream gradient. */
function state(seed: number, B: number, F: number, mean: number, deviation: number) {
  const random = new Random(seed);
  const x = normals(random, B * F).map((z) => mean + deviation * z);
  const zeros = new Float64Array(F);
  const stats = twin.batchnormStats(x, zeros, zeros, { B, F, ...OPTIONS });
  return {
    x,
    mean: Float32Array.from(stats.mean.value),
    rstd: Float32Array.from(stats.rstd.value),
    gamma: normals(random, F),
    dY: normals(random, B * F),
  };
}

describe.each([
  [0, 1],
  [1000, 1],
  [3, 0],
])('mean %d, deviation %d', (mean, deviation) => {
  describe.each(SHAPES)('B = %i, F = %i, seed = 1000 B + F', (B, F) => {
    const { gamma, ...s } = state(1000 * B + F, B, F, mean, deviation);

    it.each([batchnormBackwardSums, batchnormBackwardSumsCpu])('$file', async (spec) => {
      await expectTwin(device.gpu, spec, { B, F }, { ...s, dGamma: unwritten(F), dBeta: unwritten(F) });
    });

    it('batchnorm_backward_input', async () => {
      const sums = twin.batchnormBackwardSums(s.x, s, s.dY, { B, F });
      const dGamma = Float32Array.from(sums.dGamma.value);
      const dBeta = Float32Array.from(sums.dBeta.value);
      const contents = { ...s, gamma, dGamma, dBeta, dX: unwritten(B * F) };
      await expectTwin(device.gpu, batchnormBackwardInput, { B, F }, contents);
    });
  });
});

describe('an upstream gradient of ones moves no normalised value', () => {
  it('so dX is 0 up to rounding, seed 12', async () => {
    const [B, F] = [64, 5];
    const s = state(12, B, F, 0, 1);
    const dY = new Float32Array(B * F).fill(1);
    const params = { B, F };
    const { dGamma, dBeta } = await runKernel(device.gpu, batchnormBackwardSums, params, {
      x: s.x,
      mean: s.mean,
      rstd: s.rstd,
      dY,
      dGamma: unwritten(F),
      dBeta: unwritten(F),
    });
    expect([...dBeta]).toEqual(new Array(F).fill(B));
    const sums = { dGamma: dGamma as Float32Array, dBeta: dBeta as Float32Array };
    const { dX } = await runKernel(device.gpu, batchnormBackwardInput, params, {
      ...s,
      dY,
      ...sums,
      dX: unwritten(B * F),
    });
    // dY - dBeta / B is 0 but for the division's 2.5 ulp. dGamma / B, the mean of xhat, would be 0 too: B + 3 roundings
    // leave at most that many units of the mean of |xhat|, which is at most 1, and the mean's own rounding one more;
    // it is multiplied by an |xhat| below 5.
    const leastDigits = 2 ** -24 * (5 + 5 * (B + 13));
    dX.forEach((v, i) => {
      expect(Math.abs(v)).toBeLessThan(leastDigits * Math.abs(s.gamma[i % F]! * s.rstd[i % F]!));
    });
  });
});
