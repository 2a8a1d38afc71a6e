import { describe, expect, it } from 'vitest';
import { useDevice } from '../support/device.ts';
import { type Content, runKernel, unwritten } from '../support/kernel.ts';
import {
  buffersOf,
  contentsFor,
  expectPyTorch,
  operatorCases,
  paramsFor,
  waysOf,
} from '../support/operators.ts';

const device = useDevice();

describe('single kernels against PyTorch in float64', () => {
  it.each(operatorCases.map((c) => [c.name, c] as const))('%s', async (_, c) => {
    for (const chain of waysOf(c)) {
      const now = new Map<string, Content>(
        [...buffersOf(c, 'in')].map(([name, x]) => [
          name,
          x instanceof Uint32Array ? x : Float32Array.from(x),
        ]),
      );
      for (const spec of chain) {
        const room = (n: number, whole: boolean) => (whole ? new Uint32Array(n).fill(999) : unwritten(n));
        const contents = contentsFor<Content>(spec, now, c, room);
        const after = await runKernel(device.gpu, spec, paramsFor(spec, c.params), contents);
        for (const [name, x] of Object.entries(after)) now.set(name, x);
      }
      expect(expectPyTorch(c, now, 1)).toBeLessThanOrEqual(1);
    }
  });
});
