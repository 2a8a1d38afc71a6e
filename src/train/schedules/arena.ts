import type { CommandEncoder, Gpu } from '../../gpu/gpu.ts';
import type { Mlp } from '../../nn/mlp.ts';
import type { SyntheticGradient } from '../../nn/synthetic-gradient.ts';
import type { FusedLayout } from '../../reference/fused/layout.ts';
import { createTensor, type Tensor, writeTensor } from '../../tensor.ts';
import type { StepInputs, UpdateRow } from '../step-table.ts';

/**
 * What the fused kernels work on: a few large buffers in place of a tensor for each thing, since one dispatch works on
 * many layers, and a device need not allow more than eight buffers. See the layout for what lies where.
 *
 * The network's and the models' own tensors are copied in at the beginning and out again behind every submit, so that
 * everybody else finds them up to date.
 */
export class Arena {
  readonly layout: FusedLayout;
  readonly table: Tensor;
  readonly weights: Tensor;
  readonly moments: Tensor;
  readonly memory: Tensor;
  readonly state: Tensor;
  readonly #gpu: Gpu;
  readonly #net: Mlp;
  readonly #models: readonly SyntheticGradient[];
  // Sample numbers and update rows of the last steps before an upload, for what comes late.
  #before: Uint32Array;
  #late: UpdateRow[][] = [];

  constructor(gpu: Gpu, layout: FusedLayout, net: Mlp, models: readonly SyntheticGradient[]) {
    const { table, weights, moments, memory, state, sizes } = layout;
    this.#gpu = gpu;
    this.layout = layout;
    this.#net = net;
    this.#models = models;
    this.#before = new Uint32Array(sizes.lead * sizes.B);
    this.table = createTensor(gpu, 'arena.table', [table.size], 'u32');
    this.weights = createTensor(gpu, 'arena.weights', [weights.size]);
    this.moments = createTensor(gpu, 'arena.moments', [moments.size]);
    this.memory = createTensor(gpu, 'arena.memory', [memory.size]);
    this.state = createTensor(gpu, 'arena.state', [state.size], 'u32');
    gpu.submit('arena.load', (encoder) => {
      // Predictors are there in every version from the beginning, as their first updates have nothing to learn from.
      for (const updates of [0, 1]) {
        for (const { tensor, at } of this.#places(updates)) {
          encoder.copyBufferToBuffer(tensor.buffer, 0, this.weights.buffer, 4 * at, 4 * tensor.size);
        }
      }
    });
  }

  /** The network's and the models' tensors, and where they lie once so many updates have been made. */
  #places(updates: number): { tensor: Tensor; at: number }[] {
    const { layout } = this;
    const { wSlots, vSlots, H, back } = layout.sizes;
    // A layer whose gradients come late has had that many updates less.
    const version = (layer: number) =>
      (Math.max(0, updates - back * (H + 1 - layer)) % wSlots) * layout.weights.version;
    const modelVersion = (updates % vSlots) * layout.weights.modelsVersion;
    const row = (at: number, tensors: readonly Tensor[]) => {
      let next = at;
      return tensors.map((tensor) => {
        next += tensor.size;
        return { tensor, at: next - tensor.size };
      });
    };
    const { hidden, output } = this.#net;
    return [
      ...hidden.flatMap((layer, i) => [
        ...row(version(i + 1) + layout.weightsOf(i + 1).at, [layer.weights.value]),
        ...row(version(i + 1) + layout.affineOf(i + 1).at, [layer.gamma.value, layer.beta.value]),
        ...row(layout.runningOf(i + 1).at, [layer.runningMean, layer.runningVar]),
      ]),
      ...row(version(H + 1) + layout.weightsOf(H + 1).at, [output.weights.value, output.bias.value]),
      ...this.#models.flatMap(({ weights, labelRows, bias }, i) =>
        row(modelVersion + layout.modelOf(i + 1).at, [
          weights.value,
          ...(labelRows ? [labelRows.value] : []),
          bias.value,
        ]),
      ),
    ];
  }

  /** Records the copying of what was learned into the network's and the models' own tensors. */
  store(encoder: CommandEncoder, updates: number): void {
    for (const { tensor, at } of this.#places(updates)) {
      encoder.copyBufferToBuffer(this.weights.buffer, 4 * at, tensor.buffer, 0, 4 * tensor.size);
    }
  }

  /** Uploads the inputs of `count` steps and sets the clocks to the first. Returns the batches, (count, batchSize). */
  fill(first: number, count: number, inputs: StepInputs, events: readonly number[]): Uint32Array {
    const { table, sizes } = this.layout;
    const { B, capacity, lead, H } = sizes;
    if (count > capacity) throw new Error(`the step table holds ${capacity} steps, got ${count}`);
    const words = new Uint32Array(table.size);
    words.set([count, first]);
    words.set(this.#before, table.rows);
    const rows = words.subarray(table.rows + lead * B, table.rows + (lead + count) * B);
    for (let i = 0; i < count; i++) inputs.batch(rows, i * B, i);
    if (lead > 0) this.#before = words.slice(table.rows + count * B, table.rows + (count + lead) * B);

    const updates = new Float32Array(words.buffer, 4 * table.updates);
    events.forEach((event, e) => {
      // A predictor's update comes `lead` steps late, with the step size of the step that it belongs to.
      const late = e > H ? (this.#late[e] ?? []) : [];
      const steps = [...late, ...Array.from({ length: count }, (_, i) => inputs.update(event, i))];
      if (e > H && lead > 0) this.#late[e] = steps.slice(-lead);
      const missing = e > H ? Math.max(0, lead - late.length) : 0;
      for (let i = missing; i < count; i++) {
        const { stepSize, epsHat } = steps[i - missing]!;
        updates[2 * (e * capacity + i)] = stepSize;
        updates[2 * (e * capacity + i) + 1] = epsHat;
      }
    });
    writeTensor(this.#gpu, this.table, words);
    writeTensor(this.#gpu, this.state, Uint32Array.of(0, 0));
    return rows;
  }

  destroy(): void {
    for (const { buffer } of [this.table, this.weights, this.moments, this.memory, this.state]) {
      this.#gpu.release(buffer);
    }
  }
}
