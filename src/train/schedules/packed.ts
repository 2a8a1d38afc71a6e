import type { CheckReport } from '../../gpu/check.ts';
import { ALL_EVENTS, type Events } from '../../gpu/liveness.ts';
import { Plan } from '../../gpu/plan.ts';
import { ReadbackPool } from '../../gpu/readback.ts';
import { fusedTop } from '../../kernels/fused.ts';
import { ROLE, type Role } from '../../kernels/fused-jobs.ts';
import { kindOf, type Tiles, tilesFor } from '../../kernels/tiles.ts';
import { SyntheticGradient } from '../../nn/synthetic-gradient.ts';
import { type FusedSizes, layoutOf } from '../../reference/fused/layout.ts';
import type { Tensor } from '../../tensor.ts';
import { layerEvent, modelEvent } from '../events.ts';
import type { StepInputs } from '../step-table.ts';
import { Arena } from './arena.ts';
import type { Encode, Staleness, StepDriver, StepReadback } from './driver.ts';
import { firstNonFiniteOf } from './explain.ts';
import { type FormName, formsFor } from './forms.ts';
import type { StepParts } from './layered.ts';
import { baseParams, type Extras, extraParams, type Timing, topParams } from './params.ts';

/** Layers of each role that a dispatch does, first and last; the output layer is H + 1. */
export type Spans = { readonly [R in Role]?: readonly [first: number, last: number] };

/** Records a schedule's dispatches. */
export interface Recorder {
  readonly H: number;
  /** One dispatch of the layers' kernel. */
  layers(label: string, spans: Spans, extras: Extras): void;
  /** One dispatch of the top's kernel: reads clock 0, sets clock 1. */
  top(label: string): void;
}

/** A schedule of the fused kernels. */
export interface PackedSchedule {
  /** As the table of tiles knows it. */
  readonly name: string;
  readonly timing: (H: number) => Timing;
  /** Ticks that the recorded plan does. */
  readonly ticks: number;
  /** Whether layers that have been held up by their lags catch up at the end of an upload. */
  readonly catchesUp?: boolean;
  /** Whether it has the top's kernel, whose tiles may be smaller. */
  readonly usesTop: boolean;
  record(recorder: Recorder): void;
}

/** A dispatch's roles and their layers, those without any left out. */
const rolesOf = (spans: Spans): (readonly [Role, readonly [first: number, last: number]])[] =>
  (Object.entries(spans) as [Role, readonly [number, number]][]).filter(([, [first, last]]) => first <= last);

const bitsOf = (spans: Spans): number => rolesOf(spans).reduce((bits, [role]) => bits | ROLE[role], 0);

/** Steps by fused kernels, which work on an arena of a few large buffers. */
export class PackedDriver implements StepDriver {
  readonly plan: Plan;
  readonly events: readonly number[];
  readonly arena: Arena;
  readonly tiles: Tiles | undefined;
  readonly #pool: ReadbackPool;
  readonly #schedule: PackedSchedule;
  readonly #timing: Timing;
  readonly #parts: StepParts;

  constructor(parts: StepParts, schedule: PackedSchedule, wanted?: FormName) {
    const { gpu, net, models, data, batchSize, capacity, rule } = parts;
    const { inputs: I, hidden: F, classes: C, layers } = net.shape;
    const H = layers - 1;
    const timing = schedule.timing(H);
    this.#timing = timing;
    const predictors = models.filter((m) => m instanceof SyntheticGradient);
    const tiles =
      parts.tiles ?? tilesFor(gpu.info, { schedule: schedule.name, layers, batch: batchSize, hidden: F });
    this.tiles = tiles;
    const forms = formsFor(gpu, { B: batchSize, I, F, C, H }, schedule.usesTop, wanted, tiles);
    const sizes: FusedSizes = {
      B: batchSize,
      I,
      F: forms.hidden,
      C,
      classRow: forms.classRow,
      H,
      U: predictors[0]?.labelRows ? C : 0,
      capacity,
      lead: Math.max(predictors.length > 0 ? timing.lagTeach : 0, timing.back * H),
      zSlots: timing.zSlots,
      slots: timing.slots,
      wSlots: timing.wSlots,
      vSlots: timing.vSlots,
      back: timing.back,
      tiles: forms.tiles,
      sumTiles: forms.sumTiles,
      models: predictors.length > 0,
    };
    const layout = layoutOf(sizes);
    this.#parts = parts;
    this.#schedule = schedule;
    this.arena = new Arena(gpu, layout, net, predictors);
    this.plan = new Plan(gpu, rule.name);
    this.events = [
      ...Array.from({ length: layers }, (_, i) => layerEvent(i)),
      ...predictors.map((_, i) => modelEvent(i)),
    ];
    const pixels = data.bytes;
    if (!pixels) throw new Error('fused kernels read samples that are bytes');
    const tensors = { ...this.#tensors(), pixels, labels: data.labels };
    const base = {
      ...baseParams(layout, timing, net.conventions),
      words: Math.ceil(I / 4),
      scale: data.scale,
    };
    const bessel = net.conventions.bnVariance === 'biased' ? { BESSEL: 0 } : {};
    const all: number[] = [];
    schedule.record({ H, layers: (_, spans) => all.push(bitsOf(spans)), top: () => {} });
    schedule.record({
      H,
      layers: (label, spans, extras) => {
        const params = { ...base, ...extraParams(extras, sizes.sumTiles) };
        for (const [role, [first, last]] of rolesOf(spans)) {
          params[`${role}_from`] = first;
          params[`${role}_layers`] = last - first + 1;
        }
        this.plan.dispatch(forms.layers, {
          label,
          params,
          tensors,
          constants: {
            ...forms.layerConstants(kindOf(spans)),
            ...bessel,
            ROLES: forms.rolesFor(bitsOf(spans), all),
          },
          role: 'always',
        });
      },
      top: (label) => {
        const { pixels: _, moments: __, ...bound } = tensors;
        const params = topParams(layout, net.conventions);
        // Of the two forms only the one for GPUs makes statistics here.
        const constants = { ...forms.topConstants, ...(forms.top === fusedTop && bessel) };
        this.plan.dispatch(forms.top, { label, params, tensors: bound, constants, role: 'always' });
      },
    });
    this.#pool = new ReadbackPool(gpu, rule.name, [this.arena.state]);
  }

  #tensors(): Record<'table' | 'weights' | 'moments' | 'memory' | 'state', Tensor> {
    const { table, weights, moments, memory, state } = this.arena;
    return { table, weights, moments, memory, state };
  }

