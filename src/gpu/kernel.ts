import { shaderSource } from '#shaders';
import type { Twin } from '../reference/twin.ts';
import { type Constants, formatShaderMessage, readConstants, ShaderError, withConstants } from './shader.ts';

/** The values of a kernel's `struct Params`, by field. */
export type Params = Readonly<Record<string, number>>;

/** What one layer, or predictor, has done in one dispatch of a kernel that works for several. */
export interface WorkPart {
  /** Whose work it is, by the name that dispatches of its own begin with: `layer2`, `sg1`, `loss`. */
  readonly of: string;
  /** What is done: `FORWARD`, `GRAD`. */
  readonly role: string;
  /** Its sizes: `256x784x256`. */
  readonly shape: string;
  readonly flops: number;
  readonly bytes: number;
}

/**
 * A kernel as data: everything about one shader file that the host must know. The bind group layout is built from
 * it, never guessed from the shader (`layout: 'auto'` drops bindings that a shader does not use).
 */
export interface KernelSpec<P extends string = string, B extends string = string> {
  /** The shader: `shaders/<file>.wgsl`. */
  readonly file: string;
  /** Fields of `struct Params`, in order; all are 4 bytes wide. Bound as a uniform at binding 0. */
  readonly params: Readonly<Record<P, 'u32' | 'f32'>>;
  /** Storage buffers at bindings 1, 2, ..., in order, with the access the shader declares. */
  readonly buffers: Readonly<Record<B, 'read' | 'read_write'>>;
  /** Workgroups in x and y, from the params and the shader's own constants. */
  readonly grid: (p: Readonly<Record<P, number>>, c: Constants) => readonly [number, number];
  /** Floating-point operations of one dispatch; a multiply-add counts as two. */
  readonly flops: (p: Readonly<Record<P, number>>) => number;
  /** Multiply-adds of one dispatch, for the kernels that compute matrix products: what papers count as work. */
  readonly macs?: (p: Readonly<Record<P, number>>) => number;
  /** Bytes that one dispatch must at least read and write: each tensor element once. */
  readonly bytes: (p: Readonly<Record<P, number>>) => number;
  /** Of a kernel that does the work of several layers: theirs one by one, which sum up to the whole. */
  readonly parts?: (p: Readonly<Record<P, number>>) => readonly WorkPart[];
  /** The same computation in float64, with the bound that float32 arithmetic must keep. */
  readonly twin: Twin<P, B>;
}

/** Declares a spec, with the names of its params and buffers checked wherever they are used. */
export const defineKernel = <P extends string, B extends string>(spec: KernelSpec<P, B>): KernelSpec<P, B> =>
  spec;

/** A kernel compiled for one device. Made by {@link Gpu.kernel}, which keeps one for each spec and constants. */
export interface Kernel {
  readonly spec: KernelSpec;
  readonly constants: Constants;
  readonly layout: GPUBindGroupLayout;
  /** Compiled on the spot where it is asked for before {@link Kernel.ready} has settled. */
  readonly pipeline: GPUComputePipeline;
  /** Settles when the compiler has spoken: rejects with a {@link ShaderError} if the shader is not valid. */
  readonly ready: Promise<void>;
}

/** Smallest integer at least a / b, for positive integers. */
export const ceilDiv = (a: number, b: number): number => Math.floor((a + b - 1) / b);

/** Bytes of a kernel's `struct Params` as a uniform buffer. */
export const paramsSize = (spec: KernelSpec): number => Math.max(4, 4 * Object.keys(spec.params).length);

/**
 * The bytes of `struct Params`, and the values as the device sees them (float32 fields rounded).
 *
 * @throws Error when a field is missing, unknown, or no u32 where one is needed.
 */
export function packParams(spec: KernelSpec, values: Params): { bytes: ArrayBuffer; seen: Params } {
  const fields = Object.entries(spec.params);
  const unknown = Object.keys(values).find((name) => !(name in spec.params));
  if (unknown !== undefined) throw new Error(`${spec.file} has no parameter '${unknown}'`);
  const bytes = new ArrayBuffer(paramsSize(spec));
  const view = new DataView(bytes);
  const seen: Record<string, number> = {};
  fields.forEach(([name, type], i) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${spec.file} needs the parameter '${name}'`);
    if (type === 'f32') {
      view.setFloat32(4 * i, value, true);
      seen[name] = Math.fround(value);
    } else {
      if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
        throw new Error(`${spec.file}: parameter '${name}' must be an unsigned integer, got ${value}`);
      }
      view.setUint32(4 * i, value, true);
      seen[name] = value;
    }
  });
  return { bytes, seen };
}

/** The bind group layout that a spec describes: params at 0, then the buffers in order. */
export function bindGroupLayout(device: GPUDevice, spec: KernelSpec): GPUBindGroupLayout {
  const entries: GPUBindGroupLayoutEntry[] = Object.values(spec.buffers).map((access, i) => ({
    binding: i + 1,
    visibility: GPUShaderStage.COMPUTE,
    buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
  }));
  if (Object.keys(spec.params).length > 0) {
    entries.unshift({ binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'uniform' } });
  }
  return device.createBindGroupLayout({ label: spec.file, entries });
}

/**
 * Compiles a spec for a device, beside others and beside what the thread goes on to do, since drivers take seconds for
 * large shaders. Use {@link Gpu.kernel}, which does it once.
 */
export function compileKernel(device: GPUDevice, spec: KernelSpec, changed: Constants): Kernel {
  const source = withConstants(shaderSource(spec.file), changed, spec.file);
  const label = spec.file;
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label, code: source });
  const layout = bindGroupLayout(device, spec);
  const descriptor = {
    label,
    layout: device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: 'main' },
  };
  const scope = device.popErrorScope();
  let pipeline: GPUComputePipeline | undefined;
  const compiled = device.createComputePipelineAsync(descriptor).then(
    (made) => {
      pipeline ??= made;
      return undefined;
    },
    (error: Error) => error,
  );
  const ready = Promise.all([module.getCompilationInfo(), scope, compiled]).then(([info, invalid, error]) => {
    const failed = info.messages.filter((m) => m.type === 'error');
    if (failed.length > 0) {
      throw new ShaderError(failed.map((m) => formatShaderMessage(spec.file, source, m)).join('\n'));
    }
    const wrong = invalid ?? error;
    if (wrong) throw new ShaderError(`shaders/${spec.file}.wgsl: ${wrong.message}`);
  });
  // Whoever awaits `ready` hears of a failure; without this a kernel nobody awaits would end the process.
  ready.catch(() => {});
  return {
    spec,
    constants: readConstants(source),
    layout,
    get pipeline() {
      pipeline ??= device.createComputePipeline(descriptor);
      return pipeline;
    },
    ready,
  };
}
