import type { Plan } from '../gpu/plan.ts';
import { adam } from '../kernels/adam.ts';
import type { Parameter } from '../nn/parameter.ts';
import type { AdamOptions } from '../reference/adam.ts';
import type { StepTable } from './step-table.ts';

/** The constants of Kingma and Ba 2015, algorithm 1. */
export const ADAM: AdamOptions = { beta1: 0.9, beta2: 0.999, eps: 1e-8 };

/**
 * Adam over the mean gradient of a batch. Gradients arrive as sums over the batch and are divided by its size here.
 * Step size and epsilon of each step come from the step table; the moments live as long as the plan.
 */
export class Adam {
  readonly #table: StepTable;

  constructor(table: StepTable) {
    this.#table = table;
  }

  /** Records one update of each parameter from its gradient. */
  update(plan: Plan, parameters: readonly Parameter[]): void {
    const { adam: table, step, flag, batchSize } = this.#table;
    const { beta1, beta2 } = ADAM;
    for (const { value: p, gradient: dP } of parameters) {
      const m = plan.tensor(`${p.label}.m`, p.shape);
      const v = plan.tensor(`${p.label}.v`, p.shape);
      plan.dispatch(adam, {
        label: `${p.label}.adam`,
        params: { n: p.size, scale: 1 / batchSize, beta1, beta2 },
        tensors: { dP, table, step, flag, p, m, v },
      });
    }
  }
}
