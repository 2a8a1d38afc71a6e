import { expect } from 'vitest';
import { Random } from '../../src/data/random.ts';
import type { TensorCheck } from '../../src/gpu/check.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { KernelSpec } from '../../src/gpu/kernel.ts';
import type { Role } from '../../src/gpu/liveness.ts';
import { Plan } from '../../src/gpu/plan.ts';
import type { Constants } from '../../src/gpu/shader.ts';
import { finiteFlag } from '../../src/kernels/metrics.ts';
import { mix } from '../../src/kernels/mix.ts';
import { reluForward } from '../../src/kernels/relu.ts';
import { sgd } from '../../src/kernels/sgd.ts';
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

/**
 * A plan of four small real kernels on tensors that are found by name: one input, two inputs, an update in place, and a
 * look at a tensor. A dispatch is labelled with the tensor that it writes.
 */
export class Sketch extends Plan {
  static readonly N = 4;
  readonly #tensors = new Map<string, Tensor>();

  /** The tensor of that name: one u32 if it is a flag or a step. */
  t(name: string): Tensor {
    const whole = /^(flag|step)/.test(name);
    const found = this.#tensors.get(name) ?? this.tensor(name, [whole ? 1 : Sketch.N], whole ? 'u32' : 'f32');
    this.#tensors.set(name, found);
    return found;
  }

  relu(x: string, y: string, role?: Role): void {
    const tensors = { x: this.t(x), y: this.t(y) };
    this.dispatch(reluForward, { label: y, params: { n: Sketch.N }, tensors, role });
  }

  mix(a: string, b: string, y: string, role?: Role): void {
    const tensors = { a: this.t(a), b: this.t(b), y: this.t(y) };
    this.dispatch(mix, { label: y, params: { n: Sketch.N, lambda: 0.25 }, tensors, role });
  }

  /** p -= table[0] dP. */
  update(dP: string, p: string, role?: Role): void {
    const fixed = { table: this.t('table'), step: this.t('step of updates'), flag: this.t('flag down') };
    const tensors = { dP: this.t(dP), ...fixed, p: this.t(p) };
    this.dispatch(sgd, { label: p, params: { n: Sketch.N, scale: 1 }, tensors, role });
  }

  look(x: string, flag: string): void {
    const tensors = { x: this.t(x), flag: this.t(flag) };
    this.dispatch(finiteFlag, { label: flag, params: { n: Sketch.N }, tensors, role: 'observe' });
  }
}

export { Random };
