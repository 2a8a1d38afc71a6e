import type { CheckReport } from '../../gpu/check.ts';
import type { CommandEncoder } from '../../gpu/gpu.ts';
import type { Events } from '../../gpu/liveness.ts';
import type { Plan } from '../../gpu/plan.ts';
import type { Tiles } from '../../kernels/tiles.ts';
import type { StepInputs } from '../step-table.ts';

/** How a step is divided into dispatches. */
export const SCHEDULES = ['layered', 'fused', 'wave'] as const;

/** As on `--schedule`: one kernel for each formula, whole layers in a dispatch, or all layers at once. */
export type ScheduleName = (typeof SCHEDULES)[number];

/** What may be asked for: one of them, or the fastest that the rule has. */
export type ScheduleWish = ScheduleName | 'best';

/** By how many steps a schedule is behind the serial order. */
export interface Staleness {
  /** Updates that a layer's weights lack when they are used. */
  readonly gradient: number;
  /** Targets that a predictor lacks when it predicts. */
  readonly target: number;
}

/** What some steps have left to be read. */
export interface StepReadback {
  /** The mean loss and the correct count of each step, and the row of the step that was not finite, if one was. */
  read(): Promise<{
    readonly losses: Float32Array;
    readonly correct: Uint32Array;
    readonly failed: number | undefined;
  }>;
  /** Gives the memory back without waiting. */
  cancel(): void;
}

/** A way to record the turns of a plan, each with its events. */
export type Encode = (encoder: CommandEncoder, turns: readonly Events[]) => void;

/** Runs the steps of a learning rule, recorded in one schedule or another. */
export interface StepDriver {
  /** What one turn of the loop runs; of a wave, a tick in which each layer is at another batch. */
  readonly plan: Plan;
  /** Constants that fused kernels were given or that their table has for these sizes, if either. */
  readonly tiles?: Tiles | undefined;
  /** What is late, where something is. */
  readonly staleness?: Staleness | undefined;
  /** Steps of an upload, where the results depend on how steps are cut into uploads. */
  readonly uploadSteps?: number | undefined;
  /** Steps that an upload should have at least: what it takes to begin and to end it is little beside so many. */
  readonly leastSteps?: number | undefined;
  /** The events that update something. */
  readonly events: readonly number[];
  /** Turns of the plan that so many steps take, submitted together. */
  turns(steps: number): number;
  /** Uploads the inputs of the steps from `first` on, one for each set of events, and submits them all. */
  submit(
    first: number,
    inputs: StepInputs,
    events: readonly Events[],
    encode?: Encode,
  ): { rows: Uint32Array; readback: StepReadback };
  /** Dispatches and multiply-adds of steps with these events, submitted together. */
  work(events: readonly Events[]): { readonly dispatches: number; readonly macs: number };
  /** Whether a step with these events measures its loss. */
  measures(events: Events): boolean;
  /** Steps that a check takes. */
  readonly checkSteps: number;
  /**
   * Runs as many steps, and of one turn of the plan each dispatch by itself, and compares all that it writes with its
   * float64 twin.
   */
  check(first: number, inputs: StepInputs): Promise<CheckReport>;
  /** The label of the first tensor of the step that failed, the `row`-th of an upload, that is not finite. */
  explain(row: number, rows: Uint32Array): Promise<string | undefined>;
  destroy(): void;
}
