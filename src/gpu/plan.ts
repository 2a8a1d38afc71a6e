import { createTensor, type DType, type Tensor } from '../tensor.ts';
import { type CheckReport, checkDispatches } from './check.ts';
import type { Gpu } from './gpu.ts';
import { type Kernel, type KernelSpec, type Params, packParams, paramsSize } from './kernel.ts';
import { ALL_EVENTS, type Events, neededFor, type Role, runsIn } from './liveness.ts';
import { encodeProfiled, type Profile } from './profile.ts';
import type { PendingReadback, ReadbackPool } from './readback.ts';
import type { Constants } from './shader.ts';
import { patiently } from './wait.ts';

/** One recorded dispatch: a kernel, its params and its tensors, bound and ready to be replayed. */
export interface Dispatch {
  readonly label: string;
  readonly kernel: Kernel;
  /** As the device sees them: float32 fields rounded. */
  readonly params: Params;
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly grid: readonly [number, number];
  readonly bindGroup: GPUBindGroup;
  readonly role: Role;
}

/** What {@link Plan.dispatch} takes; params and tensors are named as in the kernel's spec. */
export interface DispatchArgs<P extends string, B extends string> {
  readonly label: string;
  readonly params: Readonly<Record<P, number>>;
  readonly tensors: Readonly<Record<B, Tensor>>;
  readonly constants?: Constants;
  /** Why it is there, for steps that leave something out. */
  readonly role?: Role;
}

/**
 * A step recorded once and replayed: pipelines, bind groups and grids, in order. What changes from step to step lies
 * in tensors, so that a plan never changes.
 *
 * It owns the tensors made through {@link Plan.tensor} (activations, gradients) and its parameter buffers.
 */
export class Plan {
  readonly gpu: Gpu;
  readonly label: string;
  readonly dispatches: Dispatch[] = [];
  readonly #owned: GPUBuffer[] = [];
  #needs: Events[] = [];
  readonly #work = new Map<Events, { dispatches: number; macs: number }>();

  constructor(gpu: Gpu, label: string) {
    this.gpu = gpu;
    this.label = label;
  }

  /** A tensor that lives as long as this plan. */
  tensor(label: string, shape: readonly number[], dtype: DType = 'f32'): Tensor {
    return this.own(createTensor(this.gpu, label, shape, dtype));
  }

  /** Takes a tensor over: it is released with the plan. */
  own(tensor: Tensor): Tensor {
    this.#owned.push(tensor.buffer);
    return tensor;
  }

  /**
   * Records one dispatch.
   *
   * @throws Error when a tensor is missing, or is both read and written by the dispatch, or when the grid is larger than
   *   the device allows.
   */
  dispatch<P extends string, B extends string>(spec: KernelSpec<P, B>, args: DispatchArgs<P, B>): void {
    const { device } = this.gpu;
    const { label } = args;
    const anySpec = spec as unknown as KernelSpec;
    const tensors: Readonly<Record<string, Tensor>> = args.tensors;
    const kernel = this.gpu.kernel(anySpec, args.constants ?? {});
    const { bytes, seen } = packParams(anySpec, args.params);
    const grid = spec.grid(seen as Record<P, number>, kernel.constants);
    const most = this.gpu.limits.maxComputeWorkgroupsPerDimension;
    if (grid.some((n) => n > most)) {
      throw new Error(
        `${label}: a grid of ${grid.join(' x ')} workgroups, but the device allows ${most} a dimension`,
      );
    }

    const entries: GPUBindGroupEntry[] = [];
    if (Object.keys(spec.params).length > 0) {
      const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
      const uniform = this.gpu.buffer(`${label} params`, paramsSize(anySpec), usage);
      this.gpu.write(uniform, new Uint8Array(bytes));
      this.#owned.push(uniform);
      entries.push({ binding: 0, resource: { buffer: uniform } });
    }
    const written = new Set<GPUBuffer>();
    for (const [name, access] of Object.entries(anySpec.buffers)) {
      const tensor = tensors[name];
      if (tensor === undefined) throw new Error(`${label}: ${spec.file} needs the tensor '${name}'`);
      if (access === 'read_write') written.add(tensor.buffer);
      entries.push({
        binding: entries.length + (entries[0]?.binding === 0 ? 0 : 1),
        resource: { buffer: tensor.buffer },
      });
    }
    const bound = Object.keys(spec.buffers).map((name) => tensors[name]!.buffer);
    const shared = bound.find((b, i) => bound.indexOf(b) !== i && written.has(b));
    if (shared) throw new Error(`${label}: ${shared.label} is bound twice, and written`);

    const bindGroup = device.createBindGroup({ label, layout: kernel.layout, entries });
    this.dispatches.push({ label, kernel, params: seen, tensors, grid, bindGroup, role: args.role });
    this.#work.clear();
  }

