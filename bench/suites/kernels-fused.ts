import type { Dataset } from '../../src/data/dataset.ts';
import { mnistDataset } from '../../src/data/mnist.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { InputError } from '../../src/errors.ts';
import { keeping } from '../../src/gpu/alone.ts';
import { submitAlone } from '../../src/gpu/check.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { type Dispatch, Plan } from '../../src/gpu/plan.ts';
import type { Constants } from '../../src/gpu/shader.ts';
import { type FusedProduct, type JobParams, productsOf, ROLES } from '../../src/kernels/fused-jobs.ts';
import { stopMidway, turnsOf } from '../../src/train/profile.ts';
import { type FormName, formFor } from '../../src/train/schedules/forms.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { CheckFailedError } from '../paper.ts';
import type { Peaks } from '../peaks.ts';
import { expectChecked, type Rate, rateOf, unlessWrong } from './measured.ts';
import { PAPER, type StepShape, trainOptions, VARIANTS, type Variant } from './step-variants.ts';
import type { Measuring } from './suite.ts';
import { type PlanTime, timePlan } from './timing.ts';

// The fused kernels at the shapes that they have in training. A dispatch of theirs is a list of jobs on one large arena, so
// that its inputs cannot be made up from a few numbers: they are those of a trainer that stands in the middle of its steps.

/** One dispatch of a schedule: what it does, and how fast it did it alone. */
export interface FusedDispatch extends Rate {
  readonly label: string;
  readonly kernel: string;
  /** Its roles and their layers, as the chapters name them: `GRAD 4, PULL 3`. */
  readonly jobs: string;
  /** The products of its layers' jobs; none of fused_top. */
  readonly products: readonly FusedProduct[];
  readonly constants: Constants;
  readonly flops: number;
  readonly bytes: number;
  readonly time: PlanTime;
  /** The largest error of what it wrote in a step of training, in units of its bound. */
  readonly checked: { readonly worst: number };
}

/** A schedule at the network's sizes: every dispatch of it, or why it was left out. */
export type FusedAt = { readonly schedule: string; readonly form: FormName } & (
  | {
      /** Steps of training that the dispatches do together: a plan of the wave of one is two. */
      readonly steps: number;
      readonly layers: number;
      readonly hidden: number;
      readonly batch: number;
      readonly dispatches: readonly FusedDispatch[];
    }
  | { readonly leftOut: string }
);

/** What is measured when there is no hurry, and when there is. */
const FUSED = VARIANTS.filter(({ schedule }) => schedule !== 'layered');
const IN_A_HURRY = new Set(['bp fused', 'cdni wave']);

/** The schedule that both fused kernels are in: measured in the form that the device does not take, too. */
const BOTH_KERNELS = 'bp fused';

/** The network and the batch of the paper. */
const NETWORK: StepShape = { layers: PAPER.layers, batch: PAPER.batch, hidden: PAPER.hidden };

/** What a dispatch does, in a few words. */
export function jobsOf({ params, kernel }: Dispatch, layers: number): string {
  if (!kernel.spec.file.startsWith('fused_layers')) return `logits, loss, gradient of layer ${layers - 1}`;
  return ROLES.flatMap((role) => {
    const [from, count] = [params[`${role}_from`]!, params[`${role}_layers`]!];
    if (count === 0) return [];
    return [`${role.toUpperCase()} ${count === 1 ? from : `${from} to ${from + count - 1}`}`];
  }).join(', ');
}

/**
 * The tick that a dispatch finds on its clock.
 *
 * @throws CheckFailedError where some layer has nothing to do at it, so that it would not be a dispatch as in training
 */
async function busyTick(gpu: Gpu, { label, params, tensors }: Dispatch, when: string): Promise<number> {
  const words = async (name: string) => new Uint32Array(await gpu.read(tensors[name]!.buffer));
  const { clock, stagger = 0, H = 0, lag_predict = 0, lag_grad = 0 } = params;
  const [state, [steps]] = [await words('state'), await words('table')];
  const tick = state[clock!]!;
  // The top layer's first batch, and the bottom layer's last.
  const first = stagger * H + Math.max(lag_predict, lag_grad);
  if (state[2] === 0 && tick >= first && tick < steps!) return tick;
  const why =
    state[2] === 0 ? `stands at tick ${tick}, of ${first} to ${steps! - 1}` : 'is told to do nothing';
  throw new CheckFailedError(`kernels: ${label} ${why} ${when} it is timed`);
}

/**
 * Times one dispatch by replaying it alone. It reads one clock and sets another, or none, so that each replay is of the
 * same tick; parameters that it updates in place move on, which makes no work more or less, and all that it has written is
 * put back. In the end it is run once more, so that the next dispatch finds what it finds in training.
 */
