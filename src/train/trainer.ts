import { BatchOrder } from '../data/batches.ts';
import type { ResidentDataset } from '../data/resident-dataset.ts';
import { InputError } from '../errors.ts';
import type { CheckReport } from '../gpu/check.ts';
import { firstNonFinite } from '../gpu/finite.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Plan } from '../gpu/plan.ts';
import { type PendingReadback, ReadbackPool } from '../gpu/readback.ts';
import { checkFits } from '../nn/limits.ts';
import { Mlp, type MlpShape } from '../nn/mlp.ts';
import type { GradientModel } from '../nn/synthetic-gradient.ts';
import { recordAdvance } from './loss.ts';
import { Adam } from './optimizer.ts';
import type { LearningRule } from './rule.ts';
import { adamAt } from './schedule.ts';
import { type StepInputs, StepTable } from './step-table.ts';

/** What is trained, and how. */
export interface TrainOptions {
  readonly rule: LearningRule;
  /** Units of each hidden layer, of a network that the trainer makes. */
  readonly hidden: number;
  /** Layers with weights, the output included, of a network that the trainer makes. */
  readonly layers: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Steps, counted from 0, at which the learning rate is divided by 10. */
  readonly lrDrops: readonly number[];
  /** Of the initialisation and of the shuffle. */
  readonly seed: number;
}

/** What some steps in a row have measured on their own batches. */
export interface StepResults {
  /** Number of the first step, counted from 0. */
  readonly first: number;
  /** Mean loss of each step's batch. */
  readonly losses: Float32Array;
  /** Correctly classified samples of each step's batch. */
  readonly correct: Uint32Array;
}

/**
 * A loss, or a gradient that a layer was about to be updated by, that held an infinity or a NaN. The network's
 * parameters are as they were before that; batch norm's running statistics are not, since they move with each forward
 * pass.
 */
export class NonFiniteError extends InputError {
  override name = 'NonFiniteError';
  readonly step: number;
  readonly tensor: string;

  constructor(rule: string, step: number, tensor: string) {
    super(
      `${rule}: the loss stopped being finite at step ${step + 1}, where the first tensor with an infinity or a NaN is ` +
        `${tensor} (a lower --lr may help)`,
    );
    this.step = step;
    this.tensor = tensor;
  }
}

/** Steps that one upload and one submit may hold. */
export const CHUNK_LIMIT = 256;

/** Steps under way: what {@link Trainer.submit} returns. */
export interface Chunk {
  readonly first: number;
  readonly count: number;
  readonly readback: PendingReadback;
  /** The batches, kept until it is known that all losses were finite. */
  readonly rows: Uint32Array;
}

/**
 * A network, the models beside it, and the recorded step of a learning rule.
 *
 * Steps are submitted in chunks: the step table is uploaded once, the plan is encoded `count` times into one pass,
 * and losses and correct counts are read back once.
 */
export class Trainer {
  readonly gpu: Gpu;
  readonly options: TrainOptions;
  readonly shape: MlpShape;
  readonly net: Mlp;
  readonly models: readonly GradientModel[];
  readonly plan: Plan;
  readonly table: StepTable;
  readonly #order: BatchOrder;
  readonly #pool: ReadbackPool;
  readonly #ownsNet: boolean;
  #failure: NonFiniteError | undefined;
  #submitted = 0;

