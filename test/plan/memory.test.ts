import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { Plan } from '../../src/gpu/plan.ts';
import { ReadbackPool } from '../../src/gpu/readback.ts';
import * as record from '../../src/kernels/record.ts';
import { createTensor, tensorFrom, writeTensor } from '../../src/tensor.ts';
import { useDevice } from '../support/device.ts';

const device = useDevice();

describe('what is alive', () => {
  it('after a plan has been destroyed is what was before it', async () => {
    const { gpu } = device;
    const before = { ...gpu.alive };
    const kept = tensorFrom(gpu, 'kept', [3, 5], new Float32Array(15).fill(2));
    const plan = new Plan(gpu, 'released');
    const w = plan.own(tensorFrom(gpu, 'w', [5, 4], new Float32Array(20).fill(1)));
    const z = record.matmulNN(plan, 'z', kept, w);
    record.reluForward(plan, 'h', z);
    await plan.ready();
    plan.submit();
    await gpu.read(z.buffer);
    await plan.encodeChecked();
    // kept, w, z, h, and the params of two dispatches (12 and 4 bytes)
    expect(gpu.alive).toEqual({
      buffers: before.buffers + 6,
      bytes: before.bytes + 4 * (15 + 20 + 12 + 12) + 12 + 4,
    });
    plan.destroy();
    expect(gpu.alive).toEqual({ buffers: before.buffers + 1, bytes: before.bytes + 60 });
    // What the plan did not own lives on.
    expect(new Float32Array(await gpu.read(kept.buffer))).toEqual(new Float32Array(15).fill(2));
    gpu.release(kept.buffer);
    expect(gpu.alive).toEqual(before);
  });

  it('a buffer released twice counts once', async () => {
    const { gpu } = device;
    const before = { ...gpu.alive };
    const buffer = gpu.storage('once', 256);
    const other = gpu.storage('other', 64);
    gpu.release(buffer);
    gpu.release(buffer);
    expect(gpu.alive).toEqual({ buffers: before.buffers + 1, bytes: before.bytes + 64 });
    gpu.release(other);
    await gpu.idle();
    expect(gpu.alive).toEqual(before);
  });

  it('does not grow by reading, nor by a pool of readbacks that is used again', async () => {
    const { gpu } = device;
    const before = { ...gpu.alive };
    const [a, b] = [tensorFrom(gpu, 'a', [2], Float32Array.of(1, 2)), createTensor(gpu, 'b', [3], 'u32')];
    const pool = new ReadbackPool(gpu, 'both', [a, b]);
    for (let i = 0; i < 5; i++) {
      writeTensor(gpu, b, Uint32Array.of(i, i + 1, i + 2));
      const encoder = gpu.device.createCommandEncoder();
      const pending = pool.copy(encoder);
      gpu.device.queue.submit([encoder.finish()]);
      const [first, second] = await pending.read();
      expect(new Float32Array(first!)).toEqual(Float32Array.of(1, 2));
      expect(new Uint32Array(second!)).toEqual(Uint32Array.of(i, i + 1, i + 2));
      expect(gpu.alive.buffers).toBe(before.buffers + 3);
    }
    const encoder = gpu.device.createCommandEncoder();
    const [read, cancelled] = [pool.copy(encoder), pool.copy(encoder)];
    gpu.device.queue.submit([encoder.finish()]);
    expect(gpu.alive.buffers).toBe(before.buffers + 4);
    cancelled.cancel();
    await read.read();
    expect(gpu.alive.buffers).toBe(before.buffers + 3);
    pool.destroy();
    for (const tensor of [a, b]) gpu.release(tensor.buffer);
    expect(gpu.alive).toEqual(before);
  });
});

describe('a buffer larger than the device allows', () => {
  it('is an InputError that names the limit, and makes nothing', () => {
    const { gpu } = device;
    const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
    const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    const name = most < maxBufferSize ? 'maxStorageBufferBindingSize' : 'maxBufferSize';
    const before = { ...gpu.alive };
    const create = () => createTensor(gpu, 'dataset', [Math.floor(most / 4) + 1]);
    expect(create).toThrow(InputError);
    expect(create).toThrow(/^dataset \(\d+\) needs \d+\.\d MiB, but the limit /);
    expect(create).toThrow(`the limit ${name} of ${gpu.info.name} is ${(most / 2 ** 20).toFixed(1)} MiB`);
    const staging = () => gpu.buffer('staging', maxBufferSize + 4, GPUBufferUsage.COPY_DST);
    expect(staging).toThrow(InputError);
    expect(staging).toThrow('the limit maxBufferSize of ');
    expect(gpu.alive).toEqual(before);
  });
});

describe('a tensor', () => {
  it('begins at zero, or with its data', async () => {
    const { gpu } = device;
    const zero = createTensor(gpu, 'zero', [2, 3]);
    const data = tensorFrom(gpu, 'data', [3], Uint32Array.of(1, 2, 0xffffffff));
    expect(new Float32Array(await gpu.read(zero.buffer))).toEqual(new Float32Array(6));
    expect(new Uint32Array(await gpu.read(data.buffer))).toEqual(Uint32Array.of(1, 2, 0xffffffff));
    expect([zero.size, zero.dtype, data.size, data.dtype]).toEqual([6, 'f32', 3, 'u32']);
    for (const tensor of [zero, data]) gpu.release(tensor.buffer);
  });

  it.each([[[]], [[0]], [[3, -1]], [[2.5]], [[Number.NaN, 2]]])('has no shape %j', (shape) => {
    expect(() => createTensor(device.gpu, 'x', shape)).toThrow('x: a shape needs positive integers, got (');
  });

  it('takes its first elements from data that fits, and refuses other data', async () => {
    const { gpu } = device;
    const x = tensorFrom(gpu, 'x', [2, 2], Float32Array.of(1, 2, 3, 4));
    // A view into a larger array, from its middle.
    writeTensor(gpu, x, Float32Array.of(0, 0, 9, 8, 7).subarray(2, 4));
    expect(new Float32Array(await gpu.read(x.buffer))).toEqual(Float32Array.of(9, 8, 3, 4));
    const long = new Float32Array(5);
    expect(() => writeTensor(gpu, x, long)).toThrow('x (2, 2) holds 4 elements, got 5');
    expect(() => writeTensor(gpu, x, new Uint32Array(4))).toThrow('x is f32, got Uint32Array');
    gpu.release(x.buffer);
  });
});
