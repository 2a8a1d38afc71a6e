import type { WorkPart } from '../gpu/kernel.ts';
import type { Form, LayerParam } from '../reference/fused/work.ts';
import { type JobParams, productsOf, type Role } from './fused-jobs.ts';

// What fused kernels must at least compute and move, counted as for one kernel each: every operation once, and every element
// once. A workgroup that makes h or dz again for its own tile does more, which is no work that the step asks for.

/** Params that work is counted from. */
export type WorkParams = JobParams &
  Readonly<
    Record<
      Extract<
        LayerParam,
        | ('words' | 'tiles' | 'sum_tiles' | 'merges' | 'masks')
        | ('stagger' | 'lag_predict' | 'lag_grad' | 'lag_teach' | 'back')
      >,
      number
    >
  >;

/** Operations of an element in each formula; those that layered kernels have, too, are as many there. */
const OPERATIONS = {
  /** gamma (x - mean) rstd + beta, without its ReLU. */
  normalise: 4,
  relu: 1,
  /** Mean and squared distances; then, of a column, rstd and the moving averages. */
  statistics: 4,
  column: 12,
  /** Chan's formula, of a column and tile. */
  merge: 10,
  /** Where ReLU passed, with xhat at hand: dn, dn xhat, and both sums. */
  mask: 4,
  /** dz from dn and z with four coefficients, and those. */
  pull: 5,
  coefficients: 4,
  adam: 13,
} as const;

/** Counts a dispatch's work, job after job. What two jobs share is counted for the first. */
class Tally {
  readonly #p: WorkParams;
  readonly #form: Form;
  readonly #known = new Set<string>();
  #flops = 0;
  #elements = 0;

  /** `inside` are tensors that never leave the workgroup. */
  constructor(p: WorkParams, form: Form, inside: readonly string[] = []) {
    this.#p = p;
    this.#form = form;
    for (const name of inside) this.#known.add(name);
  }

