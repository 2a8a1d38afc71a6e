import { describe, expect, it } from 'vitest';
import { Plan } from '../../src/gpu/plan.ts';
import { empty, tick } from '../../src/kernels/overhead.ts';
import { tensorFrom } from '../../src/tensor.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, fromBits, runKernel } from '../support/kernel.ts';

const device = useDevice();

describe('tick', () => {
  it.each([
    [1, 0],
    [1, 41],
    [2, 7],
    [3, 2 ** 32 - 1],
  ])('adds %i to %i', async (STEP, before) => {
    await expectTwin(device.gpu, tick, {}, { clock: Uint32Array.of(before) }, { STEP });
  });

  it('counts the dispatches of each of two pipelines, in one pass', async () => {
    const { gpu } = device;
    const plan = new Plan(gpu, 'ticks');
    const clock = plan.own(tensorFrom(gpu, 'clock', [1], Uint32Array.of(7)));
    plan.dispatch(tick, { label: 'one', params: {}, tensors: { clock } });
    plan.dispatch(tick, { label: 'two', params: {}, tensors: { clock }, constants: { STEP: 1000 } });
    await plan.ready();
    plan.submit(300);
    expect([...new Uint32Array(await gpu.read(clock.buffer))]).toEqual([7 + 300 * 1001]);
    plan.destroy();
  });
});

describe('empty', () => {
  it('leaves what is there, whatever it is', async () => {
    const x = fromBits(0x7fc12345, 0x00000001, 0xbf800000);
    const after = await runKernel(device.gpu, empty, {}, { x });
    expect(new Uint32Array(after.x.buffer)).toEqual(new Uint32Array(x.buffer));
    await expectTwin(device.gpu, empty, {}, { x }, { SPARE: 2 });
  });
});
