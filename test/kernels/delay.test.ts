import { describe, expect, it } from 'vitest';
import { Plan } from '../../src/gpu/plan.ts';
import { delayLine } from '../../src/kernels/delay.ts';
import { stepAdvance } from '../../src/kernels/metrics.ts';
import { delayed } from '../../src/kernels/record-models.ts';
import { writeTensor } from '../../src/tensor.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, fromBits, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();
const DELAYS = [0, 1, 2, 6];

describe.each([1, 63, 64, 65, 1009])('delay_line, n = %i (also the seed)', (n) => {
  it.each(DELAYS)('delay %i, at clocks around the wrap of the ring', async (delay) => {
    const slots = delay + 1;
    for (const clock of [0, slots - 1, slots, 5 * slots + 1]) {
      const random = new Random(n);
      const contents = {
        x: normals(random, n),
        clock: Uint32Array.of(clock),
        ring: normals(random, slots * n),
        y: unwritten(n),
      };
      await expectTwin(device.gpu, delayLine, { n, delay }, contents);
    }
  });
});

describe('delay_line at large clocks', () => {
  // The last clock too: the ring's slots are found from the clock mod slots, so that adding 1 cannot overflow. Behind
  // it the clock would begin at 0 again, in another slot (2^32 is no multiple of the slots); a run has fewer steps.
  it.each([999_999_999, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1])('%i', async (clock) => {
    for (const delay of DELAYS) {
      const random = new Random(delay);
      const n = 5;
      const x = normals(random, n);
      const ring = normals(random, (delay + 1) * n);
      const contents = { x, clock: Uint32Array.of(clock), ring, y: unwritten(n) };
      await expectTwin(device.gpu, delayLine, { n, delay }, contents);
    }
  });
});

describe('delayed, over 24 steps', () => {
  it.each(DELAYS)('gives back what was given %i steps before, and zeros until then', async (delay) => {
    const { gpu } = device;
    const n = 70;
    const plan = new Plan(gpu, 'delayed');
    const x = plan.tensor('x', [7, 10]);
    const [clock, flag] = [plan.tensor('clock', [1], 'u32'), plan.tensor('flag', [1], 'u32')];
    const y = delayed(plan, 'late', x, clock, delay);
    expect(y.shape).toEqual(x.shape);
    plan.dispatch(stepAdvance, {
      label: 'advance',
      params: {},
      tensors: { flag, step: clock },
      role: 'always',
    });
    const random = new Random(delay);
    const given: Float32Array[] = [];
    for (let t = 0; t < 24; t++) {
      given.push(normals(random, n));
      writeTensor(gpu, x, given[t]!);
      plan.submit();
      const expected = t < delay ? new Float32Array(n) : given[t - delay]!;
      expect(new Float32Array(await gpu.read(y.buffer)), `step ${t}`).toEqual(expected);
    }
    plan.destroy();
  });

  it('keeps every number as it is, and what lies past n', async () => {
    // 0, -0, infinities, the smallest normal number, the largest
    const x = fromBits(0, 0x80000000, 0x7f800000, 0xff800000, 0x00800000, 0x7f7fffff, 0x3f800000);
    const n = x.length;
    const contents = { x, clock: Uint32Array.of(1), ring: unwritten(2 * n), y: unwritten(n + 9) };
    const first = await runKernel(device.gpu, delayLine, { n, delay: 1 }, contents);
    expect([...first.ring]).toEqual([...new Array(n).fill(-12345), ...x]);
    const then = { ...contents, x: normals(new Random(1), n), clock: Uint32Array.of(2), ring: first.ring };
    const second = await runKernel(device.gpu, delayLine, { n, delay: 1 }, then);
    expect([...second.y]).toEqual([...x, ...new Array(9).fill(-12345)]);
  });
});
