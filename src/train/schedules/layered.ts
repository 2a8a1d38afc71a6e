import type { ResidentSamples } from '../../data/resident.ts';
import type { CheckReport } from '../../gpu/check.ts';
import { firstNonFinite } from '../../gpu/finite.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import type { Events } from '../../gpu/liveness.ts';
import { Plan } from '../../gpu/plan.ts';
import { ReadbackPool } from '../../gpu/readback.ts';
import type { Tiles } from '../../kernels/tiles.ts';
import type { Mlp } from '../../nn/mlp.ts';
import { LOSS_LABEL, recordAdvance } from '../loss.ts';
import { Optimizer, type OptimizerName } from '../optimizer.ts';
import type { LearningRule, RuleOptions, SideModel } from '../rule.ts';
import { type StepInputs, StepTable } from '../step-table.ts';
import type { Encode, StepDriver, StepReadback } from './driver.ts';

/** What a step is recorded on. */
export interface StepParts {
  readonly gpu: Gpu;
  readonly rule: LearningRule;
  readonly net: Mlp;
  readonly models: readonly SideModel[];
  readonly data: ResidentSamples;
  readonly batchSize: number;
  readonly optimizer: OptimizerName;
  readonly options: RuleOptions;
  /** Steps that one upload may hold. */
  readonly capacity: number;
  /** Constants of fused kernels, if others than the table's. */
  readonly tiles?: Tiles | undefined;
}

/** A step of one kernel for each formula: what one studies, checks and profiles. Every rule has it. */
export class LayeredDriver implements StepDriver {
  readonly plan: Plan;
  readonly checkSteps = 1;
  readonly table: StepTable;
  readonly #pool: ReadbackPool;
  readonly #parts: StepParts;

  constructor(parts: StepParts) {
    const { gpu, rule, net, models, data, batchSize, capacity, options } = parts;
    this.#parts = parts;
    this.table = new StepTable(gpu, capacity, batchSize);
    this.plan = new Plan(gpu, rule.name);
    const batch = data.gather(this.plan, batchSize, this.table);
    const optimizer = new Optimizer(parts.optimizer, this.table);
    rule.record({ plan: this.plan, net, batch, optimizer, metrics: this.table, models, options });
    recordAdvance(this.plan, this.table);
    const { losses, correct, flag, step } = this.table;
    this.#pool = new ReadbackPool(gpu, rule.name, [losses, correct, flag, step]);
  }

  get events(): readonly number[] {
    return this.table.events;
  }

  turns(steps: number): number {
    return steps;
  }

  submit(
    _: number,
    inputs: StepInputs,
    events: readonly Events[],
    encode: Encode = (encoder, turns) => this.plan.encode(encoder, turns),
  ): { rows: Uint32Array; readback: StepReadback } {
    const rows = this.table.fill(events.length, inputs);
    const pending = this.#parts.gpu.submit(this.plan.label, (encoder) => {
      encode(encoder, events);
      return this.#pool.copy(encoder);
    });
    const readback = {
      read: async () => {
        const [losses, correct, flag, step] = await pending.read();
        return {
          losses: new Float32Array(losses!).slice(0, events.length),
          correct: new Uint32Array(correct!).slice(0, events.length),
          failed: new Uint32Array(flag!)[0] === 0 ? undefined : new Uint32Array(step!)[0]!,
        };
      },
      cancel: () => pending.cancel(),
    };
    return { rows, readback };
  }

  work(events: readonly Events[]): { dispatches: number; macs: number } {
    const all = events.map((set) => this.plan.workOf(set));
    return {
      dispatches: all.reduce((sum, { dispatches }) => sum + dispatches, 0),
      macs: all.reduce((sum, { macs }) => sum + macs, 0),
    };
  }

  measures(events: Events): boolean {
    return this.plan.runs(LOSS_LABEL, events);
  }

  async check(_: number, inputs: StepInputs): Promise<CheckReport> {
    this.table.fill(1, inputs);
    await this.plan.ready();
    return this.plan.encodeChecked();
  }

  /** Runs the step once more: the flag keeps the parameters as they are. */
  async explain(row: number, rows: Uint32Array): Promise<string | undefined> {
    const { gpu, net, models, batchSize } = this.#parts;
    await gpu.idle();
    this.table.fill(1, {
      batch: (out) => out.set(rows.subarray(row * batchSize, (row + 1) * batchSize)),
      update: () => ({ stepSize: 0, epsHat: 1 }),
    });
    const held = [...net.parameters, ...models.flatMap((m) => m.parameters)].map((p) => p.value);
    return firstNonFinite(gpu, held, this.plan.dispatches);
  }

  destroy(): void {
    this.plan.destroy();
    this.table.destroy();
    this.#pool.destroy();
  }
}
