import { exact, type Twin } from '../twin.ts';
import { forward, grad, predict, pull, teach } from './roles.ts';
import { lossWord, meanOf, single, sumOf } from './softmax.ts';
import { type Form, type Job, type LayerBuffer, type LayerParam, put, Work } from './work.ts';

/** The roles by their bit in the shader's ROLES, each with what a layer does in it. */
const ROLES = [
  ['forward', 1, forward],
  ['teach', 2, teach],
  ['predict', 4, predict],
  ['grad', 8, grad],
  ['pull', 16, pull],
] as const;

/** Adds up the loss and the correct count of a step that has left them in tiles, and counts the tick. */
function keepTime(w: Work): void {
  const { p, clock, state } = w;
  if (p.loss_tiles > 0) {
    const tiles = w.was('memory', p.at_loss, 2 * p.loss_tiles);
    const column = (i: number) =>
      exact(Float64Array.from({ length: p.loss_tiles }, (_, t) => tiles[2 * t + i]!));
    put(state, 4 + clock, single(lossWord(meanOf(sumOf(column(0), 0, p.loss_tiles), p.B))));
    state.value[4 + p.capacity + clock] = Math.floor(sumOf(column(1), 0, p.loss_tiles).value);
  }
  if (p.next !== p.clock) state.value[p.next] = clock + p.advance;
}

/** A layer's job in a role at this tick, or none: before the first batch has come to it, and after the last. */
function jobOf(w: Work, role: (typeof ROLES)[number][0], layer: number): Job | undefined {
  const { stagger, lag_predict, lag_grad, lag_teach } = w.p;
  const lag = { forward: 0, teach: 0, predict: lag_predict, grad: lag_grad, pull: lag_grad }[role];
  const tick = w.clock - stagger * (layer - 1) - lag;
  if (tick < 0 || tick >= w.steps) return undefined;
  if (role === 'grad' || role === 'pull') {
    // The batch whose gradient is back by now; it is pulled through the weights that the batch came up through.
    const back = w.wayBack(layer);
    const batch = w.first + tick - back;
    if (batch < 0) return undefined;
    return {
      layer,
      n: tick - back,
      batch,
      version: role === 'grad' ? w.version(layer) : Math.max(0, batch - back),
    };
  }
  if (role !== 'teach') return { layer, n: tick, batch: w.first + tick, version: w.version(layer) };
  // A predictor learns from an earlier batch; before the first there is nothing to learn.
  const version = w.first + tick;
  if (version < lag_teach) return undefined;
  return { layer, n: tick - lag_teach, batch: version - lag_teach, version };
}

const twinOf =
  (form: Form): Twin<LayerParam, LayerBuffer> =>
  (p, before, constants) => {
    const w = new Work(p, before, form, form === 'tiles' ? constants.TILE_M! : p.B, constants.BESSEL);
    if (!w.flag) {
      keepTime(w);
      for (const [role, bit, run] of ROLES) {
        if ((constants.ROLES! & bit) === 0) continue;
        const from = p[`${role}_from`];
        for (let layer = from; layer < from + p[`${role}_layers`]; layer++) {
          const job = jobOf(w, role, layer);
          if (job) run(w, job);
        }
      }
    }
    return { weights: w.weights, moments: w.moments, memory: w.memory, state: w.state };
  };

/** What a dispatch of fused_layers writes: all that was there before, with the parts that its jobs have written. */
export const fusedLayers = twinOf('tiles');

/** The same of fused_layers_cpu. */
export const fusedLayersCpu = twinOf('columns');
