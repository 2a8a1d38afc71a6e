import type { PackedSchedule } from './packed.ts';
import type { Timing } from './params.ts';

/** Every dispatch of a step works on the same batch. */
const STEP: Timing = {
  stagger: 0,
  lagPredict: 0,
  lagGrad: 0,
  lagTeach: 0,
  zSlots: 1,
  slots: 1,
  wSlots: 1,
  vSlots: 1,
  back: 0,
  lagMerge: 0,
  drain: 0,
};

/**
 * Backpropagation in 2 H + 1 dispatches for H hidden layers, the fewest that exact batch norm allows to
 * kernels that work in tiles: between two of them lies a dependency of every number on every sample.
 */
export const fusedBackprop: PackedSchedule = {
  name: 'bp fused',
  timing: () => STEP,
  ticks: 1,
  usesTop: true,
  record({ H, layers, top }) {
    // Up: the statistics that a layer leaves in tiles are merged by the layer above while it loads.
    for (let l = 1; l <= H; l++)
      layers(`layer${l}.forward`, { forward: [l, l] }, { clock: 0, merge: 'keep' });
    top('top.loss');
    // Down: beside each layer's pull-back the layer above is updated, whose weights nobody reads any more.
    for (let l = H; l >= 2; l--) {
      layers(`layer${l}.backward`, { grad: [l + 1, l + 1], pull: [l, l] }, { clock: 1, masks: true });
    }
    const last = { clock: 1, sets: { clock: 0, advance: 1 }, sumsLoss: true } as const;
    layers('layer1.backward', { grad: [1, 2] }, last);
  },
};

/**
 * Synthetic gradients in the serial order of the paper, layer after layer, in 2 H + 4 dispatches: what fusing alone
 * buys, without the wave.
 */
export const fusedSynthetic: PackedSchedule = {
  name: 'sg fused',
  // A layer's weights are read by its pull-back while they are updated, so there are two versions.
  timing: () => ({ ...STEP, wSlots: 2 }),
  ticks: 1,
  usesTop: false,
  record({ H, layers }) {
    const out = H + 1;
    for (let l = 1; l <= out; l++) {
      // The layer below has its synthetic gradient: it is updated, and sends its target down, beside this one's forward.
      const below = [l - 1, l - 1] as const;
      layers(
        l === 1 ? 'layer1.forward' : `layer${l}.forward`,
        { forward: [l, l], ...(l > 1 && { grad: below }), ...(l > 2 && { pull: below }) },
        { clock: 0 },
      );
      layers(
        l === out ? 'top.loss' : `sg${l}.predict`,
        { predict: [l, l], ...(l > 2 && { teach: [l - 2, l - 2] as const }) },
        { clock: 0, ...(l === out && { sets: { clock: 1, advance: 0 } as const }) },
      );
    }
    layers(`layer${out}.backward`, { grad: [out, out], pull: [out, out] }, { clock: 1 });
    const last = { clock: 1, sets: { clock: 0, advance: 1 } } as const;
    layers(`sg${H}.teach`, { teach: [H, H] }, last);
  },
};