  /** The work of the next job alone. */
  job(role: Role, layer: number): { flops: number; bytes: number } {
    [this.#flops, this.#elements] = [0, 0];
    const batch = this.#batch(role, layer);
    if (role === 'forward') this.#forward(layer, batch);
    else if (role === 'teach') this.#teach(layer, batch);
    else if (role === 'grad') this.#grad(layer, batch);
    else if (role === 'pull') this.#pull(layer, batch);
    else if (layer > this.#p.H) this.#loss(batch);
    else this.#predict(layer, batch);
    return { flops: this.#flops, bytes: 4 * this.#elements };
  }

  /** A job's batch, as ticks before the newest: layers of a wave work on different ones, and share nothing then. */
  #batch(role: Role, layer: number): string {
    const { H, stagger, back, lag_predict, lag_grad, lag_teach } = this.#p;
    const wayBack = back * (H + 1 - layer);
    const lag = {
      forward: 0,
      teach: lag_teach,
      predict: lag_predict,
      grad: lag_grad + wayBack,
      pull: lag_grad + wayBack,
    }[role];
    return `@${stagger * (layer - 1) + lag}`;
  }

  #once(what: string, count: () => void): void {
    if (this.#known.has(what)) return;
    this.#known.add(what);
    count();
  }

  #read(what: string, elements: number): void {
    this.#once(what, () => {
      this.#elements += elements;
    });
  }

  #write(elements: number): void {
    this.#elements += elements;
  }

  #inputs(layer: number): number {
    return layer === 1 ? this.#p.I : this.#p.F;
  }

  #outputs(layer: number): number {
    return layer > this.#p.H ? this.#p.C : this.#p.F;
  }

  /** Tiles that the sums of a layer's gradient come in. */
  #sumTiles(layer: number): number {
    return layer === this.#p.H ? this.#p.sum_tiles : this.#p.tiles;
  }

  #labels(batch: string): void {
    this.#read(`samples${batch}`, this.#p.B);
    this.#read(`labels${batch}`, Math.ceil(this.#p.B / 4));
  }

  /** A layer's norm from its statistics; kept, it is stored, and running averages are moved. */
  #merge(layer: number, batch: string, keeps: boolean): void {
    const { F, tiles } = this.#p;
    const isTiles = this.#form === 'tiles';
    this.#once(`norm${layer}${batch}`, () => {
      this.#elements += 2 * F * tiles + 2 * F;
      if (isTiles) this.#flops += (OPERATIONS.merge * tiles + OPERATIONS.column) * F;
    });
    // Whole columns have left mean and rstd already.
    if (keeps) this.#write(isTiles ? 4 * F + 4 * F : 2 * F);
  }

  /** gamma xhat + beta, by the norm that was merged or else by the one that is kept. */
  #normalised(layer: number, batch: string): void {
    const { B, F } = this.#p;
    this.#read(`norm${layer}${batch}`, 4 * F);
    this.#read(`z${layer}${batch}`, B * F);
    this.#once(`n${layer}${batch}`, () => {
      this.#flops += OPERATIONS.normalise * B * F;
    });
  }

  /** What a layer's product is of: samples, or the activations below. */
  #activations(layer: number, batch: string): void {
    const { B, I, F, words } = this.#p;
    if (layer === 0) {
      this.#read(`samples${batch}`, B);
      this.#read(`pixels${batch}`, B * words);
      this.#once(`x${batch}`, () => {
        this.#flops += B * I;
      });
      return;
    }
    this.#normalised(layer, batch);
    this.#once(`h${layer}${batch}`, () => {
      this.#flops += OPERATIONS.relu * B * F;
    });
  }

  /** The gradient by a layer's z. */
  #gradient(layer: number, batch: string): void {
    const { B, F, C, H } = this.#p;
    if (layer > H) {
      this.#read(`dlogits${batch}`, B * C);
      return;
    }
    this.#read(`dn${layer}${batch}`, B * F);
    // Whole columns have made dz of it.
    if (this.#form === 'columns') return;
    this.#read(`norm${layer}${batch}`, 4 * F);
    this.#read(`z${layer}${batch}`, B * F);
    this.#once(`dz${layer}${batch}`, () => {
      const tiles = this.#sumTiles(layer);
      this.#read(`sums${layer}${batch}`, 2 * F * tiles);
      this.#flops += OPERATIONS.pull * B * F + (OPERATIONS.coefficients + 2 * tiles) * F;
    });
  }

  /** From what arrives at a layer's activations to what it learns from. */
  #mask(layer: number, batch: string): void {
    const { B, F } = this.#p;
    this.#normalised(layer, batch);
    this.#flops += OPERATIONS.mask * B * F;
    if (this.#form === 'columns') this.#flops += OPERATIONS.pull * B * F + OPERATIONS.coefficients * F;
    this.#write(B * F + 2 * F * this.#sumTiles(layer));
  }

  /** Adam on parameters, which `what` names: they and both moments are read and written. */
  #update(what: string, parameters: number): void {
    this.#read(what, parameters);
    this.#write(5 * parameters);
    this.#flops += OPERATIONS.adam * parameters;
  }

  #forward(layer: number, batch: string): void {
    const { B, F, C, H, tiles, merges } = this.#p;
    const [inputs, outputs] = [this.#inputs(layer), this.#outputs(layer)];
    if (layer > 1 && merges > 0) this.#merge(layer - 1, batch, merges === 1);
    this.#activations(layer - 1, batch);
    this.#read(`W${layer}`, inputs * outputs);
    this.#flops += 2 * B * inputs * outputs;
    if (layer > H) {
      this.#read('bias', C);
      this.#flops += B * C;
      this.#once(`logits${batch}`, () => this.#write(B * C));
      return;
    }
    this.#write(B * F + 2 * F * tiles);
    this.#flops += OPERATIONS.statistics * B * F;
    if (this.#form === 'columns') {
      this.#write(4 * F);
      this.#flops += OPERATIONS.column * F;
    }
  }

  #predict(layer: number, batch: string): void {
    const { B, F, U } = this.#p;
    this.#merge(layer, batch, true);
    this.#activations(layer, batch);
    this.#read(`V${layer}`, (F + U + 1) * F);
    if (U > 0) this.#labels(batch);
    this.#flops += 2 * B * F * F + (U > 0 ? 2 : 1) * B * F;
    this.#write(B * F);
    this.#mask(layer, batch);
  }

  /** As softmax_xent_forward and _backward, loss_mean and correct_count have it. */
  #loss(batch: string): void {
    const { B, C } = this.#p;
    this.#read(`logits${batch}`, B * C);
    this.#labels(batch);
    this.#flops += B * (4 * C + 4) + 6 * B * C + B + B * C;
    this.#write(B * C + 2);
  }

  #pull(layer: number, batch: string): void {
    const { B, F, masks, back } = this.#p;
    const [outputs, below] = [this.#outputs(layer), layer - 1];
    this.#gradient(layer, batch);
    // A gradient that is late goes through weights that are as old.
    const isOld = back > 0 && layer <= this.#p.H;
    this.#read(isOld ? `old W${layer}` : `W${layer}`, F * outputs);
    this.#flops += 2 * B * outputs * F;
    if (masks === 1) {
      this.#mask(below, batch);
      return;
    }
    this.#read(`sg${below}${batch}`, B * F);
    this.#flops += 2 * B * F;
    this.#write(B * F);
  }

  #grad(layer: number, batch: string): void {
    const { B, F, C, H } = this.#p;
    const [inputs, outputs] = [this.#inputs(layer), this.#outputs(layer)];
    this.#activations(layer - 1, batch);
    this.#gradient(layer, batch);
    this.#flops += 2 * inputs * B * outputs;
    this.#update(`W${layer}`, inputs * outputs);
    if (layer > H) {
      this.#flops += B * C;
      this.#update('bias', C);
      return;
    }
    this.#read(`sums${layer}${batch}`, 2 * F);
    this.#update(`affine${layer}`, 2 * F);
  }

  #teach(layer: number, batch: string): void {
    const { B, F, U } = this.#p;
    this.#activations(layer, batch);
    this.#read(`err${layer}${batch}`, B * F);
    if (U > 0) this.#labels(batch);
    this.#flops += 2 * F * B * F + (U > 0 ? 2 : 1) * B * F;
    this.#update(`V${layer}`, (F + U + 1) * F);
  }
}

