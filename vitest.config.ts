import { defineConfig } from 'vitest/config';
import { listAdapters } from './src/gpu/instance.node.ts';

// Tests in these folders need a device; they run on the carried driver and on the best one of the system's, if any.
const onDevice = ['kernels', 'plan', 'steps', 'learning'].map((room) => `test/${room}/**/*.test.ts`);

const adapters = await listAdapters();
const origins = (['carried', 'system'] as const).filter((origin) =>
  adapters.some((a) => a.info.origin === origin),
);

const shared = {
  // Dawn crashes in worker threads (Node 20).
  pool: 'forks' as const,
  // Only to end what hangs: how long anything takes is the machine's business, which may be busy with other things.
  testTimeout: 900_000,
  hookTimeout: 900_000,
  setupFiles: ['test/support/setup.ts'],
};

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      { test: { ...shared, name: 'host', include: ['test/**/*.test.ts'], exclude: onDevice } },
      ...origins.map((origin) => ({
        test: {
          ...shared,
          name: origin,
          include: onDevice,
          // What takes minutes on the slower driver is left to the other one, where there is one.
          env: {
            SYNGRAD_ADAPTER: origin,
            LEAVE_LONG: origin === 'carried' && origins.length > 1 ? 'to system' : '',
          },
        },
      })),
    ],
  },
});
