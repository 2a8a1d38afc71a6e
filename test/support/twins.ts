import { adamCorrection } from '../../src/reference/adam.ts';
import type { StepConstants } from '../../src/reference/network.ts';
import { LINEAR, type PredictorSizes } from '../../src/reference/step-models.ts';
import * as twins from '../../src/reference/step-rules.ts';
import type { UpdateSize } from '../../src/reference/step-update.ts';
import { rules } from '../../src/train/rules.ts';
import type { TrainOptions } from '../../src/train/trainer.ts';
import { Random } from './kernel.ts';
import { constantsAt } from './steps.ts';

/** The options of a run that its twin must know of. */
export type RunOptions = Partial<Omit<TrainOptions, 'rule'>> &
  Pick<TrainOptions, 'layers' | 'hidden' | 'batchSize' | 'learningRate' | 'seed'>;

/** What goes with layer i's update (layers counted from 1), by its name in the twin. */
const below = (i: number): string[] => (i > 1 ? [`sg${i - 1}`] : []);

interface RuleTwin {
  /** Predictors, where the options say nothing else. */
  readonly predictor?: (options: RunOptions) => PredictorSizes;
  readonly step: (shape: PredictorSizes, options: RunOptions) => twins.StepTwin;
  readonly models?: (i: number, layers: number) => string[];
  readonly updates?: (i: number, layers: number) => boolean;
  readonly delay?: (i: number, layers: number) => number;
}

const synthetic = (predictor: (options: RunOptions) => PredictorSizes): RuleTwin => ({
  predictor,
  step: (shape, { lambda = 0 }) =>
    lambda > 0 ? twins.mixedStep(shape, Math.fround(lambda)) : twins.syntheticStep(shape),
  models: below,
});

/** The twin of every rule. What a rule trains, and when, is written down here once more, apart from src/train. */
const RULES: Readonly<Record<string, RuleTwin>> = {
  bp: { step: () => twins.bpStep },
  dni: synthetic(() => ({ hidden: 2, width: 1024, labels: false, output: 'linear' })),
  cdni: synthetic(() => LINEAR),
  bisong: synthetic(({ layers, hidden }) => ({ ...LINEAR, hidden: layers - 1, width: hidden })),
  unlocked: {
    predictor: () => LINEAR,
    step: (shape) => twins.unlockedStep(shape),
    models: (i, layers) => [...below(i), ...(i < layers ? [`input${i}`] : [])],
  },
  'no-bp': { step: () => twins.noBpStep, updates: (i, layers) => i === layers },
  dgl: { step: () => twins.dglStep, models: (i, layers) => (i < layers ? [`head${i}`] : []) },
  dfa: { step: () => twins.dfaStep },
  fa: { step: () => twins.faStep },
  'delayed-bp': { step: () => twins.delayedStep, delay: (i, layers) => 2 * (layers - i) },
};

/** A rule by its name. */
export function ruleNamed(name: string): TrainOptions['rule'] {
  const rule = rules.get(name);
  if (rule === undefined) throw new Error(`there is no rule ${name}`);
  return rule;
}

/** The twin of a rule's step with the options of a run. */
export function stepTwin(name: string, options: RunOptions): twins.StepTwin {
  const { predictor, step } = RULES[name]!;
  const given = Object.entries(options.synthetic ?? {}).filter(([, value]) => value !== undefined);
  return step({ ...(predictor?.(options) ?? LINEAR), ...Object.fromEntries(given) }, options);
}

/** The constants of one step after the other: which layers and models are updated, and by how much. */
export class TwinSchedule {
  readonly #rule: RuleTwin;
  readonly #options: RunOptions;
  readonly #draws: Random;
  readonly #times = new Map<string, number>();
  /** Steps before a model's first update, where it learns late. */
  readonly #late: number;
  #step = 0;

  constructor(name: string, options: RunOptions, late = 0) {
    this.#late = late;
    this.#rule = RULES[name]!;
    this.#options = options;
    this.#draws = new Random(options.seed).fork('updates');
  }

  next(): StepConstants {
    const { learningRate, sgLearningRate = learningRate, batchSize, layers } = this.#options;
    const { optimizer = 'adam', updateProbability: p = 1, sgWarmup = 0 } = this.#options;
    const updates = new Map<string, UpdateSize>();
    const add = (name: string, rate: number) => {
      const t = (this.#times.get(name) ?? 0) + 1;
      this.#times.set(name, t);
      const adam = adamCorrection(rate, t, { beta1: 0.9, beta2: 0.999, eps: 1e-8 });
      const stepSize = Math.fround(optimizer === 'adam' ? adam.stepSize : rate);
      updates.set(name, { stepSize, epsHat: Math.fround(adam.epsHat) });
    };
    const t = this.#step++;
    for (let i = 1; i <= layers; i++) {
      const drawn = p === 1 || this.#draws.uniform() < p;
      if (!drawn || t < (this.#rule.delay?.(i, layers) ?? 0)) continue;
      if (t >= this.#late)
        for (const model of this.#rule.models?.(i, layers) ?? []) add(model, sgLearningRate);
      if (this.#rule.updates?.(i, layers) === false) continue;
      if (i === layers || t >= sgWarmup) add(`layer${i}`, learningRate);
    }
    return { ...constantsAt(t, learningRate, batchSize), optimizer, updates };
  }
}
