import type { PackedSchedule } from './packed.ts';

/**
 * The wave: all layers at once, layer l on the batch that layer l - 1 had one tick before. Three dispatches, whatever the
 * depth. Everything is as in the serial order but for one thing: a predictor's target comes from the layer above, one
 * tick later, so that it has learned from all batches but the last when it predicts.
 */
export const wave: PackedSchedule = {
  name: 'wave',
  timing: (H) => ({
    stagger: 1,
    lagPredict: 0,
    lagGrad: 0,
    lagTeach: 2,
    // Pre-activations are needed by the layer above a tick later, and by the predictor's update two ticks later.
    zSlots: 3,
    slots: 2,
    wSlots: 2,
    vSlots: 1,
    back: 0,
    lagMerge: 0,
    drain: H,
  }),
  ticks: 1,
  usesTop: false,
  record({ H, layers }) {
    const out = H + 1;
    layers('wave.forward', { forward: [1, out], teach: [1, H] }, { clock: 0 });
    layers('wave.predict', { predict: [1, out] }, { clock: 0, sets: { clock: 1, advance: 0 } });
    const last = { clock: 1, sets: { clock: 0, advance: 1 } } as const;
    layers('wave.backward', { grad: [1, out], pull: [2, out] }, last);
  },
};

/**
 * The wave in one dispatch: every stage of every layer on a batch of its own. A layer's weights, and the predictor's,
 * are older when they are used: its gradient comes two batches late, the predictor's target three.
 */
export const waveOfOne: PackedSchedule = {
  name: 'wave of one',
  timing: (H) => ({
    stagger: 1,
    lagPredict: 1,
    lagGrad: 2,
    lagTeach: 4,
    zSlots: 5,
    // At the end of an upload four targets lie there that the next one begins with.
    slots: 4,
    wSlots: 2,
    vSlots: 2,
    back: 0,
    lagMerge: 0,
    drain: H + 2,
  }),
  catchesUp: true,
  // The clock that is read cannot be set in the same dispatch, so two take turns.
  ticks: 2,
  usesTop: false,
  record({ H, layers }) {
    const out = H + 1;
    const all = {
      forward: [1, out],
      teach: [1, H],
      predict: [1, out],
      grad: [1, out],
      pull: [2, out],
    } as const;
    layers('wave.even', all, { clock: 0, merge: 'only', sets: { clock: 1, advance: 1 } });
    layers('wave.odd', all, { clock: 1, merge: 'only', sets: { clock: 0, advance: 1 } });
  },
};

/**
 * Pipelined backprop in the form of the wave, a rival: all layers at once, forward on one batch and backward on an
 * older one, whose gradient is on its way back down. A gradient goes through the weights that its batch came up through,
 * so that as many versions of the weights are kept as batches are under way.
 */
export const delayedWave: PackedSchedule = {
  name: 'delayed wave',
  timing: (H) => ({
    stagger: 1,
    lagPredict: 0,
    lagGrad: 0,
    lagTeach: 0,
    zSlots: 2 * H + 1,
    slots: 2,
    wSlots: 2 * H + 2,
    vSlots: 1,
    back: 2,
    lagMerge: 1,
    drain: H,
  }),
  ticks: 1,
  usesTop: false,
  record({ H, layers }) {
    const out = H + 1;
    const below = { forward: [1, out], grad: [1, H], pull: [2, H] } as const;
    layers('wave.layers', below, { clock: 0, merge: 'keep', masks: true });
    layers('wave.loss', { predict: [out, out] }, { clock: 0, sets: { clock: 1, advance: 0 } });
    const last = { clock: 1, masks: true, sets: { clock: 0, advance: 1 } } as const;
    layers('wave.output', { grad: [out, out], pull: [out, out] }, last);
  },
};
