import { type Bounded, bounded, exact, gamma, TINY, U } from '../twin.ts';
import {
  activations,
  columnStats,
  halves,
  masked,
  mergeStats,
  mergeSums,
  movedRunning,
  type Norm,
  normFrom,
  pulled,
  rstdOf,
  type Stats,
} from './normalise.ts';
import { padded, rowPlace, times, transposed, transposedTimes, withColumns } from './products.ts';
import { lossWord, meanOf, single, softmaxXent, sumOf } from './softmax.ts';
import { adamOfRounded } from './update.ts';
import { inputsOf, type Job, put, type Work } from './work.ts';

/** The samples of a batch, scaled: a byte is exact, the product is rounded. */
function scaled(w: Work, n: number): Bounded {
  const value = w.bytes(n).map((byte) => w.p.scale * byte);
  return { value, bound: value.map((x) => U * x) };
}

/** Rows in each tile, from the first to the last, which may be short. */
const tilesOf = (B: number, rows: number): number[] =>
  Array.from({ length: Math.ceil(B / rows) }, (_, t) => Math.min(rows, B - t * rows));

/** A layer's norm as it is kept in memory. */
const keptNorm = (w: Work, layer: number, batch: number): Norm =>
  normFrom(w.was('memory', w.at.norm(layer, batch), 4 * w.p.F), w.p.F);

/** Stores a norm that was merged, and moves the running statistics; whole columns have left only gamma and beta to store. */
function keep(w: Work, layer: number, batch: number, norm: Norm, stats: Stats | undefined): void {
  const { F } = w.p;
  const at = w.at.norm(layer, batch);
  put(w.memory, at + 2 * F, exact(Float64Array.from(norm.gamma)));
  put(w.memory, at + 3 * F, exact(Float64Array.from(norm.beta)));
  if (!stats) return;
  put(w.memory, at, norm.mean);
  put(w.memory, at + F, norm.rstd);
  const running = w.at.running(layer);
  put(w.weights, running, movedRunning(w.was('weights', running, 2 * F), stats, w.p, w.bessel));
  if (!stats.squares.value.every((x) => Number.isFinite(Math.fround(x)))) w.state.value[2] = 1;
}

/** A layer's norm from the statistics that its forward pass has left, and its gamma and beta of this tick. */
function mergedNorm(w: Work, layer: number, batch: number, keeps: boolean): Norm {
  const { B, F, eps, tiles } = w.p;
  const affine = w.was('weights', w.at.affine(layer, w.version(layer, w.clock - w.p.lag_merge)), 2 * F);
  const [scale, beta] = [affine.subarray(0, F), affine.subarray(F)];
  if (w.form === 'columns') {
    const norm = { ...keptNorm(w, layer, batch), gamma: scale, beta };
    if (keeps) keep(w, layer, batch, norm, undefined);
    return norm;
  }
  const tile = w.was('memory', w.at.stats(layer, batch), tiles * 2 * F);
  const stats = mergeStats(tile, F, tilesOf(B, w.tileRows));
  const norm = { mean: stats.mean, rstd: rstdOf(stats.squares, B, eps), gamma: scale, beta };
  if (keeps) keep(w, layer, batch, norm, stats);
  return norm;
}

const zOf = (w: Work, layer: number, batch: number) => w.was('memory', w.at.z(layer, batch), w.p.B * w.p.F);

const floats = (x: ArrayLike<number>): Bounded => exact(Float64Array.from(x));

/** z_l = h_{l-1} W_l and its columns' statistics; of the output layer: logits. */
export function forward(w: Work, { layer, n, batch, version }: Job): void {
  const { p, at } = w;
  const { B, F, eps } = p;
  const [K, N] = [inputsOf(p, layer), w.outputs(layer)];
  const below = (): Bounded => {
    const source = layer - 1;
    const norm = p.merges === 0 ? keptNorm(w, source, batch) : mergedNorm(w, source, batch, p.merges === 1);
    return activations(zOf(w, source, batch), norm, p);
  };
  const a = layer === 1 ? scaled(w, n) : below();
  const z = times(a, floats(w.was('weights', at.w(layer, version), K * N)), { M: B, K, N });
  if (layer > p.H) {
    const bias = w.was('weights', at.w(layer, version) + K * N, N);
    for (let i = 0; i < z.value.length; i++) {
      z.value[i]! += bias[i % N]!;
      z.bound[i]! += U * (Math.abs(z.value[i]!) + z.bound[i]!) + TINY;
    }
    put(w.memory, at.logits(batch), z);
    return;
  }
  put(w.memory, at.z(layer, batch), z);
  if (w.form === 'columns') {
    const stats = columnStats(z, F, 0, B);
    put(w.memory, at.norm(layer, batch), stats.mean);
    put(w.memory, at.norm(layer, batch) + F, rstdOf(stats.squares, B, eps));
    const running = at.running(layer);
    put(w.weights, running, movedRunning(w.was('weights', running, 2 * F), stats, p, w.bessel));
    return;
  }
  tilesOf(B, w.tileRows).forEach((rows, t) => {
    const stats = columnStats(z, F, t * w.tileRows, t * w.tileRows + rows);
    put(w.memory, at.stats(layer, batch) + 2 * F * t, stats.mean);
    put(w.memory, at.stats(layer, batch) + 2 * F * t + F, stats.squares);
  });
}