/** Whom a job's work is for, by the names that layered schedules give their dispatches. */
function ownerOf(role: Role, layer: number, H: number): string {
  if (role === 'predict' && layer > H) return 'loss';
  return role === 'predict' || role === 'teach' ? `sg${layer}` : `layer${layer}`;
}

/** The work of a dispatch's jobs, in the order of its workgroups. */
function workOf(p: WorkParams, tally: Tally): WorkPart[] {
  return productsOf(p).map(({ role, layer, M, K, N }) => {
    const isLoss = role === 'predict' && layer > p.H;
    return {
      of: ownerOf(role, layer, p.H),
      role: isLoss ? 'LOSS' : role.toUpperCase(),
      shape: isLoss ? `${p.B}x${p.C}` : `${M}x${K}x${N}`,
      ...tally.job(role, layer),
    };
  });
}

/** The work of a dispatch of fused_layers, layer by layer and role by role. */
export const layersWork = (p: WorkParams, form: Form): WorkPart[] => workOf(p, new Tally(p, form));

/** What the work of fused_top is counted from; `z` is where the pre-activations of the top hidden layer lie. */
export type TopWorkParams = Readonly<Record<'B' | 'F' | 'C' | 'tiles' | 'z', number>>;

/** The same of fused_top: FORWARD of the output layer, the loss, and PULL, whose logits and their gradient stay inside. */
export function topWork({ B, F, C, tiles, z }: TopWorkParams, form: Form): WorkPart[] {
  // Each hidden layer below has one slot of B F elements.
  const H = z / (B * F) + 1;
  const out = H + 1;
  const p = {
    ...{ B, I: F, F, C, H, U: 0, words: 0, merges: 1, masks: 1 },
    ...{ stagger: 0, lag_predict: 0, lag_grad: 0, lag_teach: 0, back: 0 },
    // Its own tiles may be smaller, so that there are at least as many.
    ...{ tiles, sum_tiles: tiles },
    ...{ forward_from: out, forward_layers: 1, predict_from: out, predict_layers: 1 },
    ...{ pull_from: out, pull_layers: 1, teach_from: 0, teach_layers: 0, grad_from: 0, grad_layers: 0 },
  };
  return workOf(p, new Tally(p, form, ['logits@0', 'dlogits@0']));
}
