import { BatchOrder } from '../data/batches.ts';
import { Random } from '../data/random.ts';
import type { ResidentDataset } from '../data/resident-dataset.ts';
import { InputError, NoResultError } from '../errors.ts';
import type { CheckReport } from '../gpu/check.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Events } from '../gpu/liveness.ts';
import type { Plan } from '../gpu/plan.ts';
import type { Tiles } from '../kernels/tiles.ts';
import { type Conventions, OF_NETWORK, PYTORCH } from '../nn/conventions.ts';
import { checkFits } from '../nn/limits.ts';
import { Mlp, type MlpShape } from '../nn/mlp.ts';
import { checkOptions } from './check-options.ts';
import type { OptimizerName } from './optimizer.ts';
import type { LearningRule, RuleOptions, SideModel } from './rule.ts';
import { chooseSchedule } from './schedules/choose.ts';
import type { Encode, ScheduleName, ScheduleWish, StepDriver, StepReadback } from './schedules/driver.ts';
import type { FormName } from './schedules/forms.ts';
import { LayeredDriver } from './schedules/layered.ts';
import { PackedDriver } from './schedules/packed.ts';
import type { StepInputs } from './step-table.ts';
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
  /** Of delayed backpropagation; `pipelined` by default. */
  readonly delay?: RuleOptions['delay'] | undefined;
  /** Those that differ from the network's, or of a network that the trainer makes from {@link PYTORCH}. */
  readonly conventions?: Partial<Conventions> | undefined;
  /** How a step is divided into dispatches, where the rule and the sizes allow it; `layered` by default. */
  readonly schedule?: ScheduleWish | undefined;
  /** Dispatches of a step of the wave: 3, or 1 with everything staler. 3 by default. */
  readonly waveStages?: 1 | 3 | undefined;
  /** The form of the fused kernels; the one that suits the device by default. */
  readonly forms?: FormName | undefined;
  /** Constants of the fused kernels; what the table of tiles says by default. */
  readonly tiles?: Tiles | undefined;
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
export class NonFiniteError extends NoResultError {
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

/** Steps that one upload and one submit may hold. */
export const CHUNK_LIMIT = 256;

/** Steps under way: what {@link Trainer.submit} returns. */
export interface Chunk {
  readonly first: number;
  readonly count: number;
  readonly readback: StepReadback;
  /** The batches, kept until it is known that all losses were finite. */
  readonly rows: Uint32Array;
  readonly events: readonly Events[];
}

/** The network, the models beside it, and the step of a rule recorded on them. */
function buildStep(gpu: Gpu, data: ResidentDataset, options: TrainOptions, shape: MlpShape, given?: Mlp) {
  const {
    rule,
    batchSize,
    seed,
    synthetic = {},
    lambda = 0,
    optimizer = 'adam',
    delay = 'pipelined',
  } = options;
  const conventions = { ...PYTORCH, ...options.conventions };
  const ruleOptions: RuleOptions = { synthetic, lambda, conventions, batchSize, delay };
  const net = given ?? new Mlp(gpu, shape, seed, conventions);
  const models = rule.createModels(gpu, shape, ruleOptions, new Random(seed).fork('models'));
  const { packed, ...choice } = chooseSchedule({
    ...{ gpu, options, shape, models },
    ...{ data: data.train, capacity: CHUNK_LIMIT },
  });
  const parts = {
    ...{ gpu, rule, net, models, data: data.train, batchSize, optimizer },
    ...{ options: ruleOptions, capacity: CHUNK_LIMIT, tiles: options.tiles },
  };
  const driver = packed ? new PackedDriver(parts, packed, options.forms) : new LayeredDriver(parts);
  return { net, models, choice, driver, schedule: new UpdateSchedule(options, shape, driver.events) };
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
  /** How the steps are divided into dispatches. */
  readonly schedule: ScheduleName;
  /** Why that is not the schedule that was asked for, where it is another. */
  readonly because: string | undefined;
  readonly driver: StepDriver;
  readonly #order: BatchOrder;
  readonly #ownsNet: boolean;
  readonly #updates: UpdateSchedule;
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
    const conventions = { ...(net?.conventions ?? PYTORCH), ...options.conventions };
    const own = net && OF_NETWORK.find((key) => conventions[key] !== net.conventions[key]);
    if (own) {
      throw new InputError(
        `conventions: expected ${own} to be the network's, ${net.conventions[own]}, found ${conventions[own]}`,
      );
    }
    this.options = { ...options, conventions };
    this.shape = { inputs, hidden, layers, classes };
    this.#order = new BatchOrder(data.train.count, batchSize, seed);
    checkFits(gpu, this.shape, batchSize, CHUNK_LIMIT, options.synthetic?.width);
    this.#ownsNet = net === undefined;
    const parts = gpu.allOrNothing(() => buildStep(gpu, data, this.options, this.shape, net));
    this.net = parts.net;
    this.models = parts.models;
    this.driver = parts.driver;
    this.schedule = parts.choice.schedule;
    this.because = parts.choice.because;
    this.#updates = parts.schedule;
  }