/** dn from what arrives at a layer's activations, and its columns' sums. Whole columns make dz of it at once. */
function mask(w: Work, layer: number, batch: number, dh: Bounded, norm: Norm): Bounded {
  const z = zOf(w, layer, batch);
  const { dn, sums } = masked(dh, z, norm, w.p, w.tileRows);
  put(w.memory, w.at.dn(layer, batch), w.form === 'tiles' ? dn : pulled(dn, z, norm, halves(sums), w.p));
  put(w.memory, w.at.sums(layer, batch), sums);
  return sums;
}

/** sg_l = h_l V_l + U_l[y] + c_l, and what the layer learns from it; at H + 1 the loss. */
export function predict(w: Work, { layer, n, batch }: Job): void {
  if (layer > w.p.H) {
    loss(w, n, batch);
    return;
  }
  const { B, F, U: labelRows, lag_predict } = w.p;
  const norm = mergedNorm(w, layer, batch, true);
  const h = activations(zOf(w, layer, batch), norm, w.p);
  const model = w.was('weights', w.at.model(layer, batch + lag_predict), (F + labelRows + 1) * F);
  const sg = times(h, floats(model.subarray(0, F * F)), { M: B, K: F, N: F });
  const labels = w.labels(n);
  for (let i = 0; i < B * F; i++) {
    const f = i % F;
    const row = labelRows > 0 ? model[(F + labels[Math.floor(i / F)]!) * F + f]! : 0;
    const bias = model[(F + labelRows) * F + f]!;
    const size = Math.abs(sg.value[i]!) + sg.bound[i]! + Math.abs(row) + Math.abs(bias);
    sg.value[i]! += row + bias;
    sg.bound[i]! += gamma(labelRows > 0 ? 2 : 1) * size + TINY;
  }
  put(w.memory, w.at.sg(layer, batch), sg);
  const sums = mask(w, layer, batch, sg, norm);
  // The kernel looks at the sums of dn xhat. Once it has raised the flag other workgroups may do nothing.
  for (let i = 0; i < sums.value.length; i++) {
    if (Math.floor(i / F) % 2 === 1 && !Number.isFinite(Math.fround(sums.value[i]!))) w.state.value[2] = 1;
  }
}

function loss(w: Work, n: number, batch: number): void {
  const { B, C, capacity } = w.p;
  const rows = w.was('memory', w.at.logits(batch), B * w.classRow);
  const logits = exact(Float64Array.from({ length: B * C }, (_, i) => rows[rowPlace(i, C, w.classRow)]!));
  const result = softmaxXent(logits, w.labels(n), { B, C });
  put(w.memory, w.at.dlogits(batch), padded(result.dLogits, C, w.classRow));
  const total = sumOf(result.loss, 0, B);
  if (!Number.isFinite(Math.fround(total.value))) w.state.value[2] = 1;
  put(w.state, 4 + n, single(lossWord(meanOf(total, B))));
  put(w.state, 4 + capacity + n, exact(Float64Array.of(sumOf(result.correct, 0, B).value)));
}

/** The gradient by a layer's z: dz, made of dn where that is what was kept; of the output layer dlogits. */
function gradientOf(w: Work, layer: number, batch: number): Bounded {
  const { B, F, H } = w.p;
  if (layer > H) return floats(w.was('memory', w.at.dlogits(batch), B * w.classRow));
  const dn = floats(w.was('memory', w.at.dn(layer, batch), B * F));
  if (w.form === 'columns') return dn;
  return pulled(dn, zOf(w, layer, batch), keptNorm(w, layer, batch), sumsOf(w, layer, batch), w.p);
}