  /**
   * Trains `net`, which stays the caller's, or a network of its own with the sizes in `options`.
   *
   * @throws InputError when the batch is larger than the data, the network larger than the device allows, or `net`
   *   made for other data.
   */
  constructor(gpu: Gpu, data: ResidentDataset, options: TrainOptions, net?: Mlp) {
    const { rule, batchSize, seed } = options;
    const { features: inputs, classes } = data.dataset;
    const { hidden, layers } = net?.shape ?? options;
    if (net && (net.shape.inputs !== inputs || net.shape.classes !== classes)) {
      throw new InputError(
        `the network has ${net.shape.inputs} inputs and ${net.shape.classes} classes, ` +
          `but the data ${data.dataset.name} has ${inputs} features and ${classes} classes`,
      );
    }
    this.gpu = gpu;
    this.options = options;
    this.shape = { inputs, hidden, layers, classes };
    this.#order = new BatchOrder(data.train.count, batchSize, seed);
    checkFits(gpu, this.shape, batchSize);
    this.net = net ?? new Mlp(gpu, this.shape, seed);
    this.#ownsNet = net === undefined;
    this.models = rule.createModels(gpu, this.shape);
    this.table = new StepTable(gpu, CHUNK_LIMIT, batchSize);
    this.plan = new Plan(gpu, rule.name);
    const batch = data.train.gather(this.plan, batchSize, this.table);
    const optimizer = new Adam(this.table);
    const { plan, models, table: metrics } = this;
    rule.record({ plan, net: this.net, batch, optimizer, metrics, models });
    recordAdvance(plan, metrics);
    this.#pool = new ReadbackPool(gpu, rule.name, [
      metrics.losses,
      metrics.correct,
      metrics.flag,
      metrics.step,
    ]);
  }

  /** Steps submitted so far. */
  get submitted(): number {
    return this.#submitted;
  }

  /** Multiply-adds of one step's matrix products, over the whole batch. */
  get macsPerStep(): number {
    return this.options.rule.macs(this.shape) * this.options.batchSize;
  }

  /** Layers that one step updates, predictors not counted. */
  get layerUpdatesPerStep(): number {
    return this.shape.layers;
  }

  /** Settles when every kernel is compiled. */
  ready(): Promise<void> {
    return this.plan.ready();
  }

  #inputs(batch: StepInputs['batch']): StepInputs {
    const { learningRate, lrDrops } = this.options;
    return { batch, adam: (step) => adamAt(step, learningRate, lrDrops) };
  }

  /** Submits the next `count` steps in one go. Await {@link Trainer.results} in the same order. */
  submit(count: number): Chunk {
    const first = this.#submitted;
    const rows = this.table.fill(
      first,
      count,
      this.#inputs((out, offset) => this.#order.next(out, offset)),
    );
    const readback = this.plan.submitAndRead(count, this.#pool);
    this.#submitted += count;
    return { first, count, readback, rows };
  }

  /**
   * Waits for a chunk.
   *
   * @throws NonFiniteError when the loss of one of its steps, or of one before, was not finite;
   *   DeviceLostError, OutOfMemoryError.
   */
  async results({ first, count, readback, rows }: Chunk): Promise<StepResults> {
    const [losses, correct, flag, step] = await readback.read(`train ${count}`);
    // A chunk behind the one that failed did nothing: it tells the same story again.
    if (this.#failure) throw this.#failure;
    if (new Uint32Array(flag!)[0] !== 0) {
      this.#failure = await this.#explainNonFinite(first, new Uint32Array(step!)[0]!, rows);
      throw this.#failure;
    }
    return {
      first,
      losses: new Float32Array(losses!).slice(0, count),
      correct: new Uint32Array(correct!).slice(0, count),
    };
  }

  /** Runs the failed step once more (the flag keeps the parameters as they are) and names what is not finite. */
  async #explainNonFinite(first: number, row: number, rows: Uint32Array): Promise<NonFiniteError> {
    const { batchSize, rule } = this.options;
    await this.gpu.idle();
    const batch: StepInputs['batch'] = (out, offset) => {
      out.set(rows.subarray(row * batchSize, (row + 1) * batchSize), offset);
    };
    this.table.fill(first + row, 1, this.#inputs(batch));
    const held = [...this.net.parameters, ...this.models.flatMap((m) => m.parameters)].map((p) => p.value);
    const tensor = await firstNonFinite(this.gpu, held, this.plan.dispatches);
    return new NonFiniteError(rule.name, first + row, tensor ?? 'loss.loss');
  }

  /**
   * Runs one step, a dispatch at a time, and compares everything each dispatch writes with its float64 twin.
   * It is a step like any other: the next one goes on from it.
   */
  async check(): Promise<CheckReport> {
    this.table.fill(
      this.#submitted,
      1,
      this.#inputs((out, offset) => this.#order.next(out, offset)),
    );
    this.#submitted++;
    await this.ready();
    return this.plan.encodeChecked();
  }

  /** Releases the plan, the models, and the network if it is the trainer's own. */
  destroy(): void {
    this.plan.destroy();
    this.table.destroy();
    this.#pool.destroy();
    if (this.#ownsNet) this.net.destroy();
    for (const model of this.models) model.destroy();
  }
}
