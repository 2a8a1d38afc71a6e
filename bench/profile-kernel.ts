import { shaderSource } from '#shaders';
import type { Dataset } from '../src/data/dataset.ts';
import { ResidentDataset } from '../src/data/resident-dataset.ts';
import { InputError } from '../src/errors.ts';
import { type CheckReport, checkDispatches } from '../src/gpu/check.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import type { KernelSpec, Params } from '../src/gpu/kernel.ts';
import { type Dispatch, Plan } from '../src/gpu/plan.ts';
import { infoOf } from '../src/gpu/profile.ts';
import { type Constants, readConstants, ShaderError, withConstants } from '../src/gpu/shader.ts';
import { kernels } from '../src/kernels/index.ts';
import type { AloneProfile, KernelRecord, ProfileOrigin, Roof } from '../src/report/profile/record.ts';
import { rowOf } from '../src/report/profile/rows.ts';
import type { BenchConfig } from '../src/report/record.ts';
import { tensorFrom } from '../src/tensor.ts';
import { stopMidway, turnsOf } from '../src/train/profile.ts';
import { rules } from '../src/train/rules.ts';
import { Trainer } from '../src/train/trainer.ts';
import { optionsOf } from './paper.ts';
import { isKnown, makeContents, paramsFromShape, smallerParams } from './profile-inputs.ts';
import { expectPassed, originOf, timeAlone } from './profile-roof.ts';
import { RUNGS } from './suites/ladder.ts';
import { hostLoad } from './suites/record.ts';

/** Operations of a kernel above which its float64 twin would take too long: about two seconds. */
const MOST_FLOPS = 640e6;

/** What is run alone. */
export interface KernelOptions {
  readonly kernel: string;
  /** Constants that are rewritten in the shader. */
  readonly variant: Constants;
  readonly seed: number;
  readonly timestamps: boolean;
  /** In steps, the only dispatch to run. */
  readonly label?: string | undefined;
}

/**
 * The kernel of that name.
 *
 * @throws InputError, which names those there are.
 */
export function kernelNamed(name: string): KernelSpec {
  const found = kernels.find(({ file }) => file === name);
  if (found) return found;
  const names = kernels.map(({ file }) => file).sort();
  throw new InputError(`--kernel: expected one of ${names.join(', ')}, found '${name}'`);
}

/**
 * Refuses a variant of constants that the shader does not have.
 *
 * @throws InputError, which names those it has.
 */
export function checkConstants(spec: KernelSpec, variant: Constants): void {
  const constants = readConstants(shaderSource(spec.file));
  const unknown = Object.keys(variant).find((name) => !(name in constants));
  if (unknown === undefined) return;
  const names = Object.keys(constants).join(', ') || 'none';
  throw new InputError(`--variant: expected constants of ${spec.file} (${names}), found '${unknown}'`);
}

/**
 * Compiles a variant on a device with all checks on, since one opened for timed runs does not check.
 *
 * @throws InputError when the shader is not valid with it.
 */
export async function checkVariant(checked: Gpu, spec: KernelSpec, variant: Constants): Promise<void> {
  try {
    await checked.until(checked.kernel(spec, variant).ready);
  } catch (error) {
    if (!(error instanceof ShaderError)) throw error;
    const asked = Object.entries(variant).map(([name, value]) => `${name}=${value}`);
    // The compiler's first sentence; what it asserts stands in the line below.
    const [first = '', line = ''] = error.message.split('\n');
    const [sentence] = first.split(/\.\s/);
    const reason = /assertion/.test(first) ? `${sentence} (${line.trim()})` : sentence;
    throw new InputError(`--variant ${asked.join(',')}: ${spec.file} is not valid with it: ${reason}`);
  }
}

/** Refuses sizes whose buffers no device of these limits can hold, before contents are made for them. */
function expectRoom({ info, limits }: Gpu, spec: KernelSpec, params: Params): void {
  const buffers = Object.keys(spec.buffers).length;
  const most = buffers * Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  const bytes = spec.bytes(params);
  if (bytes <= most) return;
  const gib = (n: number) => `${(n / 2 ** 30).toPrecision(3)} GiB`;
  throw new InputError(
    `expected sizes that ${info.name} has room for, up to ${gib(most)} in ${buffers} buffers, found ${gib(bytes)}`,
  );
}

