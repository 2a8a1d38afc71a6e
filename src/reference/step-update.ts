import { adam } from './adam.ts';
import { momentum, sgd } from './sgd.ts';
import type { Bounded } from './twin.ts';

/** Step size of an update, and what Adam adds to a root. */
export interface UpdateSize {
  readonly stepSize: number;
  readonly epsHat: number;
}

/** The numbers in the formulas of updates. */
export interface UpdateConstants extends UpdateSize {
  /** `adam` by default. */
  readonly optimizer?: 'adam' | 'sgd' | 'momentum';
  /** 1 / batch size. */
  readonly scale: number;
  /** Adam: the decay of the moments. */
  readonly beta1: number;
  readonly beta2: number;
  /** Momentum: how much of the velocity is kept. */
  readonly mu?: number;
  /**
   * The layers (`layer1`) and models (`sg1`) that are updated in this step, each with a step size of its own. All are,
   * by `stepSize` and `epsHat`, if this is left out.
   */
  readonly updates?: ReadonlyMap<string, UpdateSize>;
}

/**
 * One update of a parameter as a part of `what`: the parameter and its moments after it, by label; nothing where `what`
 * is not updated in this step. Moments that are not there yet are zero.
 */
export function update(
  what: string,
  label: string,
  dP: Float64Array,
  before: ReadonlyMap<string, Float64Array>,
  constants: UpdateConstants,
): Readonly<Record<string, Bounded>> {
  const size = constants.updates === undefined ? constants : constants.updates.get(what);
  if (size === undefined) return {};
  const { scale, beta1, beta2, optimizer = 'adam', mu = 0 } = constants;
  const { stepSize, epsHat } = size;
  const p = before.get(label);
  if (p === undefined) throw new Error(`the step has no ${label}`);
  const moment = (name: string) => before.get(`${label}.${name}`) ?? new Float64Array(p.length);
  if (optimizer === 'sgd') return { [label]: sgd(dP, p, { scale, stepSize }) };
  if (optimizer === 'momentum') {
    const after = momentum(dP, p, moment('v'), { scale, mu, stepSize });
    return { [label]: after.p, [`${label}.v`]: after.v };
  }
  const after = adam(dP, p, moment('m'), moment('v'), { scale, beta1, beta2, stepSize, epsHat });
  return { [label]: after.p, [`${label}.m`]: after.m, [`${label}.v`]: after.v };
}
