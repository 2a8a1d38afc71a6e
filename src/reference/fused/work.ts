import type { Bounded, Numbers } from '../twin.ts';
import { wholeQuads } from './layout.ts';

/** What the twin of fused_layers reads of its params, by the shader's names. */
export type LayerParam =
  | ('B' | 'I' | 'F' | 'C' | 'H' | 'U' | 'words' | 'capacity' | 'lead')
  | ('scale' | 'eps' | 'momentum' | 'beta1' | 'beta2')
  | ('stagger' | 'lag_predict' | 'lag_grad' | 'lag_teach' | 'back' | 'lag_merge')
  | ('z_slots' | 'slots' | 'w_slots' | 'v_slots' | 'tiles' | 'sum_tiles')
  | ('merges' | 'masks' | 'clock' | 'next' | 'advance' | 'loss_tiles')
  | `${'forward' | 'teach' | 'predict' | 'grad' | 'pull'}_${'from' | 'layers'}`
  | ('at_affine' | 'w_size' | 'at_running' | 'at_models' | 'v_size' | 'at_v' | 'at_updates')
  | (
      | 'at_norm'
      | 'at_stats'
      | 'at_dn'
      | 'at_sums'
      | 'at_sg'
      | 'at_err'
      | 'at_logits'
      | 'at_dlogits'
      | 'at_loss'
    );

export type LayerParams = Readonly<Record<LayerParam, number>>;

export type LayerBuffer = 'pixels' | 'labels' | 'table' | 'weights' | 'moments' | 'memory' | 'state';

/**
 * What FORWARD leaves of its columns' statistics: of each tile of rows the mean and M2, which others merge; or, where a
 * workgroup has whole columns, the batch's mean and rstd. Columns' sums of gradients come in the same tiles.
 */
export type Form = 'tiles' | 'columns';

/** A layer's part in a role. Layers are counted from 1; the output layer is H + 1. */
export interface Job {
  readonly layer: number;
  /** Its batch, counted within the upload. */
  readonly n: number;
  /** The same, and the updates that its weights have had, of all uploads together. */
  readonly batch: number;
  readonly version: number;
}

/** Places `part` into an array, from element `at` on. */
export function put(into: Bounded, at: number, part: Bounded): void {
  into.value.set(part.value, at);
  into.bound.set(part.bound, at);
}

/** Elements of a row of classes: where everything comes in tiles it comes in quads, too. */
export const classRowOf = (form: Form, C: number): number => (form === 'tiles' ? wholeQuads(C) : C);

/** Inputs of a layer. */
export const inputsOf = (p: LayerParams, layer: number): number => (layer === 1 ? p.I : p.F);

/** Where a layer's parts lie, by the shader's names. */
export class Places {
  readonly #p: LayerParams;
  readonly #classRow: number;

  constructor(p: LayerParams, classRow: number) {
    this.#p = p;
    this.#classRow = classRow;
  }

  w(layer: number, version: number): number {
    const { I, F, w_slots, w_size } = this.#p;
    return (version % w_slots) * w_size + (layer === 1 ? 0 : I * F + (layer - 2) * F * F);
  }

  affine(layer: number, version: number): number {
    const { F, w_slots, w_size, at_affine } = this.#p;
    return (version % w_slots) * w_size + at_affine + (layer - 1) * 2 * F;
  }

  running(layer: number): number {
    return this.#p.at_running + (layer - 1) * 2 * this.#p.F;
  }

  model(layer: number, version: number): number {
    const { F, U, at_models, v_slots, v_size } = this.#p;
    return at_models + (version % v_slots) * v_size + (layer - 1) * (F + U + 1) * F;
  }

  z(layer: number, batch: number): number {
    const { B, F, z_slots } = this.#p;
    return ((layer - 1) * z_slots + (batch % z_slots)) * B * F;
  }

  norm(layer: number, batch: number): number {
    const { F, z_slots, at_norm } = this.#p;
    return at_norm + ((layer - 1) * z_slots + (batch % z_slots)) * 4 * F;
  }

  #slot(at: number, layer: number, batch: number, size: number): number {
    return at + ((layer - 1) * this.#p.slots + (batch % this.#p.slots)) * size;
  }

  stats(layer: number, batch: number): number {
    return this.#slot(this.#p.at_stats, layer, batch, this.#p.tiles * 2 * this.#p.F);
  }

  sums(layer: number, batch: number): number {
    return this.#slot(this.#p.at_sums, layer, batch, this.#p.sum_tiles * 2 * this.#p.F);
  }

  dn(layer: number, batch: number): number {
    return this.#slot(this.#p.at_dn, layer, batch, this.#p.B * this.#p.F);
  }

