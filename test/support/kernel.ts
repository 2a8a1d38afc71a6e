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

/**
 * Runs one kernel once on the given contents and compares all that it wrote with its float64 twin; a failure prints
 * the worst element, what was expected, what came, the bound, and how many were out.
 */
export async function expectTwin<P extends string, B extends string>(
  gpu: Gpu,
  spec: KernelSpec<P, B>,
  params: Readonly<Record<P, number>>,
  contents: Readonly<Record<B, Content>>,
  constants: Constants = {},
): Promise<readonly TensorCheck[]> {
  const plan = new Plan(gpu, `test ${spec.file}`);
  try {
    const tensors = {} as Record<B, Tensor>;
    for (const [name, data] of Object.entries(contents) as [B, Content][]) {
      tensors[name] = plan.own(tensorFrom(gpu, name, [data.length], data));
    }
    plan.dispatch(spec, { label: spec.file, params, tensors, constants });
    await plan.ready();
    const report = await plan.encodeChecked();
    expect(report.failures, `${spec.file} ${JSON.stringify(params)}`).toEqual([]);
    expect(report.tensors.length).toBeGreaterThan(0);
    return report.tensors;
  } finally {
    plan.destroy();
  }
}

export { Random };
