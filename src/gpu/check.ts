import type { Bounded, Numbers } from '../reference/twin.ts';
import type { Tensor } from '../tensor.ts';
import type { Gpu } from './gpu.ts';
import type { Dispatch } from './plan.ts';

/** How one tensor that a dispatch wrote compares with the float64 twin. */
export interface TensorCheck {
  readonly dispatch: string;
  readonly kernel: string;
  readonly tensor: string;
  readonly elements: number;
  /** Elements farther from the twin than the bound, or not finite where the twin is. */
  readonly out: number;
  /** Largest |got - expected| / bound; at most 1 when all is well. */
  readonly worst: number;
  /** Where that is, and what stood there. */
  readonly at: {
    readonly index: number;
    readonly got: number;
    readonly expected: number;
    readonly bound: number;
  };
}

/** The outcome of a checked run: every tensor that every dispatch wrote. */
export interface CheckReport {
  readonly tensors: readonly TensorCheck[];
  readonly passed: boolean;
  /** One line for each tensor that is out of its bound. */
  readonly failures: readonly string[];
}

const widen = (tensor: Tensor, bytes: ArrayBuffer): Numbers =>
  tensor.dtype === 'u32' ? new Uint32Array(bytes) : Float64Array.from(new Float32Array(bytes));

/** Compares element by element; NaN equals NaN and an infinity itself, so that non-finite inputs can be tested. */
export function compare(got: Numbers, want: Bounded): Pick<TensorCheck, 'elements' | 'out' | 'worst' | 'at'> {
  if (got.length !== want.value.length) {
    throw new Error(`the twin returned ${want.value.length} elements for a tensor of ${got.length}`);
  }
  let out = 0;
  let worst = -1;
  let index = 0;
  for (let i = 0; i < got.length; i++) {
    const expected = want.value[i]!;
    const value = got[i]!;
    let ratio = 0;
    if (!Object.is(value, expected) && value !== expected) {
      // NaN here means that one side is not finite: infinitely far out.
      ratio = Math.abs(value - expected) / want.bound[i]!;
      if (Number.isNaN(ratio)) ratio = Number.POSITIVE_INFINITY;
    }
    if (ratio > 1) out++;
    if (ratio > worst) {
      worst = ratio;
      index = i;
    }
  }
  const at = { index, got: got[index]!, expected: want.value[index]!, bound: want.bound[index]! };
  return { elements: got.length, out, worst, at };
}

/** One sentence about a tensor that failed its check. */
export function explain(c: TensorCheck): string {
  const { index, got, expected, bound } = c.at;
  return (
    `${c.dispatch} (${c.kernel}): ${c.out} of ${c.elements} elements of ${c.tensor} are out of bound; ` +
    `the worst is [${index}]: expected ${expected}, got ${got}, bound ${bound}`
  );
}

/** Runs one dispatch in a submit of its own. */
export function submitAlone(gpu: Gpu, { label, kernel, bindGroup, grid }: Dispatch): void {
  gpu.submit(label, (encoder) => {
    const pass = encoder.beginComputePass({ label });
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(grid[0], grid[1]);
    pass.end();
  });
}

/** See {@link Plan.encodeChecked}. */
export async function checkDispatches(gpu: Gpu, dispatches: readonly Dispatch[]): Promise<CheckReport> {
  const tensors: TensorCheck[] = [];
  // What is in each buffer now. Only these dispatches write, so that a buffer read once is known until one writes it.
  const known = new Map<GPUBuffer, Numbers>();
  const content = async (tensor: Tensor): Promise<Numbers> => {
    const numbers = known.get(tensor.buffer) ?? widen(tensor, await gpu.read(tensor.buffer));
    known.set(tensor.buffer, numbers);
    return numbers;
  };
  for (const dispatch of dispatches) {
    const { kernel, params, label } = dispatch;
    const before: Record<string, Numbers> = {};
    for (const name of Object.keys(kernel.spec.buffers))
      before[name] = await content(dispatch.tensors[name]!);
    submitAlone(gpu, dispatch);

    const expected = kernel.spec.twin(params, before, kernel.constants);
    for (const [name, access] of Object.entries(kernel.spec.buffers)) {
      if (access === 'read') continue;
      const want = expected[name];
      if (want === undefined)
        throw new Error(`the twin of ${kernel.spec.file} returns nothing for '${name}'`);
      const tensor = dispatch.tensors[name]!;
      known.delete(tensor.buffer);
      const got = await content(tensor);
      tensors.push({
        dispatch: label,
        kernel: kernel.spec.file,
        tensor: tensor.label,
        ...compare(got, want),
      });
    }
  }
  const failures = tensors.filter((t) => t.out > 0).map(explain);
  return { tensors, failures, passed: failures.length === 0 };
}
