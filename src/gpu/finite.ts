import type { Tensor } from '../tensor.ts';
import { submitAlone } from './check.ts';
import type { Gpu } from './gpu.ts';
import type { Dispatch } from './plan.ts';

async function allFinite(gpu: Gpu, tensor: Tensor): Promise<boolean> {
  if (tensor.dtype === 'u32') return true;
  return new Float32Array(await gpu.read(tensor.buffer)).every(Number.isFinite);
}

/**
 * The label of the first tensor that holds an infinity or a NaN: among `held` as they are, then among what each
 * dispatch of a plan writes, in order, while it is run once. Undefined if all are finite.
 */
export async function firstNonFinite(
  gpu: Gpu,
  held: readonly Tensor[],
  dispatches: readonly Dispatch[],
): Promise<string | undefined> {
  for (const tensor of held) if (!(await allFinite(gpu, tensor))) return tensor.label;
  for (const dispatch of dispatches) {
    submitAlone(gpu, dispatch);
    for (const [name, access] of Object.entries(dispatch.kernel.spec.buffers)) {
      const tensor = dispatch.tensors[name]!;
      if (access === 'read_write' && !(await allFinite(gpu, tensor))) return tensor.label;
    }
  }
  return undefined;
}