function sumsOf(w: Work, layer: number, batch: number): { dBeta: Bounded; dGamma: Bounded } {
  const { F, H, tiles, sum_tiles } = w.p;
  const count = layer === H ? sum_tiles : tiles;
  return mergeSums(w.was('memory', w.at.sums(layer, batch), count * 2 * F), F);
}

/** dh_{l-1} = dz_l W_l^T, and what the layer below, or its predictor, learns from it. */
export function pull(w: Work, { layer, batch, version }: Job): void {
  const { B, F, masks } = w.p;
  const [K, below] = [w.outputs(layer), layer - 1];
  const weights = transposed(w.was('weights', w.at.w(layer, version), F * K), F, K);
  const dh = times(gradientOf(w, layer, batch), exact(weights), { M: B, K, N: F });
  if (masks === 1) {
    mask(w, below, batch, dh, keptNorm(w, below, batch));
    return;
  }
  const sg = w.was('memory', w.at.sg(below, batch), B * F);
  const err = bounded(B * F);
  for (let i = 0; i < B * F; i++) {
    err.value[i] = 2 * (sg[i]! - dh.value[i]!);
    err.bound[i] = 2 * dh.bound[i]! + U * (Math.abs(err.value[i]!) + 2 * dh.bound[i]!) + TINY;
  }
  put(w.memory, w.at.err(below, batch), err);
}

/** Adam from a gradient: parameters are read, and written, and their moments lie, from these places on. */
function update(
  w: Work,
  gradient: Bounded,
  places: { read: number; write: number; moment: number },
  step: { stepSize: number; epsHat: number },
): void {
  const n = gradient.value.length;
  const { read, write, moment } = places;
  const { B, beta1, beta2, at_v } = w.p;
  const [m, v] = [w.was('moments', moment, n), w.was('moments', at_v + moment, n)];
  const out = adamOfRounded(gradient, w.was('weights', read, n), m, v, { B, beta1, beta2, ...step });
  put(w.weights, write, out.p);
  put(w.moments, moment, out.m);
  put(w.moments, at_v + moment, out.v);
}

/** dW_l = h_{l-1}^T dz_l, the bias's, gamma's and beta's gradient, and Adam. */
export function grad(w: Work, { layer, n, batch, version }: Job): void {
  const { p, at } = w;
  const { B, F, H } = p;
  const activationsBelow = () => activations(zOf(w, layer - 1, batch), keptNorm(w, layer - 1, batch), p);
  const inputs = layer === 1 ? scaled(w, n) : activationsBelow();
  const a = layer > H ? withColumns(inputs, B, () => [1]) : inputs;
  const shape = { M: a.value.length / B, K: B, N: w.outputs(layer) };
  const dW = transposedTimes(a, gradientOf(w, layer, batch), shape);
  const step = w.step(layer - 1, n + w.wayBack(layer));
  const placed = (find: (version: number) => number, offset = 0) => ({
    read: find(version) + offset,
    write: find(version + 1) + offset,
    moment: find(0) + offset,
  });
  update(
    w,
    dW,
    placed((v) => at.w(layer, v)),
    step,
  );
  if (layer > H) return;
  const { dGamma, dBeta } = sumsOf(w, layer, batch);
  const affine = (v: number) => at.affine(layer, v);
  update(w, dGamma, placed(affine), step);
  update(w, dBeta, placed(affine, F), step);
}

/** d[V U c]_l = [h_l onehot(y) 1]^T err_l, and Adam; `job` has the batch that it learns from. */
export function teach(w: Work, { layer, n, batch, version }: Job): void {
  const { p, at } = w;
  const { B, F, U: labelRows, H, lag_teach } = p;
  const h = activations(zOf(w, layer, batch), keptNorm(w, layer, batch), p);
  const labels = w.labels(n);
  const oneHot = (b: number) => Array.from({ length: labelRows }, (_, c) => (labels[b] === c ? 1 : 0));
  const a = withColumns(h, B, (b) => [...oneHot(b), 1]);
  const err = floats(w.was('memory', at.err(layer, batch), B * F));
  const dModel = transposedTimes(a, err, { M: F + labelRows + 1, K: B, N: F });
  const places = {
    read: at.model(layer, version),
    write: at.model(layer, version + 1),
    moment: at.model(layer, 0) - p.at_models + p.w_size,
  };
  update(w, dModel, places, w.step(H + layer, n + lag_teach));
}
