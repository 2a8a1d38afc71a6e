import { describe, it } from 'vitest';
import { reluBackward, reluForward } from '../../src/kernels/relu.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, normals, Random } from '../support/kernel.ts';

const device = useDevice();

describe.each([1, 63, 64, 65, 1009, 256 * 256])('relu, n = %i', (n) => {
  const random = new Random(n);

  it('forward', async () => {
    await expectTwin(device.gpu, reluForward, { n }, { x: normals(random, n), y: new Float32Array(n) });
  });

  it('backward', async () => {
    const y = normals(random, n).map((v) => Math.max(v, 0));
    await expectTwin(device.gpu, reluBackward, { n }, { y, dY: normals(random, n), dX: new Float32Array(n) });
  });
});
