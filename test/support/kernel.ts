import { expect } from 'vitest';
import { Random } from '../../src/data/random.ts';
import type { TensorCheck } from '../../src/gpu/check.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { KernelSpec } from '../../src/gpu/kernel.ts';
import { Plan } from '../../src/gpu/plan.ts';
import type { Constants } from '../../src/gpu/shader.ts';
import { type Tensor, tensorFrom } from '../../src/tensor.ts';

/** A tensor's content for a test: floats or unsigned integers. */
export type Content = Float32Array | Uint32Array;

/** Seeded standard normal numbers. */
export const normals = (random: Random, n: number): Float32Array =>
  Float32Array.from({ length: n }, () => random.normal());

/** Seeded labels below `classes`. */
export const labels = (random: Random, n: number, classes: number): Uint32Array =>
  Uint32Array.from({ length: n }, () => random.below(classes));

/** Room for n floats that a kernel writes; they begin as numbers that no kernel would leave by accident. */
export const unwritten = (n: number): Float32Array => new Float32Array(n).fill(-12345);

/** Floats by their bits, for the NaNs and denormals that cannot be told apart, or written down, as numbers. */
export const fromBits = (...bits: number[]): Float32Array => new Float32Array(Uint32Array.from(bits).buffer);

/** Records one kernel on tensors with the given contents, hands both to `use`, and releases them. */
async function withKernel<P extends string, B extends string, T>(
  gpu: Gpu,
  spec: KernelSpec<P, B>,
  params: Readonly<Record<P, number>>,
  contents: Readonly<Record<B, Content>>,
  constants: Constants,
  use: (plan: Plan, tensors: Readonly<Record<B, Tensor>>) => Promise<T>,
): Promise<T> {
  const plan = new Plan(gpu, `test ${spec.file}`);
  try {
    const tensors = {} as Record<B, Tensor>;
    for (const [name, data] of Object.entries(contents) as [B, Content][]) {
      tensors[name] = plan.own(tensorFrom(gpu, name, [data.length], data));
    }
    plan.dispatch(spec, { label: spec.file, params, tensors, constants });
    await plan.ready();
    return await use(plan, tensors);
  } finally {
    plan.destroy();
  }
}

/**
 * Runs one kernel once on the given contents and compares all that it wrote with its float64 twin; a failure prints
 * the worst element, what was expected, what came, the bound, and how many were out.
 */
export function expectTwin<P extends string, B extends string>(
  gpu: Gpu,
  spec: KernelSpec<P, B>,
  params: Readonly<Record<P, number>>,
  contents: Readonly<Record<B, Content>>,
  constants: Constants = {},
): Promise<readonly TensorCheck[]> {
  return withKernel(gpu, spec, params, contents, constants, async (plan) => {
    const report = await plan.encodeChecked();
    // Not toEqual([]), whose message is cut short before the numbers.
    if (!report.passed) {
      expect.fail(`${JSON.stringify({ ...params, ...constants })}\n${report.failures.join('\n')}`);
    }
    const written = Object.values(spec.buffers).filter((access) => access === 'read_write');
    expect(report.tensors).toHaveLength(written.length);
    return report.tensors;
  });
}

/** Runs one kernel once on the given contents and returns what every buffer holds afterwards. */
export function runKernel<P extends string, B extends string>(
  gpu: Gpu,
  spec: KernelSpec<P, B>,
  params: Readonly<Record<P, number>>,
  contents: Readonly<Record<B, Content>>,
  constants: Constants = {},
): Promise<Record<B, Content>> {
  return withKernel(gpu, spec, params, contents, constants, async (plan, tensors) => {
    plan.submit();
    const after = {} as Record<B, Content>;
    for (const [name, tensor] of Object.entries(tensors) as [B, Tensor][]) {
      const bytes = await gpu.read(tensor.buffer);
      after[name] = tensor.dtype === 'u32' ? new Uint32Array(bytes) : new Float32Array(bytes);
    }
    return after;
  });
}

export { Random };
