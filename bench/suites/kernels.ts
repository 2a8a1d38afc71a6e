import type { Gpu } from '../../src/gpu/gpu.ts';
import type { KernelSpec, Params } from '../../src/gpu/kernel.ts';
import { Plan } from '../../src/gpu/plan.ts';
import { kernels } from '../../src/kernels/index.ts';
import { tensorFrom } from '../../src/tensor.ts';
import { measurePeaks, type Peaks } from '../peaks.ts';
import { paramsFromShape } from '../profile-inputs.ts';
import { contentsOf, type Size, shapeOf } from './kernel-shapes.ts';
import { type FusedAt, measureFused } from './kernels-fused.ts';
import { kernelsTable } from './kernels-table.ts';
import { climb, leaveOut, type ProductShape, type RungAt } from './ladder.ts';
import { expectChecked, type Rate, rateOf, tooLong, unlessWrong } from './measured.ts';
import type { Measuring, Suite } from './suite.ts';
import { type PlanTime, timeOf, timePlan } from './timing.ts';

/** What a kernel did at a shape. */
export interface KernelMeasured extends Rate {
  /** As `syngrad profile --shape` has it. */
  readonly shape: string;
  readonly params: Params;
  readonly flops: number;
  readonly bytes: number;
  readonly time: PlanTime;
  /** The shape at which all that it writes was compared with its twin, and the largest error by its bound. */
  readonly checked: { readonly shape: string; readonly worst: number };
}

/** A kernel at a size: measured, or left out with the reason. */
export type KernelAt = { readonly kernel: string; readonly size: Size } & (
  | KernelMeasured
  | { readonly leftOut: string }
);

/** What the suite found. */
export interface KernelsResult {
  readonly peaks: Peaks;
  readonly kernels: readonly KernelAt[];
  /** Every dispatch of the fused schedules; older records have none. */
  readonly fused?: readonly FusedAt[];
  readonly ladder: readonly RungAt[];
}

/** Work of a kernel above which it is checked at a smaller shape: its float64 twin takes a second then. */
const MOST_CHECKED = { flops: 128e6, bytes: 16 * 2 ** 20 };

/** The products of the ladder: the network's, a large one, and one for GPUs. */
const PRODUCTS: readonly ProductShape[] = [
  { M: 256, K: 784, N: 256 },
  { M: 1024, K: 1024, N: 1024 },
  { M: 4096, K: 4096, N: 4096 },
];

/** How many of the products are climbed, and why the others are not. */
export function productsFor(context: { isCpu: boolean; quick: boolean; full: boolean }): {
  readonly climbed: readonly ProductShape[];
  readonly leftOut: readonly RungAt[];
} {
  const { isCpu, quick, full } = context;
  const [count, reason] = full
    ? [PRODUCTS.length, '']
    : quick
      ? [1, 'the shortest form has the product of the network alone']
      : [isCpu ? 2 : PRODUCTS.length, 'it takes too long on a CPU driver, unless --full asks for it'];
  const rest = PRODUCTS.slice(count);
  return {
    climbed: PRODUCTS.slice(0, count),
    leftOut: rest.flatMap((shape) => leaveOut(shape, reason)),
  };
}

const SEED = 7;

/** Records one kernel on made-up contents. */
function recordKernel(gpu: Gpu, spec: KernelSpec, params: Params): Plan {
  const plan = new Plan(gpu, spec.file);
  try {
    const contents = Object.entries(contentsOf(spec, params, SEED));
    const tensors = Object.fromEntries(
      contents.map(([name, data]) => [name, plan.own(tensorFrom(gpu, name, [data.length], data))]),
    );
    plan.dispatch(spec, { label: spec.file, params, tensors });
    return plan;
  } catch (error) {
    plan.destroy();
    throw error;
  }
}

/** The shape at which a kernel is checked: its own, or one with the largest sizes halved until it is quick. */
function checkedShape(spec: KernelSpec, shape: string): string {
  const sizes = shape.split('x').map(Number);
  const isLarge = () => {
    const params = paramsFromShape(spec, sizes.join('x'));
    return spec.flops(params) > MOST_CHECKED.flops || spec.bytes(params) > MOST_CHECKED.bytes;
  };
  while (isLarge()) {
    const largest = sizes.indexOf(Math.max(...sizes));
    sizes[largest] = Math.ceil(sizes[largest]! / 2);
  }
  return sizes.join('x');
}

