import { afterAll, beforeAll } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { openDevice } from '../../src/gpu/open.ts';

const open = new Set<Gpu>();

/** The devices that tests have open now. */
export const openDevices = (): Iterable<Gpu> => open;

/** Opens a device for all tests of a file, with all of Dawn's checks on, and closes it after the last. */
export function useDevice(): { readonly gpu: Gpu } {
  let gpu: Gpu | undefined;
  beforeAll(async () => {
    gpu = await openDevice();
    open.add(gpu);
  });
  afterAll(() => {
    if (!gpu) return;
    open.delete(gpu);
    gpu.destroy();
  });
  return {
    get gpu() {
      if (!gpu) throw new Error('the device is open only inside tests and hooks');
      return gpu;
    },
  };
}