/** Records one kernel on made-up inputs. */
function recordAlone(gpu: Gpu, spec: KernelSpec, params: Params, constants: Constants, seed: number): Plan {
  const plan = new Plan(gpu, spec.file);
  try {
    expectRoom(gpu, spec, params);
    const contents = Object.entries(makeContents(spec, params, seed));
    const tensors = Object.fromEntries(
      contents.map(([name, data]) => [name, plan.own(tensorFrom(gpu, name, [data.length], data))]),
    );
    plan.dispatch(spec, { label: spec.file, params, tensors, constants });
    return plan;
  } catch (error) {
    plan.destroy();
    // More than the device has room for, a grid that it does not allow, or a size that the kernel does not take.
    throw new InputError(`--shape: ${(error as Error).message}`);
  }
}

const checkOf = (params: Params, { tensors }: CheckReport): AloneProfile['check'] => ({
  params,
  tensors: tensors.length,
  worst: Math.max(...tensors.map(({ worst }) => worst)),
});

/** The rung of the ladder of matrix products that a kernel is with these constants, and what it adds. */
function rungOf({ kernel: { spec, constants } }: Dispatch): string | null {
  const source = shaderSource(spec.file);
  const same = (of: Constants) =>
    JSON.stringify(readConstants(withConstants(source, of, spec.file))) === JSON.stringify(constants);
  const at = RUNGS.findIndex((rung) => rung.spec.file === spec.file && same(rung.constants));
  return at < 0 ? null : `${at + 1} of ${RUNGS.length}, ${RUNGS[at]!.adds}`;
}

async function profileAlone(
  gpu: Gpu,
  dispatch: Dispatch,
  labels: readonly string[],
  check: AloneProfile['check'],
  roof: Roof,
  timestamps: boolean,
): Promise<AloneProfile> {
  const { kernel, params, grid } = dispatch;
  const time = await timeAlone(gpu, dispatch, timestamps);
  const seconds = time.stamped ?? time.slope;
  const timed = { ...infoOf(dispatch), calls: 1, seconds };
  return {
    kernel: kernel.spec.file,
    path: `shaders/${kernel.spec.file}.wgsl`,
    rung: rungOf(dispatch),
    params,
    ...(timed.parts && { parts: timed.parts }),
    constants: kernel.constants,
    grid,
    labels,
    check,
    ...time,
    row: rowOf(kernel.spec.file, [timed], seconds?.median ?? 0, roof),
  };
}

const recordOf = (origin: ProfileOrigin, seed: number, runs: readonly AloneProfile[]): KernelRecord => ({
  kind: 'kernel',
  ...origin,
  seed,
  runs,
});

/**
 * Runs one kernel alone at a shape, on made-up inputs: compares it with its twin, then times it.
 *
 * @throws InputError for a shape that does not suit the kernel, or this device; CheckFailedError.
 */
export async function profileShape(gpu: Gpu, options: KernelOptions, shape: string): Promise<KernelRecord> {
  const { variant, seed } = options;
  const spec = kernelNamed(options.kernel);
  const params = paramsFromShape(spec, shape);
  const host = hostLoad();
  const plan = recordAlone(gpu, spec, params, variant, seed);
  try {
    await plan.ready();
    const checkedAt = smallerParams(spec, params, MOST_FLOPS);
    const whole = checkedAt === params;
    const checked = whole ? plan : recordAlone(gpu, spec, checkedAt, variant, seed);
    let report: CheckReport;
    try {
      await checked.ready();
      report = await checked.encodeChecked();
    } finally {
      if (!whole) checked.destroy();
    }
    expectPassed(gpu, report.failures);
    const origin = await originOf(gpu, options.timestamps, host);
    const [dispatch] = plan.dispatches;
    const check = checkOf(checkedAt, report);
    const stamps = origin.timing === 'timestamps';
    const run = await profileAlone(gpu, dispatch!, [], check, origin.roof, stamps);
    return recordOf(origin, seed, [run]);
  } finally {
    plan.destroy();
  }
}

