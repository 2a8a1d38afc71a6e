import { afterAll, beforeAll } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { openDevice } from '../../src/gpu/open.ts';

/**
 * A device for all tests of a file that compile many pipelines: a GPU, else of the drivers for the processor the carried
 * one, whose compiler takes the least time.
 */
export function useQuickDevice(): { readonly gpu: Gpu } {
  let gpu: Gpu | undefined;
  beforeAll(async () => {
    gpu = await openDevice({ adapter: 'gpu' })
      .catch(() => openDevice({ adapter: 'carried' }))
      .catch(() => openDevice());
  });
  afterAll(() => gpu?.destroy());
  return {
    get gpu() {
      if (!gpu) throw new Error('the device is open only inside tests and hooks');
      return gpu;
    },
  };
}
