import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, join } from 'node:path';
import { InputError } from '../errors.ts';
import {
  type AdapterInfo,
  type FoundAdapter,
  inOrder,
  kindOf,
  noAdapter,
  pick,
  unmatched,
} from './adapters.ts';
import { carriedDriver } from './carried-driver.ts';

/** The variables by which the Vulkan loader finds drivers, as a change for the length of one call. */
type Environment = Record<string, string | undefined>;

/**
 * The Vulkan loader reads these whenever an instance is made. The second is for loaders older than 1.3.207,
 * and the last two may hide drivers by their file's name.
 */
const carriedEnvironment = (icd: string): Environment => ({
  VK_DRIVER_FILES: icd,
  VK_ICD_FILENAMES: icd,
  VK_LOADER_DRIVERS_SELECT: undefined,
  VK_LOADER_DRIVERS_DISABLE: undefined,
});

/**
 * Sets variables while `action` runs, and puts them back so that child processes are not affected. They reach
 * the native code from the main thread only: in a worker, `process.env` is a copy.
 */
function withEnvironment<T>(change: Environment, action: () => T): T {
  const before = Object.keys(change).map((name) => [name, process.env[name]] as const);
  const assign = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(change)) assign(name, value);
  try {
    return action();
  } finally {
    for (const [name, value] of before) assign(name, value);
  }
}

/** Loads Dawn (a big library) and puts WebGPU's names (GPUBufferUsage, ...) on globalThis where absent. */
async function loadDawn(): Promise<(flags: string[]) => GPU> {
  const { create, globals } = await import('webgpu').catch((error: Error) => {
    const reason = error.message.split('\n')[0];
    throw new InputError(
      `Dawn, the WebGPU library, does not load here (${process.platform} ${process.arch}): ${reason}`,
    );
  });
  for (const [name, value] of Object.entries(globals)) {
    if (!(name in globalThis))
      Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }
  return create;
}

/** Whether Dawn will use Vulkan: on Linux, unless it was told to use another backend. */
function usesVulkan(flags: string[]): boolean {
  const flag = flags.findLast((text) => text.startsWith('backend='))?.slice('backend='.length);
  const backend = (flag ?? process.env.DAWNNODE_BACKEND ?? '').toLowerCase();
  return process.platform === 'linux' && ['', 'vk', 'vulkan'].includes(backend);
}

/** What other runtimes than Node have for loading a library, and to know them by. */
interface OtherRuntimes {
  readonly Bun?: unknown;
  readonly Deno?: { dlopen(path: string, symbols: object): unknown };
}

/** Whether a library of this file name, or of a version of it, is mapped into the process. */
function isMapped(file: string): boolean {
  try {
    const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
    return maps.some((line) => basename(line).startsWith(file));
  } catch {
    // Where /proc is not mounted nobody can tell: Dawn will say itself what it does not find.
    return true;
  }
}

/**
 * Loads a library into the process and leaves it there; whether it is there then. `process.dlopen` is for native
 * modules, so it refuses any other library after loading it, in words that differ by runtime. In Node RTLD_NODELETE (not
 * in its constants) keeps the library loaded; Bun and Deno close it again, but have a call of their own for this.
 */
async function loadLibrary(path: string): Promise<boolean> {
  const { Bun, Deno } = globalThis as OtherRuntimes;
  const RTLD_NODELETE = 0x1000;
  try {
    if (Deno) {
      Deno.dlopen(path, {});
    } else if (Bun) {
      // A name that neither Node nor the compiler looks up. It wants a symbol to find.
      const ffi = 'bun:ffi';
      (await import(ffi)).dlopen(path, { vkGetInstanceProcAddr: { args: ['ptr', 'ptr'], returns: 'ptr' } });
    } else {
      process.dlopen({ exports: {} }, path, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
    }
  } catch {
    // What counts is whether it was loaded, not what is said of it.
  }
  return isMapped(basename(path));
}

let loaderInUse: 'system' | 'carried' | undefined;

/**
 * Sees to it that Dawn will find a Vulkan loader, which it opens as `libvulkan.so.1`: the system's, else the
 * carried one. The latter need not be on any search path: once a library of that name is loaded, opening it
 * by name finds it.
 */
async function ensureLoader(): Promise<'system' | 'carried' | undefined> {
  if (loaderInUse) return loaderInUse;
  if (await loadLibrary('libvulkan.so.1')) {
    loaderInUse = 'system';
  } else {
    const driver = await carriedDriver();
    if (driver && (await loadLibrary(driver.loader))) loaderInUse = 'carried';
  }
  return loaderInUse;
}

/**
 * Whether the loader can find a driver of the system's. With none, asking Dawn would print warnings that help
 * nobody. A system's own loader may look in places unknown here, so only the user's variables can rule a
 * driver out for it.
 */
function mayHaveSystemDriver(loader: 'system' | 'carried'): boolean {
  const { env } = process;
  const listed = env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES;
  if (listed) return listed.split(':').some((path) => existsSync(path));
  if (loader === 'system' || env.VK_ADD_DRIVER_FILES) return true;
  const home = env.HOME ?? '/';
  const folders = [
    env.XDG_CONFIG_HOME || join(home, '.config'),
    ...(env.XDG_CONFIG_DIRS || '/etc/xdg').split(':'),
    '/etc',
    env.XDG_DATA_HOME || join(home, '.local/share'),
    ...(env.XDG_DATA_DIRS || '/usr/local/share:/usr/share').split(':'),
  ];
  return folders.some((folder) => {
    try {
      return readdirSync(join(folder, 'vulkan/icd.d')).some((name) => name.endsWith('.json'));
    } catch {
      return false;
    }
  });
}

/**
 * The instances of adapters that were found, for the life of the process: Dawn's adapters and devices break
 * when theirs is collected, and drivers are looked up once rather than for every device.
 */
const instances = new Map<string, Promise<FoundAdapter[]>>();

function find(origin: AdapterInfo['origin'], flags: string[], change: Environment): Promise<FoundAdapter[]> {
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES, DAWNNODE_BACKEND } = { ...process.env, ...change };
  const key = JSON.stringify([origin, flags, VK_DRIVER_FILES, VK_ICD_FILENAMES, DAWNNODE_BACKEND]);
  let found = instances.get(key);
  if (!found) {
    found = enumerate(origin, flags, change);
    instances.set(key, found);
  }
  return found;
}

