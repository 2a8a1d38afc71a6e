import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packParams } from '../../src/gpu/kernel.ts';
import { Plan } from '../../src/gpu/plan.ts';
import { batchnormStats } from '../../src/kernels/batchnorm.ts';
import { matmulNN, matmulNNCpu } from '../../src/kernels/matmul.ts';
import { stepAdvance } from '../../src/kernels/metrics.ts';
import { reluForward } from '../../src/kernels/relu.ts';
import type { Tensor } from '../../src/tensor.ts';
import { useDevice } from '../support/device.ts';

const device = useDevice();
let plan: Plan;
let x: Tensor;
let y: Tensor;
let before: { buffers: number; bytes: number };

beforeEach(() => {
  before = { ...device.gpu.alive };
  plan = new Plan(device.gpu, 'test plan');
  x = plan.tensor('x', [2, 3]);
  y = plan.tensor('y', [2, 3]);
});

afterEach(() => {
  plan.destroy();
  expect(device.gpu.alive).toEqual(before);
});

/** Records a dispatch that must be refused; the plan must be what it was before. */
function refused(record: () => void): string {
  const recorded = plan.dispatches.length;
  let message = 'nothing was thrown';
  try {
    record();
  } catch (error) {
    message = (error as Error).message;
  }
  expect(plan.dispatches).toHaveLength(recorded);
  return message;
}

describe('a dispatch is refused', () => {
  const args = { label: 'layer1.relu' };

  it('without one of its tensors, which is named', () => {
    const lacking = { x } as unknown as { x: Tensor; y: Tensor };
    expect(refused(() => plan.dispatch(reluForward, { ...args, params: { n: 6 }, tensors: lacking }))).toBe(
      "layer1.relu: relu_forward needs the tensor 'y'",
    );
  });

  it('when it reads and writes one buffer', () => {
    const message = refused(() =>
      plan.dispatch(reluForward, { ...args, params: { n: 6 }, tensors: { x, y: x } }),
    );
    expect(message).toBe('layer1.relu: x (2, 3) is bound twice, and written');
  });

  it('when it writes one buffer twice', () => {
    const [a, b] = [plan.tensor('a', [3]), plan.tensor('b', [3])];
    const tensors = { x, mean: a, rstd: b, running_mean: a, running_var: plan.tensor('c', [3]) };
    const params = { B: 2, F: 3, eps: 1e-5, momentum: 0.1 };
    expect(refused(() => plan.dispatch(batchnormStats, { label: 'stats', params, tensors }))).toBe(
      'stats: a (3) is bound twice, and written',
    );
  });

  it('without one of its params, or with one that it does not have', () => {
    const tensors = { x, y };
    const none = {} as { n: number };
    expect(refused(() => plan.dispatch(reluForward, { ...args, params: none, tensors }))).toBe(
      "relu_forward needs the parameter 'n'",
    );
    const more = { n: 6, m: 6 };
    expect(refused(() => plan.dispatch(reluForward, { ...args, params: more, tensors }))).toBe(
      "relu_forward has no parameter 'm'",
    );
  });

  it.each([-1, 1.5, 2 ** 32, Number.NaN])('with %d for an unsigned integer', (n) => {
    expect(refused(() => plan.dispatch(reluForward, { ...args, params: { n }, tensors: { x, y } }))).toBe(
      `relu_forward: parameter 'n' must be an unsigned integer, got ${n}`,
    );
  });

  it('with a grid that the device does not allow', () => {
    const most = device.gpu.device.limits.maxComputeWorkgroupsPerDimension;
    const tensors = { a: x, b: x, c: y };
    for (const [spec, rows] of [
      [matmulNN, 32],
      [matmulNNCpu, 8],
    ] as const) {
      const params = { M: most * rows + 1, K: 1, N: 1 };
      expect(refused(() => plan.dispatch(spec, { label: 'z.matmul', params, tensors }))).toBe(
        `z.matmul: a grid of 1 x ${most + 1} workgroups, but the device allows ${most} a dimension`,
      );
    }
  });

  it('with a constant that the shader does not have', () => {
    const constants = { TILE: 8 };
    const message = refused(() =>
      plan.dispatch(reluForward, { ...args, params: { n: 6 }, tensors: { x, y }, constants }),
    );
    expect(message).toContain('shaders/relu_forward.wgsl has no line "const TILE: u32 = ...u;"');
  });
});

describe('a dispatch is recorded', () => {
  it('with one buffer read twice', () => {
    plan.dispatch(matmulNNCpu, {
      label: 'square',
      params: { M: 2, K: 2, N: 2 },
      tensors: { a: x, b: x, c: y },
    });
    expect(plan.dispatches).toHaveLength(1);
  });

  it('with what it will run: label, grid, params as the device sees them, and their cost', () => {
    plan.dispatch(reluForward, { label: 'h', params: { n: 129 }, tensors: { x, y } });
    const [h] = plan.dispatches;
    expect(h).toMatchObject({ label: 'h', grid: [3, 1], params: { n: 129 }, tensors: { x, y } });
    plan.dispatch(reluForward, { label: 'h2', params: { n: 6 }, tensors: { x, y } });
    expect(plan.flops()).toBe(129 + 6);
  });

  it('without params where the kernel has none: no uniform buffer is made', () => {
    const [flag, step] = [plan.tensor('flag', [1], 'u32'), plan.tensor('step', [1], 'u32')];
    const { buffers } = device.gpu.alive;
    plan.dispatch(stepAdvance, { label: 'advance', params: {}, tensors: { flag, step } });
    expect(device.gpu.alive.buffers).toBe(buffers);
  });

  it('and forgotten when the plan is destroyed, once or twice', () => {
    plan.dispatch(reluForward, { label: 'h', params: { n: 6 }, tensors: { x, y } });
    plan.destroy();
    expect(device.gpu.alive).toEqual(before);
    expect(plan.dispatches).toEqual([]);
    plan.destroy();
    expect(device.gpu.alive).toEqual(before);
  });
});

describe('the bytes of struct Params', () => {
  const spec = { ...batchnormStats } as never;

  it('are the fields in the order of the spec, 4 bytes each, little-endian', () => {
    const { bytes, seen } = packParams(spec, { momentum: 0.1, eps: 1e-5, F: 7, B: 0xffffffff });
    const view = new DataView(bytes);
    expect(bytes.byteLength).toBe(16);
    expect([view.getUint32(0, true), view.getUint32(4, true)]).toEqual([0xffffffff, 7]);
    expect([view.getFloat32(8, true), view.getFloat32(12, true)]).toEqual([
      Math.fround(1e-5),
      Math.fround(0.1),
    ]);
    expect(seen).toEqual({ B: 0xffffffff, F: 7, eps: Math.fround(1e-5), momentum: Math.fround(0.1) });
  });
});
