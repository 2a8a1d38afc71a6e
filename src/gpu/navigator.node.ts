import { availableParallelism } from 'node:os';
import type { AdapterInfo } from './adapters.ts';
import { chooseAdapter } from './instance.node.ts';
import { FAST, type OpenOptions } from './open.ts';

/**
 * Puts `navigator.gpu` there, as a browser has it, for libraries that look for it: whatever they ask for, they get the
 * adapter that `openDevice` would open, with the same toggles. Returns its description.
 *
 * @throws InputError when there is none, or none that matches `adapter`.
 */
export async function provideNavigator({ adapter, fast = false }: OpenOptions = {}): Promise<AdapterInfo> {
  const found = await chooseAdapter({ adapter, flags: fast ? FAST : [] });
  const { gpu } = await found.request();
  const browserLike = {
    gpu: {
      requestAdapter: async () => (await found.request()).adapter,
      getPreferredCanvasFormat: () => gpu.getPreferredCanvasFormat(),
      wgslLanguageFeatures: gpu.wgslLanguageFeatures,
    },
    hardwareConcurrency: availableParallelism(),
    userAgent: `Node.js/${process.version}`,
  };
  // Newer Nodes have a navigator of their own, which cannot be assigned to.
  Object.defineProperty(globalThis, 'navigator', { value: browserLike, configurable: true });
  return found.info;
}