/** Names as Dawn spells them, with their backends, from its error for an adapter that is not there. */
const LISTED = /^ \* backend: '([^']*)', name: '(.*)'$/gm;

async function enumerate(
  origin: AdapterInfo['origin'],
  flags: string[],
  change: Environment,
): Promise<FoundAdapter[]> {
  const create = await loadDawn();
  // Drivers are loaded inside the call, not later, so the variables need not outlast it.
  const ask = (gpu: GPU, powerPreference: GPUPowerPreference) =>
    withEnvironment(change, () => gpu.requestAdapter({ powerPreference }));

  const listing = await ask(create([...flags, 'adapter=<list all>']), 'high-performance').then(
    () => '', // null: there is none at all
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  const listed = [...listing.matchAll(LISTED)].map(([, backend, name]) => ({ backend, name }));
  if (listing && listed.length === 0)
    throw new InputError(`Dawn lists no adapters: ${listing.split('\n').join(' ')}`);

  const found: FoundAdapter[] = [];
  const seen = new Set<string>();
  for (const { backend, name } of listed) {
    // Dawn picks by name, and of several with one name the first: the others cannot be had.
    if (seen.has(`${backend} ${name}`)) continue;
    seen.add(`${backend} ${name}`);
    // It takes the first whose name contains the text, so 'RTX 3080' may bring an 'RTX 3080 Ti' that comes
    // before it, unless the other order puts it first.
    const ambiguous = listed.some((other) => other.name !== name && other.name.includes(name));
    for (const powerPreference of ['high-performance', 'low-power'] as const) {
      const gpu = create([...flags, `adapter=${name}`]);
      const first = await ask(gpu, powerPreference);
      if (!first || (ambiguous && first.info.device !== normalised(name))) continue;
      const { vendor, architecture, description: driver, isFallbackAdapter } = first.info;
      const kind = kindOf({ isFallbackAdapter, name, driver });
      found.push({
        info: { kind, name, vendor, architecture, driver, backend, origin },
        async request() {
          const adapter = await ask(gpu, powerPreference);
          if (!adapter) throw new InputError(`the WebGPU adapter ${name} was there before and is gone now`);
          return { gpu, adapter };
        },
      });
      break;
    }
  }
  return found;
}

/** A name as it stands in `info.device`: WebGPU's normalized identifier, but with any dash at its end. */
function normalised(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '');
}

async function systemAdapters(flags: string[]): Promise<FoundAdapter[]> {
  if (usesVulkan(flags)) {
    const loader = await ensureLoader();
    if (!loader || !mayHaveSystemDriver(loader)) return [];
  }
  return find('system', flags, {});
}

async function carriedAdapters(flags: string[]): Promise<FoundAdapter[]> {
  if (!usesVulkan(flags)) return [];
  const driver = await carriedDriver();
  if (!driver || !(await ensureLoader())) return [];
  return find('carried', flags, carriedEnvironment(driver.icd));
}

/**
 * Every adapter of this machine that Dawn accepts, in order of preference: GPUs, the system's CPU driver
 * (Mesa's lavapipe), the CPU driver carried by the npm packages (SwiftShader).
 *
 * @param flags passed on to Dawn, e.g. `enable-dawn-features=skip_validation`
 */
export async function listAdapters(flags: string[] = []): Promise<FoundAdapter[]> {
  return inOrder([...(await systemAdapters(flags)), ...(await carriedAdapters(flags))]);
}

/**
 * The adapter to use: the first in order of preference that `adapter` means, by default the environment
 * variable `SYNGRAD_ADAPTER`, else simply the first. The carried driver is unpacked only when the system has
 * none that fits.
 *
 * @throws InputError, in one sentence, when there is none
 */
export async function chooseAdapter(
  options: { adapter?: string | undefined; flags?: string[] | undefined } = {},
): Promise<FoundAdapter> {
  const { adapter, flags = [] } = options;
  const wanted = adapter ?? process.env.SYNGRAD_ADAPTER ?? '';
  const system = await systemAdapters(flags);
  // All of the system's come before the carried one: no need to look at that when one of them fits.
  const chosen = pick(system, wanted);
  if (chosen) return chosen;
  const carried = await carriedAdapters(flags);
  const last = pick(carried, wanted);
  if (last) return last;
  const all = [...system, ...carried];
  if (all.length === 0) throw noAdapter(process.platform, process.arch);
  throw unmatched(wanted, adapter === undefined ? 'from SYNGRAD_ADAPTER' : 'as asked for', all);
}