/** Checks a kernel, then times it. */
export async function measureKernel(
  gpu: Gpu,
  spec: KernelSpec,
  shape: string,
  peaks: Peaks,
  { repeats, least }: { repeats: number; least?: number | undefined },
): Promise<KernelMeasured> {
  const params = paramsFromShape(spec, shape);
  const plan = recordKernel(gpu, spec, params);
  try {
    await plan.ready();
    const small = checkedShape(spec, shape);
    const checkedOn = small === shape ? plan : recordKernel(gpu, spec, paramsFromShape(spec, small));
    let worst: number;
    try {
      worst = expectChecked(await checkedOn.encodeChecked(), `kernels: ${spec.file} at ${small}`).worst;
    } finally {
      if (checkedOn !== plan) checkedOn.destroy();
    }
    const time = await timePlan(gpu, plan, { repeats, least });
    const [flops, bytes] = [spec.flops(params), spec.bytes(params)];
    const checked = { shape: small, worst };
    return { shape, params, flops, bytes, ...rateOf(flops, bytes, time, peaks), time, checked };
  } finally {
    plan.destroy();
  }
}

/** Checks and times every kernel of the registry at the network's shapes and, unless in a hurry, at large ones. */
export async function measureKernels(
  { gpu, repeats, quick, note, failed, stopped = () => false }: Measuring,
  peaks: Peaks,
  all: readonly KernelSpec[] = kernels,
): Promise<KernelAt[]> {
  const found: KernelAt[] = [];
  const sizes: readonly Size[] = quick ? ['network'] : ['network', 'large'];
  for (const spec of all) {
    let perSecond: number | undefined;
    for (const size of sizes) {
      if (stopped()) break;
      const shape = shapeOf(spec, size, gpu.isCpu, kernels);
      const at = { kernel: spec.file, size };
      if ('leftOut' in shape) {
        found.push({ ...at, leftOut: shape.leftOut });
        continue;
      }
      // Operations and bytes alike, since there are kernels without the one.
      const work = (params: Params) => spec.flops(params) + spec.bytes(params);
      const long =
        perSecond === undefined
          ? undefined
          : tooLong(work(paramsFromShape(spec, shape.shape)), perSecond, repeats);
      if (long !== undefined) {
        found.push({ ...at, leftOut: long });
        continue;
      }
      const least = quick ? 0.002 : undefined;
      const measured = await unlessWrong(failed, () =>
        measureKernel(gpu, spec, shape.shape, peaks, { repeats, least }),
      );
      if ('params' in measured) perSecond = work(measured.params) / timeOf(measured.time).median;
      found.push({ ...at, ...measured });
    }
  }
  const measured = found.filter((at) => 'gflops' in at).length;
  note(`kernels: ${measured} measurements of ${all.length} kernels, each checked against its twin first`);
  return found;
}

/** `syngrad bench kernels`. */
export const kernelsSuite: Suite<KernelsResult> = {
  name: 'kernels',
  about:
    "every kernel at the network's shapes and at large ones, every dispatch of the fused schedules, and the ladder of " +
    'matrix products',
  options: [{ flags: '--full', about: 'the whole ladder on a CPU driver too, however long it takes' }],
  async run(context) {
    const { gpu, repeats, quick, note, failed, stopped } = context;
    const peaks = await measurePeaks(gpu, { repeats });
    note(`peaks: ${peaks.gflops.toPrecision(3)} GFLOP/s, ${peaks.gbs.toPrecision(3)} GB/s`);
    const measured = await measureKernels(context, peaks);
    const fused = await measureFused(context, peaks);
    const full = context.options?.full === true;
    const { climbed, leftOut } = productsFor({ isCpu: gpu.isCpu, quick, full });
    const least = quick ? 0.002 : undefined;
    const ladder = await climb({ gpu, peaks, repeats, note, least, patient: full, failed, stopped }, climbed);
    return { peaks, kernels: measured, fused, ladder: [...ladder, ...leftOut] };
  },
  count: ({ kernels: alone, fused = [], ladder }) =>
    [...alone, ...fused, ...ladder].filter((at) => !('leftOut' in at)).length,
  table: kernelsTable,
};
