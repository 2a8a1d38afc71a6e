import type { Plan } from '../gpu/plan.ts';
import { adam } from '../kernels/adam.ts';
import { momentum, sgd } from '../kernels/sgd.ts';
import type { Conventions } from '../nn/conventions.ts';
import type { Parameter } from '../nn/parameter.ts';
import { type AdamOptions, adamCorrection } from '../reference/adam.ts';
import type { StepTable, UpdateRow } from './step-table.ts';

/** As on `--optimizer`. */
export const OPTIMIZERS = ['adam', 'sgd', 'momentum'] as const;

/** The name of an optimizer. */
export type OptimizerName = (typeof OPTIMIZERS)[number];

/** The constants of Kingma and Ba 2015, algorithm 1. */
export const ADAM: AdamOptions = { beta1: 0.9, beta2: 0.999, eps: 1e-8 };

/** Adam's constants with epsilon as the conventions have it. */
export const adamOf = ({
  adamEps,
  adamEpsSize,
}: Pick<Conventions, 'adamEps' | 'adamEpsSize'>): AdamOptions => ({
  ...ADAM,
  eps: adamEpsSize,
  form: adamEps,
});

/** How much of its velocity gradient descent with momentum keeps. */
export const MOMENTUM = 0.9;

/**
 * Updates parameters from the mean gradient of a batch. Gradients arrive as sums over the batch and are divided by its
 * size here. Step sizes come from the step table; moments live as long as the plan.
 */
export class Optimizer {
  readonly name: OptimizerName;
  readonly #table: StepTable;

  constructor(name: OptimizerName, table: StepTable) {
    this.name = name;
    this.#table = table;
  }

  /** Records one update of each parameter from its gradient (or from another tensor), as the effect of an event. */
  update(
    plan: Plan,
    event: number,
    parameters: readonly Parameter[],
    gradientOf: (parameter: Parameter) => Parameter['gradient'] = ({ gradient }) => gradient,
  ): void {
    const { step, flag, batchSize } = this.#table;
    const table = this.#table.updates(event);
    for (const parameter of parameters) {
      const { value: p, scaled = { gradient: 1, step: 1 } } = parameter;
      // The step of sgd and momentum is in proportion to the gradient; Adam's is not.
      const scale = (scaled.gradient * (this.name === 'adam' ? 1 : scaled.step)) / batchSize;
      const n = p.size;
      const dP = gradientOf(parameter);
      const label = `${p.label}.${this.name}`;
      const tensors = { dP, table, step, flag, p };
      const moment = (name: string) => plan.tensor(`${p.label}.${name}`, p.shape);
      if (this.name === 'adam') {
        const { beta1, beta2 } = ADAM;
        const moments = { m: moment('m'), v: moment('v') };
        plan.dispatch(adam, {
          label,
          params: { n, scale, beta1, beta2, rate: scaled.step },
          tensors: { ...tensors, ...moments },
          role: event,
        });
      } else if (this.name === 'momentum') {
        const v = moment('v');
        plan.dispatch(momentum, {
          label,
          params: { n, scale, mu: MOMENTUM },
          tensors: { ...tensors, v },
          role: event,
        });
      } else {
        plan.dispatch(sgd, { label, params: { n, scale }, tensors, role: event });
      }
    }
  }
}

/** The row of a step table for an optimizer's t-th update (counted from 1) at a learning rate. */
export function updateRow(
  optimizer: OptimizerName,
  learningRate: number,
  t: number,
  adamOptions: AdamOptions = ADAM,
): UpdateRow {
  return optimizer === 'adam'
    ? adamCorrection(learningRate, t, adamOptions)
    : { stepSize: learningRate, epsHat: 0 };
}
