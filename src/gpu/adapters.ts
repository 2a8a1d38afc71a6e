import { InputError } from '../errors.ts';

/** What is known of an adapter: the user is told of it, a run record keeps it, and it is chosen by it. */
export interface AdapterInfo {
  /** A CPU driver computes the right numbers, but its times say nothing about GPUs. */
  kind: 'gpu' | 'cpu';
  /** As the driver spells it, e.g. `SwiftShader Device (Subzero)`. */
  name: string;
  vendor: string;
  architecture: string;
  /** The driver and its version, e.g. `SwiftShader driver 5.0.0`. */
  driver: string;
  /** `vulkan`, `metal`, `d3d12`, ... */
  backend: string;
  /** Whether the machine's own driver or the one that came with the npm packages. */
  origin: 'system' | 'carried';
}

/** An adapter that Dawn accepts. */
export interface FoundAdapter {
  info: AdapterInfo;
  /**
   * A GPUAdapter of its own for every call, as one can be used for a single device only. `gpu` is kept alive
   * until the process ends: Dawn's adapters and devices do not keep their instance themselves.
   */
  request(): Promise<{ gpu: GPU; adapter: GPUAdapter }>;
}

const SWIFTSHADER = /swiftshader/i;
const LAVAPIPE = /llvmpipe|lavapipe/i;
const OTHER_CPU = /basic render|\bwarp\b|null[- ]backend/i;

/**
 * Whether an adapter is a GPU or a driver that computes on the CPU. Dawn sets the fallback flag for every
 * adapter whose driver says that it is a CPU; the names are for drivers that say nothing of the kind.
 */
export function kindOf(adapter: { isFallbackAdapter: boolean; name: string; driver: string }): 'gpu' | 'cpu' {
  const text = `${adapter.name} ${adapter.driver}`;
  const known = SWIFTSHADER.test(text) || LAVAPIPE.test(text) || OTHER_CPU.test(text);
  return adapter.isFallbackAdapter || known ? 'cpu' : 'gpu';
}

/** In order of preference: a GPU, the system's CPU driver, the carried one; otherwise in the order found. */
export function inOrder<T extends { info: AdapterInfo }>(adapters: T[]): T[] {
  const rank = ({ info }: T) => (info.kind === 'gpu' ? 0 : info.origin === 'system' ? 1 : 2);
  return [...adapters].sort((a, b) => rank(a) - rank(b));
}

/**
 * Whether the user's text means this adapter: `gpu`, `cpu`, `system` and `carried` mean what they say, any
 * other text is looked for in the name, the driver and the vendor. Case does not matter; an empty text means
 * any adapter.
 */
export function matches(info: AdapterInfo, wanted: string): boolean {
  const text = wanted.trim().toLowerCase();
  if (text === 'gpu' || text === 'cpu') return info.kind === text;
  if (text === 'system' || text === 'carried') return info.origin === text;
  // Mesa's driver is called lavapipe everywhere but in its own names, which say llvmpipe.
  const alias = LAVAPIPE.test(`${info.name} ${info.driver}`) ? 'lavapipe' : '';
  return [info.name, info.driver, info.vendor, alias].some((field) => field.toLowerCase().includes(text));
}

/** The first adapter in order of preference that the user's text means. */
export function pick<T extends { info: AdapterInfo }>(adapters: T[], wanted: string): T | undefined {
  return inOrder(adapters).find(({ info }) => matches(info, wanted));
}

/** One line for the user: which adapter was taken, and what to expect of one that computes on the CPU. */
export function describe(info: AdapterInfo): string {
  const driver = info.driver === '' ? '' : `, ${info.driver}`;
  const taken = `${info.name}${driver} (${info.backend}, ${info.origin} ${info.kind})`;
  if (info.kind === 'gpu') return taken;
  const faster =
    SWIFTSHADER.test(`${info.name} ${info.driver}`) && process.platform === 'linux'
      ? "Mesa's lavapipe 25 or newer (Debian, Ubuntu: mesa-vulkan-drivers) is 4 to 6 times faster in fused kernels"
      : 'for speed use a machine with a GPU';
  return `${taken}: a CPU driver, whose times say nothing about GPUs; ${faster}`;
}

/** The error for a text that means none of the adapters there are. `source` says where the text came from. */
export function unmatched(wanted: string, source: string, adapters: { info: AdapterInfo }[]): InputError {
  const names = inOrder(adapters).map(({ info }) => `${info.name} (${info.origin} ${info.kind})`);
  return new InputError(
    `no WebGPU adapter matches '${wanted}' (${source}): expected part of a name, driver or vendor, ` +
      `or one of gpu, cpu, system, carried; found ${names.join(', ')}`,
  );
}

/** The error for a machine with no adapter at all: one sentence on what to install there. */
export function noAdapter(platform: string, arch: string): InputError {
  const lacking = `no WebGPU adapter was found on this ${platform} ${arch} machine: `;
  switch (platform) {
    case 'darwin':
      return new InputError(
        `${lacking}macOS needs a GPU with Metal, which some virtual machines do not offer`,
      );
    case 'win32':
      return new InputError(`${lacking}Windows needs a driver with Direct3D 12, from the maker of the GPU`);
    case 'linux':
      break;
    default:
      return new InputError(`${lacking}only Linux, macOS and Windows are supported`);
  }
  const debian = 'mesa-vulkan-drivers and libvulkan1';
  const own = `the Vulkan driver of the GPU's maker, or Mesa 25 or newer (Debian, Ubuntu: ${debian})`;
  const carried = "run `npm install --include=optional` for the package's own CPU driver, or install ";
  const none = `there is no CPU driver on npm for ${arch}; install `;
  return new InputError(`${lacking}${arch === 'x64' ? carried : none}${own}`);
}
