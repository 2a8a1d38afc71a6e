import { InputError } from '../errors.ts';
import { Gpu } from './gpu.ts';
import { chooseAdapter } from './instance.node.ts';

/** How to open a device. */
export interface OpenOptions {
  /** Part of the name of the adapter to take, or `gpu`, `cpu`, `system`, `carried`; by default the best there is. */
  readonly adapter?: string | undefined;
  /**
   * Leaves out Dawn's validation and bounds checks, which timed runs should not pay for. What is recorded through a
   * Plan has been validated by the tests, which run with all checks on.
   */
  readonly fast?: boolean;
}

/** Dawn's toggles for timed runs, and true timestamps (they are rounded to 65,536 ns by default). */
export const FAST = [
  'enable-dawn-features=skip_validation,disable_robustness,disable_workgroup_init',
  'disable-dawn-features=timestamp_quantization',
];

/** What an option has to be: programs in plain JavaScript have no compiler to tell them. */
const TYPES: Readonly<Record<keyof OpenOptions, string>> = { adapter: 'string', fast: 'boolean' };

function checkOpenOptions(options: unknown): void {
  const refuse = (found: string) =>
    new InputError(`openDevice: expected options such as { adapter: 'gpu', fast: true }, found ${found}`);
  if (typeof options !== 'object' || options === null) {
    throw refuse(typeof options === 'string' ? `'${options}'` : String(options));
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(TYPES, name)) throw refuse(`an option ${name}`);
    const type = TYPES[name as keyof OpenOptions];
    if (value !== undefined && typeof value !== type) throw refuse(`${name}: ${String(value)}`);
  }
}

/**
 * Opens the best device there is: a GPU, else a CPU driver of the system's, else the one that comes with the npm
 * packages.
 *
 * @throws InputError when there is none, or none that matches `adapter`; for options that are none.
 */
export async function openDevice(options: OpenOptions = {}): Promise<Gpu> {
  checkOpenOptions(options);
  const { adapter: wanted, fast = false } = options;
  const found = await chooseAdapter({ adapter: wanted, flags: fast ? FAST : [] });
  const { gpu, adapter } = await found.request();
  const {
    maxBufferSize,
    maxStorageBufferBindingSize,
    maxComputeWorkgroupStorageSize,
    maxComputeInvocationsPerWorkgroup,
  } = adapter.limits;
  // The kernels' CPU forms that pass numbers from lane to lane need subgroups; nothing else does.
  const wanting = [
    'timestamp-query',
    ...(found.info.kind === 'cpu' ? (['subgroups'] as const) : []),
  ] as const;
  const features = wanting.filter((f) => adapter.features.has(f));
  try {
    const device = await adapter.requestDevice({
      label: 'syngrad',
      requiredFeatures: features,
      requiredLimits: {
        ...{ maxBufferSize, maxStorageBufferBindingSize },
        // Of more than every device has `tune` may make use; nothing needs it.
        ...{ maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup },
      },
    });
    return new Gpu(device, found.info, gpu);
  } catch (error) {
    throw new InputError(`${found.info.name} cannot be opened: ${(error as Error).message}`);
  }
}