  /** Inputs whose rows are in the units of the predictors' parameters, which are the same for all of one predictor. */
  #inUnits(inputs: StepInputs): StepInputs {
    const { models } = this.#parts;
    const update: StepInputs['update'] = (event, i) => {
      const row = inputs.update(event, i);
      const scaled = models[event - modelEvent(0)]?.parameters[0]?.scaled;
      if (event < modelEvent(0) || !scaled) return row;
      return { stepSize: row.stepSize * scaled.step, epsHat: row.epsHat / scaled.gradient };
    };
    return { ...inputs, update };
  }

  get staleness(): Staleness | undefined {
    const { stagger, lagGrad, lagTeach } = this.#timing;
    // What delayed backprop has late is its own, and the same in every schedule.
    return stagger === 0 || lagTeach === 0 ? undefined : { gradient: lagGrad, target: lagTeach - 1 };
  }

  get uploadSteps(): number | undefined {
    return this.#schedule.catchesUp ? this.arena.layout.sizes.capacity : undefined;
  }

  /** So that a step of a wave has a quarter more ticks at most than one. */
  get leastSteps(): number {
    return 4 * this.#timing.drain;
  }

  turns(steps: number): number {
    return Math.ceil((steps + this.#timing.drain) / this.#schedule.ticks);
  }

  submit(
    first: number,
    inputs: StepInputs,
    events: readonly Events[],
    encode: Encode = (encoder, turns) => this.plan.encode(encoder, turns),
  ): { rows: Uint32Array; readback: StepReadback } {
    const count = events.length;
    const rows = this.arena.fill(first, count, this.#inUnits(inputs), this.events);
    const pending = this.#parts.gpu.submit(this.plan.label, (encoder) => {
      encode(encoder, new Array<Events>(this.turns(count)).fill(ALL_EVENTS));
      this.arena.store(encoder, first + count);
      return this.#pool.copy(encoder);
    });
    const { losses, correct } = this.arena.layout.state;
    const readback = {
      read: async () => {
        const [words] = await pending.read();
        const state = new Uint32Array(words!);
        return {
          losses: new Float32Array(words!, 4 * losses, count).slice(),
          correct: state.slice(correct, correct + count),
          failed: state[2] === 0 ? undefined : this.#failedRow(state[0]!),
        };
      },
      cancel: () => pending.cancel(),
    };
    return { rows, readback };
  }

  /** The batch at the top when the clock stopped, which is the oldest one under way. */
  #failedRow(tick: number): number {
    const { H } = this.arena.layout.sizes;
    return Math.max(0, tick - this.#timing.stagger * H);
  }

  work(events: readonly Events[]): { dispatches: number; macs: number } {
    const { dispatches, macs } = this.plan.workOf(ALL_EVENTS);
    const { ticks } = this.#schedule;
    return { dispatches: dispatches * this.turns(events.length), macs: (macs / ticks) * events.length };
  }

  measures(): boolean {
    return true;
  }

  /** Until all layers are at work at a time, each on a batch of its own. */
  get checkSteps(): number {
    const { ticks } = this.#schedule;
    return Math.ceil((this.#timing.drain + 1) / ticks) * ticks;
  }

  async check(first: number, inputs: StepInputs): Promise<CheckReport> {
    const { gpu } = this.#parts;
    const count = this.checkSteps;
    const before = Math.floor(this.#timing.drain / this.#schedule.ticks);
    this.arena.fill(first, count, this.#inUnits(inputs), this.events);
    await this.plan.ready();
    if (before > 0) this.plan.submit(before);
    const report = await this.plan.encodeChecked();
    gpu.submit(this.plan.label, (encoder) => {
      const rest = this.turns(count) - before - 1;
      if (rest > 0) this.plan.encode(encoder, rest);
      this.arena.store(encoder, first + count);
    });
    return report;
  }

  async explain(): Promise<string | undefined> {
    // Nothing moves while the flag is up, so that the step that failed lies there as it was.
    await this.#parts.gpu.idle();
    return firstNonFiniteOf(this.#parts.gpu, this.arena);
  }

  destroy(): void {
    this.plan.destroy();
    this.arena.destroy();
    this.#pool.destroy();
  }
}
