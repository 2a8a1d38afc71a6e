import { afterAll, beforeAll } from 'vitest';
import { Gpu } from '../../src/gpu/gpu.ts';
import { chooseAdapter } from '../../src/gpu/instance.node.ts';

/** Opens Dawn's null backend: it compiles and validates everything, with no driver at all, and executes nothing. */
export async function openNullDevice(): Promise<Gpu> {
  const found = await chooseAdapter({ adapter: '', flags: ['backend=null'] });
  const { gpu, adapter } = await found.request();
  // Some forms for CPU drivers need subgroups.
  const requiredFeatures = ['subgroups'] as const;
  return new Gpu(await adapter.requestDevice({ label: 'null', requiredFeatures }), found.info, gpu);
}

/** A null device for all tests of a file. What it had to say that no test has asked for fails the file. */
export function useNullDevice(): { readonly gpu: Gpu } {
  let gpu: Gpu | undefined;
  beforeAll(async () => {
    gpu = await openNullDevice();
  });
  afterAll(async () => {
    if (!gpu) return;
    try {
      await gpu.idle();
    } finally {
      gpu.destroy();
    }
  });
  return {
    get gpu() {
      if (!gpu) throw new Error('the device is open only inside tests and hooks');
      return gpu;
    },
  };
}
