import type { LayerParams } from '../../kernels/fused.ts';
import { type Conventions, PYTORCH } from '../../nn/conventions.ts';
import type { FusedLayout } from '../../reference/fused/layout.ts';
import { ADAM } from '../optimizer.ts';

/** What a dispatch does beside its roles. */
export interface Extras {
  /** FORWARD merges the statistics of the layer below: `keep` also stores them. */
  readonly merge?: 'keep' | 'only';
  /** PULL makes the gradient that the layer below learns from; otherwise its predictor's error. */
  readonly masks?: boolean;
  /** The clock that is read, and the one that is set: to the same tick, or to the next. */
  readonly clock: 0 | 1;
  readonly sets?: { readonly clock: 0 | 1; readonly advance: 0 | 1 };
  /** The losses of the tiles are added up. */
  readonly sumsLoss?: boolean;
}

/** How a schedule goes through time. */
export interface Timing {
  /** Ticks from a layer to the one above. */
  readonly stagger: 0 | 1;
  readonly lagPredict: number;
  readonly lagGrad: number;
  readonly lagTeach: number;
  readonly zSlots: number;
  readonly slots: number;
  readonly wSlots: number;
  readonly vSlots: number;
  /** Ticks that a gradient takes from a layer to the one below, and back up as weights; 0 where it does not travel. */
  readonly back: 0 | 2;
  /** Ticks from a layer's product to the dispatch that normalises it. */
  readonly lagMerge: 0 | 1;
  /** Ticks until the last layer has done the first batch's last work. */
  readonly drain: number;
}

/** Params that all dispatches of a schedule share, with no role yet. */
export function baseParams(
  { sizes, weights, moments, memory, table }: FusedLayout,
  timing: Timing,
  { bnEps, bnMomentum }: Conventions = PYTORCH,
): Record<LayerParams, number> {
  const { B, I, F, C, H, U, capacity, lead, tiles, sumTiles } = sizes;
  return {
    ...{ B, I, F, C, H, U, words: 0, capacity, lead, tiles, sum_tiles: sumTiles },
    ...{ scale: 1, eps: bnEps, momentum: bnMomentum, beta1: ADAM.beta1, beta2: ADAM.beta2 },
    ...{ stagger: timing.stagger, z_slots: timing.zSlots, slots: timing.slots },
    ...{ w_slots: timing.wSlots, v_slots: timing.vSlots },
    ...{
      lag_predict: timing.lagPredict,
      lag_grad: timing.lagGrad,
      lag_teach: timing.lagTeach,
      back: timing.back,
      lag_merge: timing.lagMerge,
    },
    ...{ merges: 0, masks: 0, clock: 0, next: 0, advance: 0, loss_tiles: 0 },
    ...{
      forward_from: 0,
      forward_layers: 0,
      teach_from: 0,
      teach_layers: 0,
      predict_from: 0,
      predict_layers: 0,
    },
    ...{ grad_from: 0, grad_layers: 0, pull_from: 0, pull_layers: 0 },
    ...{ at_affine: weights.affine, w_size: weights.version, at_running: weights.running },
    ...{
      at_models: weights.models,
      v_size: weights.modelsVersion,
      at_v: moments.v,
      at_updates: table.updates,
    },
    ...{ at_norm: memory.norm, at_stats: memory.stats, at_dn: memory.dn, at_sums: memory.sums },
    ...{ at_sg: memory.sg, at_err: memory.err, at_logits: memory.logits, at_dlogits: memory.dlogits },
    at_loss: memory.loss,
  };
}

/** What a dispatch does beside its roles, as params. */
export function extraParams({ merge, masks, clock, sets, sumsLoss }: Extras, lossTiles: number) {
  return {
    merges: merge === 'keep' ? 1 : merge === 'only' ? 2 : 0,
    masks: masks ? 1 : 0,
    clock,
    next: sets?.clock ?? clock,
    advance: sets?.advance ?? 0,
    loss_tiles: sumsLoss ? lossTiles : 0,
  };
}

/** The top hidden layer's part of the arena. */
export function topParams(
  { sizes, weights, memory, ...layout }: FusedLayout,
  { bnEps, bnMomentum }: Conventions = PYTORCH,
) {
  const { B, F, C, H, lead, capacity, tiles, sumTiles } = sizes;
  return {
    ...{
      B,
      F,
      C,
      lead,
      capacity,
      tiles,
      clock: 0,
      next: 1,
      eps: bnEps,
      momentum: bnMomentum,
    },
    w: layout.weightsOf(H + 1).at,
    affine: layout.affineOf(H).at,
    running: layout.runningOf(H).at,
    z: (H - 1) * B * F,
    norm: memory.norm + (H - 1) * 4 * F,
    stats: memory.stats + (H - 1) * tiles * 2 * F,
    dn: memory.dn + (H - 1) * B * F,
    sums: memory.sums + (H - 1) * sumTiles * 2 * F,
    dlogits: memory.dlogits,
    loss: memory.loss,
  };
}