export async function timeInPlace(
  gpu: Gpu,
  dispatch: Dispatch,
  options: { repeats: number; least?: number | undefined },
): Promise<PlanTime> {
  const alone = new Plan(gpu, dispatch.label);
  alone.dispatches.push(dispatch);
  const time = await keeping(gpu, dispatch, async () => {
    const before = await busyTick(gpu, dispatch, 'before');
    const found = await timePlan(gpu, alone, options);
    const after = await busyTick(gpu, dispatch, 'after');
    if (before === after) return found;
    throw new CheckFailedError(
      `kernels: replaying ${dispatch.label} moved its clock from ${before} to ${after}`,
    );
  });
  submitAlone(gpu, dispatch);
  return time;
}

/** What measuring a schedule takes. */
interface FusedBench {
  readonly gpu: Gpu;
  readonly data: ResidentDataset;
  readonly peaks: Peaks;
  readonly repeats: number;
  readonly least?: number | undefined;
}

/** Checks all that each dispatch of a schedule writes in a step of training, then times each alone. */
export async function measureFusedSchedule(
  { gpu, data, peaks, repeats, least }: FusedBench,
  variant: Variant,
  forms: FormName,
  shape: StepShape = NETWORK,
): Promise<FusedAt> {
  const at = { schedule: variant.name, form: forms };
  let trainer: Trainer;
  try {
    trainer = new Trainer(gpu, data, { ...trainOptions(variant, shape), forms });
  } catch (error) {
    // What the device has no memory for.
    if (error instanceof InputError) return { ...at, leftOut: error.message };
    throw error;
  }
  try {
    if (trainer.schedule !== variant.schedule)
      return { ...at, leftOut: trainer.because ?? `it ran as ${trainer.schedule}` };
    await trainer.ready();
    // Until what comes late has come to every layer, and no moment is zero any more.
    await trainer.results(trainer.submit(2 * shape.layers));
    const report = await trainer.check();
    expectChecked(report, `kernels: ${variant.name}`);
    const turns = turnsOf(trainer);
    await stopMidway(trainer, turns);
    const dispatches: FusedDispatch[] = [];
    for (const dispatch of trainer.plan.dispatches) {
      const { label, kernel, params } = dispatch;
      const { spec, constants } = kernel;
      const time = await timeInPlace(gpu, dispatch, { repeats, least });
      const [flops, bytes] = [spec.flops(params), spec.bytes(params)];
      const errors = report.tensors.filter((t) => t.dispatch === label).map(({ worst }) => worst);
      dispatches.push({
        ...{ label, kernel: spec.file, jobs: jobsOf(dispatch, shape.layers) },
        products: spec.file.startsWith('fused_layers') ? productsOf(params as JobParams) : [],
        ...{ constants, flops, bytes, ...rateOf(flops, bytes, time, peaks), time },
        checked: { worst: Math.max(...errors) },
      });
    }
    return { ...at, steps: turns.steps, ...shape, dispatches };
  } finally {
    trainer.destroy();
  }
}

/** For tests: another network, other data, some of the schedules. */
export interface FusedOptions {
  readonly shape?: StepShape;
  readonly dataset?: Dataset;
  readonly variants?: readonly Variant[];
}

/**
 * Checks and times every dispatch of every fused schedule at the network's sizes, in the form that the device takes; on a
 * device that can run both, backpropagation's, which has all the kernels, in the other form as well.
 */
export async function measureFused(
  { gpu, repeats, quick, note, failed, stopped = () => false }: Measuring,
  peaks: Peaks,
  options: FusedOptions = {},
): Promise<FusedAt[]> {
  const { shape = NETWORK, dataset = await mnistDataset() } = options;
  const variants = options.variants ?? FUSED.filter(({ name }) => !quick || IN_A_HURRY.has(name));
  const data = new ResidentDataset(gpu, dataset);
  const bench = { gpu, data, peaks, repeats, least: quick ? 0.002 : undefined };
  const own = formFor(gpu, dataset.classes, undefined);
  const found: FusedAt[] = [];
  const measure = async (variant: Variant, form: FormName): Promise<void> => {
    const at = await unlessWrong(failed, () => measureFusedSchedule(bench, variant, form, shape));
    found.push({ schedule: variant.name, form, ...at });
  };
  try {
    for (const variant of variants) {
      if (stopped()) break;
      await measure(variant, own);
      if (own === 'cpu' && variant.name === BOTH_KERNELS) await measure(variant, 'gpu');
    }
  } finally {
    data.destroy();
  }
  const measured = found.filter((at) => 'dispatches' in at);
  const all = measured.reduce((sum, { dispatches }) => sum + dispatches.length, 0);
  note(
    `kernels: ${all} dispatches of ${measured.length} fused schedules, each checked against its twin first`,
  );
  return found;
}