  sg(layer: number, batch: number): number {
    return this.#slot(this.#p.at_sg, layer, batch, this.#p.B * this.#p.F);
  }

  err(layer: number, batch: number): number {
    return this.#slot(this.#p.at_err, layer, batch, this.#p.B * this.#p.F);
  }

  logits(batch: number): number {
    return this.#slot(this.#p.at_logits, 1, batch, this.#p.B * this.#classRow);
  }

  dlogits(batch: number): number {
    return this.#slot(this.#p.at_dlogits, 1, batch, this.#p.B * this.#classRow);
  }
}

/**
 * A dispatch as its twin sees it. Everything is read from what was there before, and written beside it: a job of the
 * kernel that read what another one writes in the same dispatch would fail its check.
 */
export class Work {
  readonly p: LayerParams;
  readonly form: Form;
  /** Rows of a tile of statistics and of sums. */
  readonly tileRows: number;
  /** Elements of a row of classes. */
  readonly classRow: number;
  readonly at: Places;
  readonly clock: number;
  readonly weights: Bounded;
  readonly moments: Bounded;
  readonly memory: Bounded;
  readonly state: Bounded;
  readonly #before: Readonly<Record<LayerBuffer, Numbers>>;
  readonly #updates: Float32Array;

  /** What the divisor of the running variance is less than B by. */
  readonly bessel: number;

  constructor(
    p: LayerParams,
    before: Readonly<Record<LayerBuffer, Numbers>>,
    form: Form,
    tileRows: number,
    bessel = 1,
  ) {
    this.bessel = bessel;
    this.p = p;
    this.form = form;
    this.tileRows = tileRows;
    this.classRow = classRowOf(form, p.C);
    this.at = new Places(p, this.classRow);
    this.clock = before.state[p.clock]!;
    this.weights = unchanged(before.weights);
    this.moments = unchanged(before.moments);
    this.memory = unchanged(before.memory);
    this.state = unchanged(before.state);
    this.#before = before;
    this.#updates = new Float32Array(Uint32Array.from(before.table.subarray(p.at_updates)).buffer);
  }

  /** A part of a buffer as it was before. */
  was(buffer: 'weights' | 'moments' | 'memory', at: number, size: number): Numbers {
    return this.#before[buffer].subarray(at, at + size);
  }

  /** Outputs of a layer; of the last one, with the classes that are none. */
  outputs(layer: number): number {
    return layer > this.p.H ? this.classRow : this.p.F;
  }

  get flag(): boolean {
    return this.#before.state[2] !== 0;
  }

  /** Steps of this upload, and the first of them. */
  get steps(): number {
    return this.#before.table[0]!;
  }

  get first(): number {
    return this.#before.table[1]!;
  }

  /** Steps that a layer's gradient takes back to it, where every layer waits for the true one. */
  wayBack(layer: number): number {
    return this.p.back * (this.p.H + 1 - layer);
  }

  /** Updates of a layer that are done before a tick. */
  version(layer: number, tick = this.clock): number {
    const { stagger, lag_grad } = this.p;
    const done = tick - stagger * (layer - 1) - lag_grad;
    return Math.max(0, this.first + Math.min(Math.max(done, 0), this.steps) - this.wayBack(layer));
  }

  /** Step size and epsilon of an event's update in the n-th step. */
  step(event: number, n: number): { stepSize: number; epsHat: number } {
    const at = 2 * (event * this.p.capacity + n);
    return { stepSize: this.#updates[at]!, epsHat: this.#updates[at + 1]! };
  }

  /** The sample in row r of batch n. The batches before an upload lie in front of it. */
  #sample(n: number, r: number): number {
    return this.#before.table[4 + (n + this.p.lead) * this.p.B + r]!;
  }

  labels(n: number): number[] {
    const of = (r: number) => {
      const s = this.#sample(n, r);
      return (this.#before.labels[Math.floor(s / 4)]! >>> (8 * (s % 4))) & 0xff;
    };
    return Array.from({ length: this.p.B }, (_, r) => of(r));
  }

  /** The bytes of a batch's samples, (B, I), not yet scaled. */
  bytes(n: number): Float64Array {
    const { B, I, words } = this.p;
    const out = new Float64Array(B * I);
    for (let r = 0; r < B; r++) {
      const at = this.#sample(n, r) * words;
      for (let i = 0; i < I; i++) {
        out[r * I + i] = (this.#before.pixels[at + (i >> 2)]! >>> (8 * (i & 3))) & 0xff;
      }
    }
    return out;
  }
}

const unchanged = (before: Numbers): Bounded => ({
  value: Float64Array.from(before),
  bound: new Float64Array(before.length),
});