  /** Settles when every kernel of the plan is compiled; rejects with the shader's error, and its line, if one is not. */
  async ready(): Promise<void> {
    const { gpu } = this;
    // A CPU driver's compilers need the processors, too.
    await patiently(gpu.isCpu, gpu.until(Promise.all(this.dispatches.map((d) => d.kernel.ready))));
  }

  /**
   * For each dispatch, the events that need it. A dispatch that none needs is left out of every step that is encoded
   * with its events.
   */
  get needs(): readonly Events[] {
    if (this.#needs.length !== this.dispatches.length) this.#needs = neededFor(this.dispatches);
    return this.#needs;
  }

  /** Whether a step with these events runs the dispatch of that label. */
  runs(label: string, events: Events): boolean {
    return this.dispatches.some((d, i) => d.label === label && runsIn(this.needs[i]!, events));
  }

  /** How many dispatches a step with these events runs, and the multiply-adds of their matrix products. */
  workOf(events: Events): { readonly dispatches: number; readonly macs: number } {
    const known = this.#work.get(events);
    if (known) return known;
    const run = this.dispatches.filter((_, i) => runsIn(this.needs[i]!, events));
    const macs = run.reduce((sum, { kernel, params }) => sum + (kernel.spec.macs?.(params) ?? 0), 0);
    const work = { dispatches: run.length, macs };
    // Layers that are drawn one by one make very many sets.
    if (this.#work.size > 4096) this.#work.clear();
    this.#work.set(events, work);
    return work;
  }

  /**
   * Records the plan into one compute pass: `steps` times, or once for each set of events, without what that step
   * does not need, and between two timestamps where they are asked for. The caller submits; nothing is awaited.
   */
  encode(
    encoder: GPUCommandEncoder,
    steps: number | readonly Events[] = 1,
    timestampWrites?: GPUComputePassTimestampWrites,
  ): void {
    const pass = encoder.beginComputePass({ label: this.label, ...(timestampWrites && { timestampWrites }) });
    let set: GPUComputePipeline | undefined;
    const count = typeof steps === 'number' ? steps : steps.length;
    const { needs } = this;
    for (let i = 0; i < count; i++) {
      const events = typeof steps === 'number' ? ALL_EVENTS : steps[i]!;
      this.dispatches.forEach(({ kernel, bindGroup, grid }, d) => {
        if (!runsIn(needs[d]!, events)) return;
        if (set !== kernel.pipeline) {
          set = kernel.pipeline;
          pass.setPipeline(set);
        }
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(grid[0], grid[1]);
      });
    }
    pass.end();
  }

  /** The dispatches that a step with these events runs. */
  runBy(events: Events): Dispatch[] {
    const { needs } = this;
    return this.dispatches.filter((_, i) => runsIn(needs[i]!, events));
  }

  /** Encodes and submits the plan, in one submit: `steps` times, or once for each set of events. */
  submit(steps: number | readonly Events[] = 1): void {
    this.gpu.submit(this.label, (encoder) => this.encode(encoder, steps));
  }

  /** {@link Plan.submit}, and in the same submit a copy of the pool's tensors as they are then. */
  submitAndRead(steps: number | readonly Events[], pool: ReadbackPool): PendingReadback {
    return this.gpu.submit(this.label, (encoder) => {
      this.encode(encoder, steps);
      return pool.copy(encoder);
    });
  }

  /**
   * Records the plan once with a pass and two timestamps for each dispatch. Submit the encoder, then `read()`.
   *
   * @throws InputError when the device has no `timestamp-query`.
   */
  encodeProfiled(encoder: GPUCommandEncoder): Profile {
    return encodeProfiled(this.gpu, this.dispatches, encoder);
  }

  /**
   * Runs the plan once, one dispatch at a time, and compares all that each dispatch wrote with its float64 twin on
   * the same inputs. The plan's tensors are left as a normal run would leave them.
   */
  encodeChecked(): Promise<CheckReport> {
    return checkDispatches(this.gpu, this.dispatches);
  }

  /** Floating-point operations of one run, from the kernels' specs. */
  flops(): number {
    return this.dispatches.reduce((sum, d) => sum + d.kernel.spec.flops(d.params), 0);
  }

  /** Releases the plan's own tensors and parameter buffers. */
  destroy(): void {
    for (const buffer of this.#owned.splice(0)) this.gpu.release(buffer);
    this.dispatches.length = 0;
  }
}
