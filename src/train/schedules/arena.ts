import type { CommandEncoder, Gpu } from '../../gpu/gpu.ts';
import { Plan } from '../../gpu/plan.ts';
import { copyRows } from '../../kernels/copy-rows.ts';
import type { Mlp } from '../../nn/mlp.ts';
import type { SyntheticGradient } from '../../nn/synthetic-gradient.ts';
import type { FusedLayout } from '../../reference/fused/layout.ts';
import { createTensor, type Tensor, writeTensor } from '../../tensor.ts';
import type { StepInputs, UpdateRow } from '../step-table.ts';

/** A matrix of the network's or a model's, and where it lies in the arena: its rows `stride` apart. */
interface Place {
  readonly tensor: Tensor;
  readonly at: number;
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
}

/**
 * What the fused kernels work on: a few large buffers in place of a tensor for each thing, since one dispatch works on
 * many layers, and a device need not allow more than eight buffers. See the layout for what lies where.
 *
 * The network's and the models' own tensors are copied in at the beginning and out again behind every submit, so that
 * everybody else finds them up to date. Where the kernels want rows longer than the network's, what is added to a layer are
 * units whose every weight is 0: nothing comes of them and no gradient comes back to them, so that they stay so.
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
  readonly #copies = new Map<string, Plan>();
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
      for (const updates of [0, 1]) this.#copy(encoder, updates, 'load');
    });
  }

  /** Records the copying of all places, as they are once so many updates have been made, into the arena or out of it. */
  #copy(encoder: CommandEncoder, updates: number, way: 'load' | 'store'): void {
    const places = this.#places(updates);
    for (const { tensor, at, columns, stride } of places) {
      if (columns !== stride) continue;
      const [from, to] = [
        { buffer: tensor.buffer, at: 0 },
        { buffer: this.weights.buffer, at: 4 * at },
      ];
      const [source, target] = way === 'load' ? [from, to] : [to, from];
      encoder.copyBufferToBuffer(source.buffer, source.at, target.buffer, target.at, 4 * tensor.size);
    }
    const apart = places.filter(({ columns, stride }) => columns !== stride);
    if (apart.length > 0) this.#planOf(apart, way).encode(encoder);
  }

  /** A plan that copies matrices whose rows lie further apart here. The places of a schedule come round again. */
  #planOf(places: readonly Place[], way: 'load' | 'store'): Plan {
    const key = `${way} ${places.map(({ at }) => at).join(' ')}`;
    const known = this.#copies.get(key);
    if (known) return known;
    const plan = new Plan(this.#gpu, `arena.${way}`);
    for (const { tensor, at, rows, columns, stride } of places) {
      const own = { at: 0, stride: columns, tensor };
      const here = { at, stride, tensor: this.weights };
      const [source, target] = way === 'load' ? [own, here] : [here, own];
      plan.dispatch(copyRows, {
        label: `arena.${way} ${tensor.label}`,
        params: {
          ...{ rows, columns, at: source.at, stride: source.stride },
          ...{ at_y: target.at, stride_y: target.stride },
        },
        tensors: { x: source.tensor, y: target.tensor },
        role: 'always',
      });
    }
    this.#copies.set(key, plan);
    return plan;
  }

  /** The network's and the models' tensors, and where they lie once so many updates have been made. */
  #places(updates: number): Place[] {
    const { layout } = this;
    const { wSlots, vSlots, H, back, F, classRow } = layout.sizes;
    // A layer whose gradients come late has had that many updates less.
    const version = (layer: number) =>
      (Math.max(0, updates - back * (H + 1 - layer)) % wSlots) * layout.weights.version;
    const modelVersion = (updates % vSlots) * layout.weights.modelsVersion;
    const place = (tensor: Tensor, at: number, stride: number): Place => {
      const columns = tensor.shape.at(-1)!;
      return { tensor, at, rows: tensor.size / columns, columns, stride };
    };
    const { hidden, output } = this.#net;
    const top = version(H + 1) + layout.weightsOf(H + 1).at;
    return [
      ...hidden.flatMap((layer, i) => {
        const affine = version(i + 1) + layout.affineOf(i + 1).at;
        const running = layout.runningOf(i + 1).at;
        return [
          place(layer.weights.value, version(i + 1) + layout.weightsOf(i + 1).at, F),
          place(layer.gamma.value, affine, F),
          place(layer.beta.value, affine + F, F),
          place(layer.runningMean, running, F),
          place(layer.runningVar, running + F, F),
        ];
      }),
      place(output.weights.value, top, classRow),
      place(output.bias.value, top + F * classRow, classRow),
      ...this.#models.flatMap(({ weights, labelRows, bias }, i) => {
        const model = modelVersion + layout.modelOf(i + 1).at;
        return [
          place(weights.value, model, F),
          ...(labelRows ? [place(labelRows.value, model + F * F, F)] : []),
          place(bias.value, model + (F + layout.sizes.U) * F, F),
        ];
      }),
    ].map((each) => (each.rows === 1 ? { ...each, stride: each.columns } : each));
  }

  /** Records the copying of what was learned into the network's and the models' own tensors. */
  store(encoder: CommandEncoder, updates: number): void {
    this.#copy(encoder, updates, 'store');
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
    for (const plan of this.#copies.values()) plan.destroy();
    for (const { buffer } of [this.table, this.weights, this.moments, this.memory, this.state]) {
      this.#gpu.release(buffer);
    }
  }
}
