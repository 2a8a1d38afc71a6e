import { Random } from '../data/random.ts';
import { ALL_EVENTS, type Events } from '../gpu/liveness.ts';
import { PYTORCH } from '../nn/conventions.ts';
import type { MlpShape } from '../nn/mlp.ts';
import type { AdamOptions } from '../reference/adam.ts';
import { eventSet, hasEvent, layerEvent, MOST_LAYERS, modelEvent } from './events.ts';
import { learningRateAt } from './learning-rate.ts';
import { adamOf, type OptimizerName, updateRow } from './optimizer.ts';
import type { UpdateRow } from './step-table.ts';
import type { TrainOptions } from './trainer.ts';

/** What the steps so far have done. */
export interface UpdateCounts {
  readonly steps: number;
  /** Layers updated, over all steps; models beside the network not counted. */
  readonly layerUpdates: number;
  /** Steps in which nothing was updated, and so nothing was run but the counter. */
  readonly idleSteps: number;
}

/** What happens in one step. */
export interface StepEvents {
  readonly events: Events;
  /** The step-table row of an event's update. */
  row(event: number): UpdateRow;
}

const NO_UPDATE: UpdateRow = { stepSize: 0, epsHat: 1 };

/**
 * Decides for every step which layers and models are updated, and with which step size: draws of the update
 * probability, the warm-up of the models, delays, learning-rate drops, and Adam's corrections, which count the updates
 * that each layer has really had.
 */
export class UpdateSchedule {
  /** True when every step does all there is, so that nothing has to be left out. */
  readonly everything: boolean;
  readonly #options: TrainOptions;
  readonly #shape: MlpShape;
  readonly #optimizer: OptimizerName;
  readonly #adam: AdamOptions;
  readonly #updating: readonly number[];
  readonly #draws: Random;
  readonly #times = new Map<number, number>();
  #steps = 0;
  #layerUpdates = 0;
  #idleSteps = 0;

  /** @param updating the events that a step of the rule has when nothing is left out */
  constructor(options: TrainOptions, shape: MlpShape, updating: readonly number[]) {
    this.#options = options;
    this.#shape = shape;
    this.#optimizer = options.optimizer ?? 'adam';
    this.#adam = adamOf({ ...PYTORCH, ...options.conventions });
    this.#updating = updating;
    this.#draws = new Random(options.seed).fork('updates');
    const { rule, updateProbability = 1, sgWarmup = 0 } = options;
    this.everything = updateProbability === 1 && sgWarmup === 0 && rule.delay === undefined;
  }

  get counts(): UpdateCounts {
    return { steps: this.#steps, layerUpdates: this.#layerUpdates, idleSteps: this.#idleSteps };
  }

  /** The events of a step, drawn in the order of the steps. With `all` nothing is left out, whatever the draws say. */
  next(step: number, all = false): StepEvents {
    const drawn = this.#drawn(step);
    const events = all ? eventSet(this.#updating) : drawn;
    const rows = new Map<number, UpdateRow>();
    for (const event of this.#updating) {
      if (!hasEvent(events, event)) continue;
      const t = (this.#times.get(event) ?? 0) + 1;
      this.#times.set(event, t);
      rows.set(event, updateRow(this.#optimizer, this.#learningRate(event, step), t, this.#adam));
      if (event < MOST_LAYERS) this.#layerUpdates++;
    }
    this.#steps++;
    if (rows.size === 0) this.#idleSteps++;
    return { events: this.everything ? ALL_EVENTS : events, row: (event) => rows.get(event) ?? NO_UPDATE };
  }

  #learningRate(event: number, step: number): number {
    const { learningRate, sgLearningRate, lrDrops } = this.#options;
    const base = event < MOST_LAYERS ? learningRate : (sgLearningRate ?? learningRate);
    return learningRateAt(step, base, lrDrops);
  }

  #drawn(step: number): Events {
    const { rule, updateProbability: p = 1, sgWarmup = 0, delay = 'pipelined' } = this.#options;
    const { layers } = this.#shape;
    const happening: number[] = [];
    for (let i = 0; i < layers; i++) {
      // Nothing is drawn where nothing is left to chance.
      const chosen = p === 1 || this.#draws.uniform() < p;
      if (!chosen || step < (rule.delay?.(i, this.#shape, { delay }) ?? 0)) continue;
      for (const model of rule.modelsOf?.(i, this.#shape) ?? []) happening.push(modelEvent(model));
      // While the models warm up, the hidden layers wait for them.
      if (step >= sgWarmup || i === layers - 1) happening.push(layerEvent(i));
    }
    return eventSet(happening.filter((event) => this.#updating.includes(event)));
  }
}
