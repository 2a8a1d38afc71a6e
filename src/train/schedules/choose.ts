import type { ResidentSamples } from '../../data/resident.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import { ceilDiv } from '../../gpu/kernel.ts';
import { PYTORCH } from '../../nn/conventions.ts';
import type { MlpShape } from '../../nn/mlp.ts';
import { SyntheticGradient } from '../../nn/synthetic-gradient.ts';
import { type FusedSizes, layoutOf, wholeQuads } from '../../reference/fused/layout.ts';
import { classRowOf } from '../../reference/fused/work.ts';
import type { LearningRule, SideModel } from '../rule.ts';
import { labelContext } from '../synthetic.ts';
import type { TrainOptions } from '../trainer.ts';
import type { ScheduleName } from './driver.ts';
import { formFor, formsRefuse } from './forms.ts';
import { fusedBackprop, fusedSynthetic } from './fused.ts';
import type { PackedSchedule } from './packed.ts';
import { delayedWave, wave, waveOfOne } from './wave.ts';

/** A schedule for a run. */
export interface Choice {
  readonly schedule: ScheduleName;
  /** What records it; none of the layered one. */
  readonly packed?: PackedSchedule;
  /** Why it is not the one that was asked for. */
  readonly because?: string;
}

/** What a choice depends on. */
export interface ChoiceOf {
  readonly gpu: Gpu;
  readonly options: TrainOptions;
  readonly shape: MlpShape;
  readonly data: ResidentSamples;
  readonly models: readonly SideModel[];
  /** Steps that one upload may hold. */
  readonly capacity: number;
}

/** The schedules that a rule has beside the layered one, fastest last. */
function packedOf(rule: LearningRule, stages: 1 | 3): Partial<Record<ScheduleName, PackedSchedule>> {
  if (rule.name === 'bp') return { fused: fusedBackprop };
  if (rule.name === 'delayed-bp') return { wave: delayedWave };
  if (rule.heeds.synthetic) return { fused: fusedSynthetic, wave: stages === 1 ? waveOfOne : wave };
  return {};
}

/** Whether a rule has a wave. */
export const hasWave = (rule: LearningRule): boolean => packedOf(rule, 3).wave !== undefined;

/** What keeps a run from fused kernels, if anything does. */
function refusal(
  { gpu, options, shape, data, models, capacity }: ChoiceOf,
  packed: PackedSchedule,
): string | undefined {
  const { rule, batchSize, updateProbability = 1, lambda = 0, sgWarmup = 0, optimizer = 'adam' } = options;
  if (optimizer !== 'adam') return `they update by adam, not by ${optimizer}`;
  if (updateProbability < 1) return 'they update every layer in every step';
  if (sgWarmup > 0) return 'they have no warm-up';
  if (rule.delay && options.delay === 'pipedream') return "their wave has pipelined backpropagation's delay";
  if (lambda > 0) return 'they do not mix the true gradient in';
  const { bnMode, bnBias } = { ...PYTORCH, ...options.conventions };
  if (bnMode === 'frozen') return "their batch norm takes the batch's own statistics";
  if (bnBias) return 'their hidden layers have no bias before batch norm';
  if (!data.bytes) return 'they read samples that are bytes';
  if (rule.heeds.synthetic) {
    const predictors = models.filter((m) => m instanceof SyntheticGradient);
    if (predictors.length !== models.length || models.length !== shape.layers - 1)
      return 'they know one predictor of gradients for each hidden layer, and no other models';
    if (predictors.some((m) => m.hidden.length > 0 || m.shape.output !== 'linear'))
      return 'their predictors are linear';
    if (rule.context !== labelContext) return 'their predictors are told the label or nothing';
  }
  const { inputs: I, hidden: F, classes: C, layers } = shape;
  const sizes = { B: batchSize, I, F, C, H: layers - 1 };
  return (
    formsRefuse(gpu, sizes, packed.usesTop, options.forms) ??
    arenaRefuses(gpu, { ...sizes, capacity }, packed, rule.heeds.synthetic)
  );
}

/** Why a schedule's buffers do not fit into this device, if they do not. */
function arenaRefuses(
  gpu: Gpu,
  sizes: Pick<FusedSizes, 'B' | 'I' | 'F' | 'C' | 'H' | 'capacity'>,
  { timing }: PackedSchedule,
  models: boolean,
): string | undefined {
  const { B, C, H } = sizes;
  const { lagTeach, back, zSlots, slots, wSlots, vSlots } = timing(H);
  // Statistics come in tiles of 8 rows at least, sums of the top's gradients in tiles of 2.
  const tiles = { tiles: ceilDiv(B, 8), sumTiles: ceilDiv(B, 2) };
  const kept = { lead: Math.max(lagTeach, back * H), zSlots, slots, wSlots, vSlots, back };
  // As in the GPU form, which takes a little more room than the other.
  const padded = { F: wholeQuads(sizes.F), classRow: classRowOf('tiles', C) };
  const layout = layoutOf({ ...sizes, ...padded, ...tiles, ...kept, U: C, models });
  const largest = Math.max(layout.weights.size, layout.moments.size, layout.memory.size, layout.table.size);
  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.limits;
  return 4 * largest > Math.min(maxStorageBufferBindingSize, maxBufferSize)
    ? 'they keep all layers in one buffer, which this device cannot hold'
    : undefined;
}

/** Chooses the schedule asked for or, where the rule has none such or its kernels do not cover the run, the next best. */
export function chooseSchedule(of: ChoiceOf): Choice {
  const { rule, schedule: wish = 'layered', waveStages = 3 } = of.options;
  const asked = wish === 'best' ? 'wave' : wish;
  if (asked === 'layered') return { schedule: 'layered' };
  const packed = packedOf(rule, waveStages);
  const found = asked === 'wave' && packed.wave ? 'wave' : packed.fused ? 'fused' : undefined;
  const layered = { schedule: 'layered' } as const;
  if (!found) return wish === 'best' ? layered : { ...layered, because: `${rule.name} has no fused kernels` };
  const why = refusal(of, packed[found]!);
  if (why) return { ...layered, because: `of the fused kernels: ${why}` };
  const { gpu, shape, options } = of;
  // The form for GPUs, whose barriers a CPU driver pays for with a switch of every lane.
  if (wish === 'best' && gpu.isCpu && formFor(gpu, shape.classes, options.forms) === 'gpu') {
    return {
      ...layered,
      because:
        'without subgroups of 4 or 8 lanes this CPU driver is faster by layered kernels than by fused ones',
    };
  }
  return {
    schedule: found,
    packed: packed[found]!,
    ...(found !== asked &&
      wish !== 'best' && { because: `${rule.name} has no wave: its layers wait for each other` }),
  };
}
