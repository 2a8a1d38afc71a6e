import { BatchOrder } from '../data/batches.ts';
import { Random } from '../data/random.ts';
import type { ResidentDataset } from '../data/resident-dataset.ts';
import { InputError } from '../errors.ts';
import type { CheckReport } from '../gpu/check.ts';
import { firstNonFinite } from '../gpu/finite.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Events } from '../gpu/liveness.ts';
import { Plan } from '../gpu/plan.ts';
import { type PendingReadback, ReadbackPool } from '../gpu/readback.ts';
import { checkFits } from '../nn/limits.ts';
import { Mlp, type MlpShape } from '../nn/mlp.ts';
import { checkOptions } from './check-options.ts';
import { LOSS_LABEL, recordAdvance } from './loss.ts';
import { Optimizer, type OptimizerName } from './optimizer.ts';
import type { LearningRule, RuleOptions, SideModel } from './rule.ts';
import { StepTable } from './step-table.ts';
import { type UpdateCounts, UpdateSchedule } from './update-schedule.ts';

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
  /** Of the initialisation, of the shuffle, and of the draws of updates. */
  readonly seed: number;
  /** `adam` by default. */
  readonly optimizer?: OptimizerName | undefined;
  /** Chance of each layer to be updated in a step, drawn for each layer and step; 1 by default. */
  readonly updateProbability?: number | undefined;
  /** Learning rate of the models beside the network; the network's by default. */
  readonly sgLearningRate?: number | undefined;
  /** Steps in which the hidden layers wait while the models beside them learn; 0 by default. */
  readonly sgWarmup?: number | undefined;
  readonly lambda?: number | undefined;
  readonly synthetic?: RuleOptions['synthetic'] | undefined;
}

