import { ceilDiv, defineKernel, type KernelSpec, type WorkPart } from '../gpu/kernel.ts';
import type { Constants } from '../gpu/shader.ts';
import * as twins from '../reference/fused/layers.ts';
import * as topTwins from '../reference/fused/top.ts';
import { macsOf, productsOf } from './fused-jobs.ts';
import { layersWork, type TopWorkParams, topWork } from './fused-work.ts';

const u32 = 'u32';
const f32 = 'f32';

const layerParams = {
  // The sizes of the network, of its data, and of the upload.
  B: u32,
  I: u32,
  F: u32,
  C: u32,
  H: u32,
  U: u32,
  words: u32,
  capacity: u32,
  scale: f32,
  eps: f32,
  momentum: f32,
  beta1: f32,
  beta2: f32,
  // Which batch a layer and a role work on at a tick, and what is kept of earlier ones.
  stagger: u32,
  lag_predict: u32,
  lag_grad: u32,
  lag_teach: u32,
  lead: u32,
  back: u32,
  lag_merge: u32,
  z_slots: u32,
  slots: u32,
  w_slots: u32,
  v_slots: u32,
  tiles: u32,
  sum_tiles: u32,
  // What this dispatch does beside its roles: FORWARD merges statistics (1: and keeps them), PULL masks.
  merges: u32,
  masks: u32,
  clock: u32,
  next: u32,
  advance: u32,
  loss_tiles: u32,
  // First layer and number of layers of each role.
  forward_from: u32,
  forward_layers: u32,
  teach_from: u32,
  teach_layers: u32,
  predict_from: u32,
  predict_layers: u32,
  grad_from: u32,
  grad_layers: u32,
  pull_from: u32,
  pull_layers: u32,
  // Where things lie: see the layout.
  at_affine: u32,
  w_size: u32,
  at_running: u32,
  at_models: u32,
  v_size: u32,
  at_v: u32,
  at_updates: u32,
  at_norm: u32,
  at_stats: u32,
  at_dn: u32,
  at_sums: u32,
  at_sg: u32,
  at_err: u32,
  at_logits: u32,
  at_dlogits: u32,
  at_loss: u32,
} as const;

/** The params of {@link fusedLayers}. */
export type LayerParams = keyof typeof layerParams;
type P = Readonly<Record<LayerParams, number>>;

/** The cost of a kernel whose work is that of its parts. */
function costOf<Q>(parts: (p: Q) => readonly WorkPart[]) {
  const sum = (p: Q, of: (part: WorkPart) => number) => parts(p).reduce((all, part) => all + of(part), 0);
  return {
    flops: (p: Q) => sum(p, ({ flops }) => flops),
    bytes: (p: Q) => sum(p, ({ bytes }) => bytes),
    parts,
  };
}

const workgroups = (p: P, c: Constants): number =>
  productsOf(p).reduce((sum, { M, N }) => sum + ceilDiv(M, c.TILE_M!) * ceilDiv(N, c.TILE_N!), 0);

/** Whole layers of a training step in one dispatch, for GPUs. */
export const fusedLayers = defineKernel({
  file: 'fused_layers',
  params: layerParams,
  buffers: {
    pixels: 'read',
    labels: 'read',
    table: 'read',
    weights: 'read_write',
    moments: 'read_write',
    memory: 'read_write',
    state: 'read_write',
  },
  grid: (p, c) => [workgroups(p, c), 1],
  ...costOf((p: P) => layersWork(p, 'tiles')),
  macs: macsOf,
  twin: twins.fusedLayers,
});

/**
 * The same for drivers that run on the processor. Where a workgroup needs sums over the batch it has whole columns; the
 * others have blocks of SIDE by SIDE, four rows and four columns for each lane.
 */
export const fusedLayersCpu: typeof fusedLayers = {
  ...fusedLayers,
  file: 'fused_layers_cpu',
  grid: (p, { LANES, PILES }) => {
    const side = 4 * LANES!;
    const jobs = productsOf(p).reduce((sum, { role, layer, M, N }) => {
      const whole =
        role === 'predict' || (role === 'forward' && layer <= p.H) || (role === 'pull' && p.masks === 1);
      return sum + ceilDiv(N, side) * (whole ? 1 : ceilDiv(M, side));
    }, 0);
    return [PILES! * ceilDiv(jobs, PILES!), 1];
  },
  ...costOf((p: P) => layersWork(p, 'columns')),
  twin: twins.fusedLayersCpu,
};

const topParams = {
  B: u32,
  F: u32,
  C: u32,
  lead: u32,
  capacity: u32,
  tiles: u32,
  clock: u32,
  next: u32,
  eps: f32,
  momentum: f32,
  w: u32,
  affine: u32,
  running: u32,
  z: u32,
  norm: u32,
  stats: u32,
  dn: u32,
  sums: u32,
  dlogits: u32,
  loss: u32,
} as const;

type TopParams = keyof typeof topParams;
type TopBuffers = 'labels' | 'table' | 'weights' | 'memory' | 'state';

/** The top of a backpropagation step in one dispatch, for GPUs. */
export const fusedTop: KernelSpec<TopParams, TopBuffers> = defineKernel({
  file: 'fused_top',
  params: topParams,
  buffers: {
    labels: 'read',
    table: 'read',
    weights: 'read_write',
    memory: 'read_write',
    state: 'read_write',
  },
  grid: ({ B }, { ROWS }) => [ceilDiv(B, ROWS!), 1],
  ...costOf((p: TopWorkParams) => topWork(p, 'tiles')),
  macs: ({ B, F, C }) => 2 * B * F * C,
  twin: topTwins.fusedTop,
});

/** The same for drivers that run on the processor: each workgroup has COLUMNS features, and the whole batch. */
export const fusedTopCpu: typeof fusedTop = {
  ...fusedTop,
  file: 'fused_top_cpu',
  grid: ({ F }, { COLUMNS }) => [ceilDiv(F, COLUMNS!), 1],
  ...costOf((p: TopWorkParams) => topWork(p, 'columns')),
  twin: topTwins.fusedTopCpu,
};
