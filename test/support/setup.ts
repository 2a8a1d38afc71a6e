import { afterEach } from 'vitest';
import { openDevices } from './device.ts';

// WebGPU reports validation errors later and elsewhere. Whatever a device has to say after a test fails that test.
afterEach(async () => {
  for (const gpu of openDevices()) {
    await gpu.device.queue.onSubmittedWorkDone().catch(() => {});
    gpu.check();
  }
});
