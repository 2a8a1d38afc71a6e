import { type Bounded, bounded, exact, gamma, type Numbers, TINY, type Twin, U } from '../twin.ts';
import {
  activations,
  halves,
  masked,
  mergeStats,
  movedRunning,
  type Norm,
  normFrom,
  pulled,
  rstdOf,
} from './normalise.ts';
import { padded, rowPlace, times, transposed } from './products.ts';
import { softmaxXent, sumOf } from './softmax.ts';
import { classRowOf, type Form, put } from './work.ts';

/** What the twin of fused_top reads of its params. */
export type TopParam =
  | ('B' | 'F' | 'C' | 'lead' | 'capacity' | 'tiles' | 'clock' | 'next' | 'eps' | 'momentum')
  | ('w' | 'affine' | 'running' | 'z' | 'norm' | 'stats' | 'dn' | 'sums' | 'dlogits' | 'loss');

export type TopBuffer = 'labels' | 'table' | 'weights' | 'memory' | 'state';

type Params = Readonly<Record<TopParam, number>>;

/** Everything as it was before, and what is written. */
interface Top {
  readonly p: Params;
  readonly before: Readonly<Record<TopBuffer, Numbers>>;
  readonly weights: Bounded;
  readonly memory: Bounded;
  readonly state: Bounded;
}

const copied = (before: Numbers): Bounded => exact(Float64Array.from(before));

/** The top hidden layer's norm, from the tiles' statistics or from whole columns', and what is kept of it. */
function normOf(
  { p, before, weights, memory, state }: Top,
  form: Form,
  tileRows: number,
  bessel: number,
): Norm {
  const { B, F, eps } = p;
  const scale = before.weights.subarray(p.affine, p.affine + F);
  const beta = before.weights.subarray(p.affine + F, p.affine + 2 * F);
  put(memory, p.norm + 2 * F, copied(scale));
  put(memory, p.norm + 3 * F, copied(beta));
  if (form === 'columns') {
    return { ...normFrom(before.memory.subarray(p.norm, p.norm + 4 * F), F), gamma: scale, beta };
  }
  const tiles = before.memory.subarray(p.stats, p.stats + p.tiles * 2 * F);
  const rows = Array.from({ length: p.tiles }, (_, t) => Math.min(tileRows, B - t * tileRows));
  const stats = mergeStats(tiles, F, rows);
  const rstd = rstdOf(stats.squares, B, eps);
  put(memory, p.norm, stats.mean);
  put(memory, p.norm + F, rstd);
  const running = before.weights.subarray(p.running, p.running + 2 * F);
  put(weights, p.running, movedRunning(running, stats, p, bessel));
  if (!stats.squares.value.every((x) => Number.isFinite(Math.fround(x)))) state.value[2] = 1;
  return { mean: stats.mean, rstd, gamma: scale, beta };
}

/** h W + bias: a sum of one term more. */
function logitsOf(h: Bounded, w: Numbers, { B, F, C }: Params): Bounded {
  const out = times(h, copied(w.subarray(0, F * C)), { M: B, K: F, N: C });
  for (let i = 0; i < B * C; i++) {
    const bias = w[F * C + (i % C)]!;
    out.bound[i]! += U * (Math.abs(out.value[i]!) + out.bound[i]!) + gamma(F + 1) * Math.abs(bias) + TINY;
    out.value[i]! += bias;
  }
  return out;
}

const twinOf =
  (form: Form): Twin<TopParam, TopBuffer> =>
  (p, before, constants) => {
    const [weights, memory, state] = [copied(before.weights), copied(before.memory), copied(before.state)];
    const result = { weights, memory, state };
    if (before.state[2] !== 0) return result;
    const { B, F, C } = p;
    const tick = before.state[p.clock]!;
    if (p.next !== p.clock) state.value[p.next] = tick;

    const norm = normOf(
      { p, before, weights, memory, state },
      form,
      constants.TILE_M ?? B,
      constants.BESSEL ?? 1,
    );
    const z = before.memory.subarray(p.z, p.z + B * F);
    const classRow = classRowOf(form, C);
    const w = Float64Array.from({ length: (F + 1) * C }, (_, i) => {
      return before.weights[p.w + rowPlace(i, C, classRow)]!;
    });
    const labels = Array.from({ length: B }, (_, r) => {
      const s = before.table[4 + (tick + p.lead) * B + r]!;
      return (before.labels[Math.floor(s / 4)]! >>> (8 * (s % 4))) & 0xff;
    });
    const logits = logitsOf(activations(z, norm, p), w, p);
    const { loss, dLogits, correct } = softmaxXent(logits, labels, { B, C });
    put(memory, p.dlogits, padded(dLogits, C, classRow));

    const rows = form === 'tiles' ? constants.ROWS! : B;
    for (let t = 0; t * rows < B; t++) {
      const to = Math.min((t + 1) * rows, B);
      const out = bounded(2);
      [loss, correct].forEach((column, i) => {
        const sum = sumOf(column, t * rows, to);
        out.value[i] = sum.value;
        out.bound[i] = sum.bound;
      });
      // Counts are sums of small integers: exact, but for samples that may fall to either side.
      out.bound[1] = correct.bound.subarray(t * rows, to).reduce((a, x) => a + x, 0);
      put(memory, p.loss + 2 * t, out);
      if (!Number.isFinite(Math.fround(out.value[0]!))) state.value[2] = 1;
    }

    const weightsBack = transposed(w.subarray(0, F * C), F, C);
    const dh = times(dLogits, exact(weightsBack), { M: B, K: C, N: F });
    const { dn, sums } = masked(dh, z, norm, { B, F }, rows);
    // Whole columns make dz of it at once.
    put(memory, p.dn, form === 'tiles' ? dn : pulled(dn, z, norm, halves(sums), { B, F }));
    put(memory, p.sums, sums);
    return result;
  };

/** What fused_top writes. */
export const fusedTop = twinOf('tiles');

/** The same of fused_top_cpu. */
export const fusedTopCpu = twinOf('columns');