/** A kernel's dispatches in a step, those that do the same work together. */
function shapesIn(dispatches: readonly Dispatch[], kernel: string): Dispatch[][] {
  const shapes = new Map<string, Dispatch[]>();
  for (const dispatch of dispatches.filter((d) => d.kernel.spec.file === kernel)) {
    const key = JSON.stringify([dispatch.params, dispatch.kernel.constants]);
    shapes.set(key, [...(shapes.get(key) ?? []), dispatch]);
  }
  return [...shapes.values()];
}

/** What to say where no step has what was asked for, by the labels of each kernel that steps do have. */
function absent(
  gpu: Gpu,
  spec: KernelSpec,
  { methods }: BenchConfig,
  labels: ReadonlyMap<string, readonly string[]>,
  only: string | undefined,
): InputError {
  const [kernel, steps] = [spec.file, methods.join(', ')];
  const own = labels.get(kernel);
  if (own && only !== undefined) {
    const all = own.join(', ');
    return new InputError(
      `--shape: expected a dispatch of ${kernel} in the steps of ${steps}, which are ${all}, found '${only}'`,
    );
  }
  const other = kernel.endsWith('_cpu') ? kernel.slice(0, -'_cpu'.length) : `${kernel}_cpu`;
  const instead = labels.has(other) ? `; what they have is ${other}` : '';
  const hint = isKnown(spec) ? '; --shape says at which shape to run it alone' : '';
  return new InputError(
    `--kernel ${kernel}: no step of ${steps} has it on ${gpu.info.name}${instead}${hint}`,
  );
}

/**
 * Runs one kernel alone at each shape that it has in the steps of the configured methods, on what it finds there; or in one
 * dispatch of them, by its label.
 *
 * @throws InputError when no step has it; CheckFailedError.
 */
export async function profileInSteps(
  gpu: Gpu,
  dataset: Dataset,
  config: BenchConfig,
  { kernel, variant, timestamps, label: only }: Omit<KernelOptions, 'seed'>,
): Promise<KernelRecord> {
  const spec = kernelNamed(kernel);
  const host = hostLoad();
  const data = new ResidentDataset(gpu, dataset);
  const runs: AloneProfile[] = [];
  const labels = new Map<string, string[]>();
  let origin: ProfileOrigin | undefined;
  try {
    const done = new Set<string>();
    for (const method of config.methods) {
      const trainer = new Trainer(gpu, data, optionsOf(rules.get(method)!, config));
      const plan = new Plan(gpu, `${kernel} alone`);
      try {
        for (const { label, kernel: found } of trainer.plan.dispatches)
          labels.set(found.spec.file, [...(labels.get(found.spec.file) ?? []), label]);
        const wanted = trainer.plan.dispatches.filter(({ label }) => only === undefined || label === only);
        const shapes = shapesIn(wanted, kernel);
        if (shapes.length === 0) continue;
        await trainer.ready();
        await stopMidway(trainer, turnsOf(trainer));
        for (const same of shapes) {
          const [{ label, params, tensors, kernel: found }] = same as [Dispatch];
          const key = JSON.stringify([params, found.constants]);
          if (done.has(key)) continue;
          done.add(key);
          // With the constants that it has in the step, but for those that are asked for.
          plan.dispatch(found.spec, {
            label,
            params,
            tensors,
            constants: { ...found.constants, ...variant },
          });
          const dispatch = plan.dispatches.at(-1)!;
          await plan.ready();
          const report = await checkDispatches(gpu, [dispatch]);
          expectPassed(gpu, report.failures);
          origin ??= await originOf(gpu, timestamps, host);
          const check = checkOf(params, report);
          const labels = same.map((d) => d.label);
          const stamps = origin.timing === 'timestamps';
          runs.push(await profileAlone(gpu, dispatch, labels, check, origin.roof, stamps));
        }
      } finally {
        plan.destroy();
        trainer.destroy();
      }
    }
  } finally {
    data.destroy();
  }
  if (!origin) throw absent(gpu, spec, config, labels, only);
  return recordOf(origin, config.seed, runs);
}