  /** What is recorded: a step or, of a wave, a tick in which each layer is at a batch of its own. */
  get plan(): Plan {
    return this.driver.plan;
  }

  /** Steps submitted so far. */
  get submitted(): number {
    return this.#submitted;
  }

  /** What the steps submitted so far have done. */
  get work(): WorkDone {
    return { ...this.#updates.counts, dispatches: this.#dispatches, macs: this.#macs };
  }

  /** Settles when every kernel is compiled. */
  ready(): Promise<void> {
    return this.plan.ready();
  }

  /** What the host decides about the next `count` steps. */
  #inputs(count: number, all = false): StepInputs & { readonly events: readonly Events[] } {
    const first = this.#submitted;
    const steps = Array.from({ length: count }, (_, i) => this.#updates.next(first + i, all));
    this.#submitted += count;
    return {
      events: steps.map((step) => step.events),
      batch: (out, offset) => this.#order.next(out, offset),
      update: (event, i) => steps[i]!.row(event),
    };
  }

  /**
   * Submits the next `count` steps in one go, encoded as the plan does unless `encode` says otherwise. Await
   * {@link Trainer.results} in the same order.
   */
  submit(count: number, encode?: Encode): Chunk {
    const first = this.#submitted;
    const inputs = this.#inputs(count);
    const { events } = inputs;
    const { rows, readback } = this.driver.submit(first, inputs, events, encode);
    const { dispatches, macs } = this.driver.work(events);
    this.#dispatches += dispatches;
    this.#macs += macs;
    return { first, count, readback, rows, events };
  }

  /**
   * Waits for a chunk.
   *
   * @throws NonFiniteError when the loss of one of its steps, or of one before, was not finite;
   *   DeviceLostError, OutOfMemoryError.
   */
  async results({ first, readback, rows, events }: Chunk): Promise<StepResults> {
    const { losses, correct, failed } = await readback.read();
    // A chunk behind the one that failed did nothing: it tells the same story again.
    if (this.#failure) throw this.#failure;
    if (failed !== undefined) {
      const tensor = await this.driver.explain(failed, rows);
      this.#failure = new NonFiniteError(this.options.rule.name, first + failed, tensor ?? 'loss.loss');
      throw this.#failure;
    }
    return { first, losses, correct, measured: events.map((set) => this.driver.measures(set)) };
  }

  /**
   * Runs a step, or of a wave as many as it takes until all layers are at work, and compares all that each dispatch of
   * one writes with its float64 twin. They are steps like any other: the next one goes on from them.
   */
  check(): Promise<CheckReport> {
    const first = this.#submitted;
    return this.driver.check(first, this.#inputs(this.driver.checkSteps, true));
  }

  /** Releases the plan, the models, and the network if it is the trainer's own. */
  destroy(): void {
    this.driver.destroy();
    if (this.#ownsNet) this.net.destroy();
    for (const model of this.models) {
      for (const { value, gradient } of model.parameters) {
        for (const tensor of [value, gradient]) this.gpu.release(tensor.buffer);
      }
      model.destroy?.();
    }
  }
}
