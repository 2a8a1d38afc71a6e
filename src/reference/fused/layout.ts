/** The sizes of a network and of what its fused kernels need beside them. */
export interface FusedSizes {
  /** Samples of a batch. */
  readonly B: number;
  /** Inputs, units of a hidden layer, classes. */
  readonly I: number;
  readonly F: number;
  readonly C: number;
  /** Elements of a row of classes, the last of which may be none. */
  readonly classRow: number;
  /** Hidden layers. */
  readonly H: number;
  /** Rows for labels in each predictor: C, or 0 of one that is not told the label. */
  readonly U: number;
  /** Steps that one upload may hold. */
  readonly capacity: number;
  /** Batches before the first of an upload that are still needed. */
  readonly lead: number;
  /** Batches whose pre-activations are kept at a time, and batches of everything else. */
  readonly zSlots: number;
  readonly slots: number;
  /** Versions of the weights, and of the predictors, that are kept. */
  readonly wSlots: number;
  readonly vSlots: number;
  /** Steps that a gradient is late by, for each layer above, where it travels down with time. */
  readonly back: number;
  /** Tiles of rows that column statistics, and the sums of gradients, come in; 1 where a kernel makes whole columns. */
  readonly tiles: number;
  readonly sumTiles: number;
  /** Whether there are predictors. */
  readonly models: boolean;
}

/** A stretch of numbers in one of the buffers. */
export interface Stretch {
  readonly at: number;
  readonly size: number;
}

/** Where everything lies in the five buffers that the fused kernels share, counted in elements. */
export interface FusedLayout {
  readonly sizes: FusedSizes;
  /**
   * weights: versions of [W_1 (I, F), W_2 .. W_H (F, F), W_out (F, classRow), bias (classRow), then gamma, beta (F) of
   * each layer], then running mean and variance (F) of each layer, then versions of the predictors [V (F, F), U (U, F),
   * c (F)].
   */
  readonly weights: {
    readonly affine: number;
    /** Elements of one version. */
    readonly version: number;
    readonly running: number;
    readonly models: number;
    readonly modelsVersion: number;
    readonly size: number;
  };
  /** moments: m of one version of the weights and of the predictors, then v of the same. */
  readonly moments: { readonly v: number; readonly size: number };
  /**
   * memory: for each layer, in `zSlots` slots: z (B, F), then (mean, rstd, gamma, beta) (F) each; in `slots` slots:
   * tile statistics (tiles, 2, F), dn (B, F), tile sums (sumTiles, 2, F), sg and err (B, F); logits and dlogits
   * (B, classRow); loss and correct count of each tile of rows.
   */
  readonly memory: {
    readonly norm: number;
    readonly stats: number;
    readonly dn: number;
    readonly sums: number;
    readonly sg: number;
    readonly err: number;
    readonly logits: number;
    readonly dlogits: number;
    readonly loss: number;
    readonly size: number;
  };
  /** table: [steps, first step, 0, 0], sample numbers (lead + capacity, B), then (events, capacity, 2) updates. */
  readonly table: { readonly rows: number; readonly updates: number; readonly size: number };
  /** state: [clock, clock, flag, 0], losses (capacity) as bits of floats, correct counts (capacity). */
  readonly state: { readonly losses: number; readonly correct: number; readonly size: number };
  /** W of a layer counted from 1 (H + 1 is the output layer, its bias behind its weights), in version 0. */
  weightsOf(layer: number): Stretch;
  /** gamma and beta of a hidden layer, in version 0. */
  affineOf(layer: number): Stretch;
  /** Running mean and variance of a hidden layer. */
  runningOf(layer: number): Stretch;
  /** V, U and c of a hidden layer's predictor, in version 0. */
  modelOf(layer: number): Stretch;
}

/** So many elements, filled up to whole quads: what the GPU form loads and stores. */
export const wholeQuads = (n: number): number => 4 * Math.ceil(n / 4);

/** Places tensors one behind the other. */
export function layoutOf(sizes: FusedSizes): FusedLayout {
  const { B, I, F, classRow, H, U, capacity, lead, zSlots, slots, wSlots, vSlots, tiles, sumTiles, models } =
    sizes;
  const output = I * F + (H - 1) * F * F;
  const affine = output + (F + 1) * classRow;
  const version = affine + 2 * H * F;
  const running = wSlots * version;
  const modelsAt = running + 2 * H * F;
  const model = (F + U + 1) * F;
  const modelsVersion = models ? H * model : 0;

  let end = 0;
  const place = (size: number): number => {
    end += size;
    return end - size;
  };
  place(H * zSlots * B * F);
  const memory = {
    norm: place(H * zSlots * 4 * F),
    stats: place(H * slots * tiles * 2 * F),
    dn: place(H * slots * B * F),
    sums: place(H * slots * sumTiles * 2 * F),
    sg: place(models ? H * slots * B * F : 0),
    err: place(models ? H * slots * B * F : 0),
    logits: place(slots * B * classRow),
    dlogits: place(slots * B * classRow),
    loss: place(2 * Math.max(sumTiles, 1)),
    size: 0,
  };
  const updates = 4 + (lead + capacity) * B;
  const trained = version + modelsVersion;
  return {
    sizes,
    weights: {
      affine,
      version,
      running,
      models: modelsAt,
      modelsVersion,
      size: modelsAt + vSlots * modelsVersion,
    },
    moments: { v: trained, size: 2 * trained },
    // Whole quads, for kernels that see nothing else.
    memory: { ...memory, size: wholeQuads(end) },
    table: { rows: 4, updates, size: updates + 2 * capacity * (2 * H + 1) },
    state: { losses: 4, correct: 4 + capacity, size: 4 + 2 * capacity },
    weightsOf: (layer) =>
      layer === 1
        ? { at: 0, size: I * F }
        : layer <= H
          ? { at: I * F + (layer - 2) * F * F, size: F * F }
          : { at: output, size: (F + 1) * classRow },
    affineOf: (layer) => ({ at: affine + 2 * F * (layer - 1), size: 2 * F }),
    runningOf: (layer) => ({ at: running + 2 * F * (layer - 1), size: 2 * F }),
    modelOf: (layer) => ({ at: modelsAt + (layer - 1) * model, size: model }),
  };
}