/** What some steps in a row have measured on their own batches. */
export interface StepResults {
  /** Number of the first step, counted from 0. */
  readonly first: number;
  /** Mean loss of each step's batch. */
  readonly losses: Float32Array;
  /** Correctly classified samples of each step's batch. */
  readonly correct: Uint32Array;
  /** Which of the steps computed the loss; the others needed it for nothing, and have no result. */
  readonly measured: readonly boolean[];
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

/** What a trainer's steps have done so far. */
export interface WorkDone extends UpdateCounts {
  /** Dispatches that were run. */
  readonly dispatches: number;
  /** Multiply-adds of the matrix products that were run, over whole batches. */
  readonly macs: number;
}

/** How many trainers there have been, to tell them apart. */
let trainers = 0;

/** Steps that one upload and one submit may hold. */
export const CHUNK_LIMIT = 256;

/** Steps under way: what {@link Trainer.submit} returns. */
export interface Chunk {
  readonly first: number;
  readonly count: number;
  readonly readback: PendingReadback;
  /** The batches, kept until it is known that all losses were finite. */
  readonly rows: Uint32Array;
  readonly events: readonly Events[];
}

/** The network, the models beside it, and the step of a rule recorded on them. */
function buildStep(gpu: Gpu, data: ResidentDataset, options: TrainOptions, shape: MlpShape, given?: Mlp) {
  const { rule, batchSize, seed, synthetic = {}, lambda = 0 } = options;
  const ruleOptions: RuleOptions = { synthetic, lambda };
  const net = given ?? new Mlp(gpu, shape, seed);
  const models = rule.createModels(gpu, shape, ruleOptions, new Random(seed).fork('models'));
  const table = new StepTable(gpu, CHUNK_LIMIT, batchSize);
  const plan = new Plan(gpu, rule.name);
  const batch = data.train.gather(plan, batchSize, table);
  const optimizer = new Optimizer(options.optimizer ?? 'adam', table);
  rule.record({ plan, net, batch, optimizer, metrics: table, models, options: ruleOptions });
  recordAdvance(plan, table);
  const schedule = new UpdateSchedule(options, shape, optimizer, table.events);
  const pool = new ReadbackPool(gpu, rule.name, [table.losses, table.correct, table.flag, table.step]);
  return { net, models, table, plan, schedule, pool };
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
  readonly models: readonly SideModel[];
  readonly plan: Plan;
  readonly table: StepTable;
  readonly #order: BatchOrder;
  readonly #pool: ReadbackPool;
  readonly #ownsNet: boolean;
  // What this trainer's chunks take says nothing of another's.
  readonly #kind = `train ${++trainers}`;
  readonly #schedule: UpdateSchedule;
  #failure: NonFiniteError | undefined;
  #submitted = 0;
  #dispatches = 0;
  #macs = 0;

  /**
   * Trains `net`, which stays the caller's, or a network of its own with the sizes in `options`.
   *
   * @throws InputError when the batch is larger than the data, the network larger than the device allows, or `net`
   *   made for other data.
   */
  constructor(gpu: Gpu, data: ResidentDataset, options: TrainOptions, net?: Mlp) {
    const { batchSize, seed } = options;
    const { features: inputs, classes } = data.dataset;
    const { hidden, layers } = net?.shape ?? options;
    if (net && (net.shape.inputs !== inputs || net.shape.classes !== classes)) {
      throw new InputError(
        `the network has ${net.shape.inputs} inputs and ${net.shape.classes} classes, ` +
          `but the data ${data.dataset.name} has ${inputs} features and ${classes} classes`,
      );
    }
    checkOptions(options, layers);
    this.gpu = gpu;
    this.options = options;
    this.shape = { inputs, hidden, layers, classes };
    this.#order = new BatchOrder(data.train.count, batchSize, seed);
    checkFits(gpu, this.shape, batchSize, CHUNK_LIMIT, options.synthetic?.width);
    this.#ownsNet = net === undefined;
    const parts = gpu.allOrNothing(() => buildStep(gpu, data, options, this.shape, net));
    this.net = parts.net;
    this.models = parts.models;
    this.plan = parts.plan;
    this.table = parts.table;
    this.#schedule = parts.schedule;
    this.#pool = parts.pool;
  }

  /** Steps submitted so far. */
  get submitted(): number {
    return this.#submitted;
  }

  /** What the steps submitted so far have done. */
  get work(): WorkDone {
    return { ...this.#schedule.counts, dispatches: this.#dispatches, macs: this.#macs };
  }

  /** Settles when every kernel is compiled. */
  ready(): Promise<void> {
    return this.plan.ready();
  }

  /** Submits the next `count` steps in one go. Await {@link Trainer.results} in the same order. */
  submit(count: number): Chunk {
    const first = this.#submitted;
    const steps = Array.from({ length: count }, (_, i) => this.#schedule.next(first + i));
    const rows = this.table.fill(count, {
      batch: (out, offset) => this.#order.next(out, offset),
      update: (event, i) => steps[i]!.row(event),
    });
    const events = steps.map((step) => step.events);
    const readback = this.plan.submitAndRead(events, this.#pool);
    for (const set of events) {
      const { dispatches, macs } = this.plan.workOf(set);
      this.#dispatches += dispatches;
      this.#macs += macs;
    }
    this.#submitted += count;
    return { first, count, readback, rows, events };
  }

  /**
   * Waits for a chunk.
   *
   * @throws NonFiniteError when the loss of one of its steps, or of one before, was not finite;
   *   DeviceLostError, OutOfMemoryError.
   */
  async results({ first, count, readback, rows, events }: Chunk): Promise<StepResults> {
    const [losses, correct, flag, step] = await readback.read(`${this.#kind} x ${count}`);
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
      measured: events.map((set) => this.plan.runs(LOSS_LABEL, set)),
    };
  }

  /** Runs the failed step once more (the flag keeps the parameters as they are) and names what is not finite. */
  async #explainNonFinite(first: number, row: number, rows: Uint32Array): Promise<NonFiniteError> {
    const { batchSize, rule } = this.options;
    await this.gpu.idle();
    this.table.fill(1, {
      batch: (out) => out.set(rows.subarray(row * batchSize, (row + 1) * batchSize)),
      update: () => ({ stepSize: 0, epsHat: 1 }),
    });
    const held = [...this.net.parameters, ...this.models.flatMap((m) => m.parameters)].map((p) => p.value);
    const tensor = await firstNonFinite(this.gpu, held, this.plan.dispatches);
    return new NonFiniteError(rule.name, first + row, tensor ?? 'loss.loss');
  }

  /**
   * Runs one step, a dispatch at a time, and compares everything each dispatch writes with its float64 twin.
   * It is a step like any other: the next one goes on from it.
   */
  async check(): Promise<CheckReport> {
    const step = this.#schedule.next(this.#submitted++, true);
    this.table.fill(1, {
      batch: (out, offset) => this.#order.next(out, offset),
      update: (event) => step.row(event),
    });
    await this.ready();
    return this.plan.encodeChecked();
  }

  /** Releases the plan, the models, and the network if it is the trainer's own. */
  destroy(): void {
    this.plan.destroy();
    this.table.destroy();
    this.#pool.destroy();
    if (this.#ownsNet) this.net.destroy();
    for (const model of this.models) {
      for (const { value, gradient } of model.parameters) {
        for (const tensor of [value, gradient]) this.gpu.release(tensor.buffer);
      }
      model.destroy?.();
    }
  }
}
