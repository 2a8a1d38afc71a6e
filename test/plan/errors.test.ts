import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeviceLostError, Gpu, OutOfMemoryError } from '../../src/gpu/gpu.ts';
import { openDevice } from '../../src/gpu/open.ts';
import { Plan } from '../../src/gpu/plan.ts';
import * as record from '../../src/kernels/record.ts';
import { useDevice } from '../support/device.ts';

const device = useDevice();

describe('a fault that WebGPU reports later and elsewhere', () => {
  // Each is invalid in another place: a bind group, a copy, a submit.
  const faults: Record<string, (gpu: Gpu) => void> = {
    'a bind group of another layout': ({ device }) => {
      const layout = device.createBindGroupLayout({
        entries: [{ binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'uniform' } }],
      });
      device.createBindGroup({ layout, entries: [] });
    },
    'a copy past the end of a buffer': ({ device }) => {
      const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const [from, to] = [16, 8].map((size) => device.createBuffer({ size, usage }));
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(from!, 0, to!, 0, 16);
      encoder.finish();
    },
    'a submit with a buffer that was destroyed': (gpu) => {
      const plan = new Plan(gpu, 'destroyed');
      const x = plan.tensor('x', [4]);
      record.reluForward(plan, 'y', x);
      gpu.release(x.buffer);
      plan.submit();
      plan.destroy();
    },
  };

  describe.each(Object.entries(faults))('%s', (_, provoke) => {
    it('is thrown by check(), once', async () => {
      const { gpu } = device;
      provoke(gpu);
      await gpu.device.queue.onSubmittedWorkDone();
      expect(() => gpu.check()).toThrow(/^WebGPU: /);
      gpu.check();
    });

    it('is thrown by the next wait, and not by the one after it', async () => {
      const { gpu } = device;
      provoke(gpu);
      await expect(gpu.idle()).rejects.toThrow(/^WebGPU: /);
      await gpu.idle();
    });

    it('is thrown by the next reading, which leaves no buffer behind', async () => {
      const { gpu } = device;
      const buffer = gpu.storage('read me', 16);
      const { buffers } = gpu.alive;
      provoke(gpu);
      await expect(gpu.read(buffer)).rejects.toThrow(/^WebGPU: /);
      expect(gpu.alive.buffers).toBe(buffers);
      expect(await gpu.read(buffer)).toEqual(new ArrayBuffer(16));
      gpu.release(buffer);
    });
  });

  it('of several, the first is thrown: the others follow from it', async () => {
    const { gpu } = device;
    faults['a copy past the end of a buffer']!(gpu);
    faults['a bind group of another layout']!(gpu);
    await gpu.device.queue.onSubmittedWorkDone();
    expect(() => gpu.check()).toThrow(/copy|CopyBufferToBuffer/i);
    gpu.check();
  });
});

describe('memory that the device does not have', () => {
  it('is an OutOfMemoryError', () => {
    const fake = { lost: new Promise(() => {}) } as unknown as GPUDevice;
    const gpu = new Gpu(fake, device.gpu.info);
    const error = new GPUOutOfMemoryError('no room');
    fake.onuncapturederror!({ error } as unknown as GPUUncapturedErrorEvent);
    expect(() => gpu.check()).toThrow(OutOfMemoryError);
    fake.onuncapturederror!({ error } as unknown as GPUUncapturedErrorEvent);
    expect(() => gpu.check()).toThrow('the device ran out of memory: no room');
  });
});

describe('a device that is lost', () => {
  it('rejects the wait under way, every later one, and readings', async () => {
    const gpu = await openDevice();
    try {
      const buffer = gpu.storage('x', 64);
      await gpu.idle();
      const underWay = gpu.until(new Promise(() => {}));
      gpu.device.destroy();
      await expect(underWay).rejects.toThrow(DeviceLostError);
      await expect(gpu.idle()).rejects.toThrow(DeviceLostError);
      await expect(gpu.idle()).rejects.toThrow(DeviceLostError);
      await expect(gpu.read(buffer)).rejects.toThrow(DeviceLostError);
      expect(() => gpu.check()).toThrow(/^the device was lost: ./);
      // It stays lost, unlike other faults, which are told once.
      expect(() => gpu.check()).toThrow(DeviceLostError);
    } finally {
      gpu.destroy();
    }
  });

  it('rejects a reading that had been asked for before', async () => {
    const gpu = await openDevice();
    try {
      const buffer = gpu.storage('x', 64);
      const reading = gpu.read(buffer);
      gpu.device.destroy();
      await expect(reading).rejects.toThrow(DeviceLostError);
    } finally {
      gpu.destroy();
    }
  });

  it('can be destroyed, twice, with all its buffers', async () => {
    const gpu = await openDevice();
    gpu.storage('x', 64);
    gpu.storage('y', 128);
    expect(gpu.alive).toEqual({ buffers: 2, bytes: 192 });
    gpu.destroy();
    gpu.destroy();
    expect(gpu.alive).toEqual({ buffers: 0, bytes: 0 });
  });
});

describe('the set-up of the tests', () => {
  const support = (file: string) => fileURLToPath(new URL(`../support/${file}`, import.meta.url));
  const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'syngrad-vitest-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs vitest, with this project's set-up, on a file with one test, and returns how it ended. */
  async function runVitest(name: string, body: string): Promise<{ code: unknown; output: string }> {
    const config = {
      pool: 'forks',
      globals: true,
      setupFiles: [support('setup.ts')],
      include: ['*.test.ts'],
    };
    writeFileSync(join(folder, 'vitest.config.mjs'), `export default { test: ${JSON.stringify(config)} };`);
    writeFileSync(
      join(folder, `${name}.test.ts`),
      `import { useDevice } from ${JSON.stringify(support('device.ts'))};
       const device = useDevice();
       test('asserts nothing', async () => { ${body} });`,
    );
    const args = [vitest, 'run', '--root', folder, name];
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined };
    return new Promise((resolve) => {
      execFile(process.execPath, args, { timeout: 50_000, env }, (error, stdout, stderr) => {
        resolve({ code: error ? error.code : 0, output: stdout + stderr });
      });
    });
  }

  it('fails a test that leaves a validation error, though it asserts nothing', async () => {
    const { code, output } = await runVitest(
      'faulty',
      'device.gpu.device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });',
    );
    expect(output).toContain('Error: WebGPU: ');
    expect(output).toMatch(/asserts nothing/);
    expect(code).toBe(1);
  });

  it('passes the same test without the error', async () => {
    const { code, output } = await runVitest(
      'sound',
      'device.gpu.device.createBuffer({ size: 4, usage: GPUBufferUsage.STORAGE }).destroy();',
    );
    expect(output).not.toContain('WebGPU: ');
    expect(code, output).toBe(0);
  });
});
