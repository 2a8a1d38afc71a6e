import type { Constants } from '../../src/gpu/shader.ts';
import { ROLE } from '../../src/kernels/fused-jobs.ts';
import { softmaxOf } from '../../src/reference/softmax-xent.ts';
import { fusedBackprop } from '../../src/train/schedules/fused.ts';
import { wave } from '../../src/train/schedules/wave.ts';
import { fusedArena, topContents } from './fused.ts';
import { type Content, labels, normals, Random, unwritten } from './kernel.ts';

/** Params and contents on which a kernel can be run. */
export interface Case {
  readonly params: Readonly<Record<string, number>>;
  readonly contents: Readonly<Record<string, Content>>;
  /** Other constants than the shader's own. */
  readonly constants?: Constants;
  /** Whether it takes subgroups: of as many lanes as its LANES, which are the device's. */
  readonly subgroups?: true;
}

/** A tick of a wave, and the top of a step of backpropagation, with statistics in tiles or of whole columns. */
function fusedCases(seed: number, whole: boolean): { layers: Case; top: Case } {
  const shape = { B: 37, I: 11, F: 13, C: 5, H: 2 };
  const at = { tiles: whole ? undefined : { stats: 32, sums: 8 }, tick: 3 };
  const [ticking, stepping] = [wave, fusedBackprop].map((schedule) => fusedArena(seed, schedule, shape, at));
  // Of one role, which is compiled soonest.
  const { params } = ticking!.dispatches.find((d) => d.roles === ROLE.predict)!;
  const top = stepping!.dispatches.find((d) => d.kernel === 'top')!;
  const subgroups = whole ? { subgroups: true as const } : {};
  return {
    layers: { params, contents: ticking!.contents, constants: { ROLES: ROLE.predict }, ...subgroups },
    top: { params: top.params, contents: topContents(stepping!), ...subgroups },
  };
}

/** A small seeded case for every kernel, by the name of its shader; shapes are not square. */
export function smallCases(seed: number): Readonly<Record<string, Case>> {
  const random = new Random(seed);
  const z = (n: number) => normals(random, n);
  const positive = (n: number) => z(n).map((v) => 0.5 + v * v);
  const u32 = (...values: number[]) => Uint32Array.from(values);
  const [B, F, C] = [11, 19, 5];
  const shape = { B, F };
  const y = labels(random, B, C);
  const rows = labels(random, 3 * B, 7);
  const step = u32(1);

  const [M, K, N] = [13, 9, 37];
  const product = { params: { M, K, N }, contents: { a: z(M * K), b: z(K * N), c: unwritten(M * N) } };
  const [K4, N4] = [12, 36];
  const quads = {
    params: { M, K: K4, N: N4 },
    contents: { a: z(M * K4), b: z(K4 * N4), c: unwritten(M * N4) },
  };
  const logits = z(B * C);
  const columnSum = { params: shape, contents: { x: z(B * F), total: unwritten(F) } };
  const batch = { x: z(B * F), mean: z(F), rstd: positive(F) };
  const affine = { gamma: z(F), beta: z(F) };
  const running = { running_mean: z(F), running_var: positive(F) };
  const stats = {
    params: { ...shape, eps: 1e-5, momentum: 0.1 },
    contents: { x: batch.x, mean: unwritten(F), rstd: unwritten(F), ...running },
  };
  const sums = {
    params: shape,
    contents: { ...batch, dY: z(B * F), dGamma: unwritten(F), dBeta: unwritten(F) },
  };

  const tiled = fusedCases(seed, false);
  const whole = fusedCases(seed, true);

  return {
    fused_layers: tiled.layers,
    fused_layers_cpu: whole.layers,
    fused_top: tiled.top,
    fused_top_cpu: whole.top,
    gather_bytes: {
      params: { B, I: 6, words: 2, scale: 1 / 255 },
      contents: { bytes: labels(random, 7 * 2, 2 ** 32), rows, step, x: unwritten(B * 6) },
    },
    gather_floats: {
      params: { B, I: 6, scale: 0.5 },
      contents: { values: z(7 * 6), rows, step, x: unwritten(B * 6) },
    },
    gather_labels: {
      params: { B },
      contents: { labels: labels(random, 2, 2 ** 32), rows, step, y: new Uint32Array(B).fill(999) },
    },
    matmul_nn: product,
    matmul_nt: product,
    matmul_tn: product,
    matmul_nn_cpu: product,
    matmul_nt_cpu: product,
    matmul_tn_cpu: product,
    bias_add: { params: shape, contents: { x: z(B * F), bias: z(F), y: unwritten(B * F) } },
    column_sum: columnSum,
    column_sum_cpu: columnSum,
    batchnorm_stats: stats,
    batchnorm_stats_cpu: stats,
    batchnorm_forward: { params: shape, contents: { ...batch, ...affine, y: unwritten(B * F) } },
    batchnorm_eval: {
      params: { ...shape, eps: 1e-5 },
      contents: { x: z(B * F), ...running, ...affine, y: unwritten(B * F) },
    },
    batchnorm_backward_sums: sums,
    batchnorm_backward_sums_cpu: sums,
    batchnorm_backward_input: {
      params: shape,
      contents: {
        ...batch,
        gamma: z(F),
        dY: z(B * F),
        dGamma: z(F),
        dBeta: z(F),
        dX: unwritten(B * F),
      },
    },
    relu_forward: { params: { n: 131 }, contents: { x: z(131), y: unwritten(131) } },
    relu_backward: {
      params: { n: 131 },
      contents: { y: z(131).map((v) => Math.max(v, 0)), dY: z(131), dX: unwritten(131) },
    },
    softmax_xent_forward: {
      params: { B, C },
      contents: { logits: z(B * C), labels: y, largest: unwritten(B), sum: unwritten(B), loss: unwritten(B) },
    },
    softmax_xent_backward: {
      params: { B, C },
      contents: { logits, labels: y, ...softmaxOf(logits, { B, C }), dLogits: unwritten(B * C) },
    },
    loss_mean: { params: { B }, contents: { loss: positive(B), step, losses: z(3) } },
    correct_count: {
      params: { B, C },
      contents: { logits: z(B * C), labels: y, step, correct: u32(90, 91, 92) },
    },
    finite_flag: { params: { n: 70 }, contents: { x: z(70).fill(Number.NaN, 69), flag: u32(0) } },
    step_advance: { params: {}, contents: { flag: u32(0), step } },
    label_rows_add: {
      params: shape,
      contents: { x: z(B * F), rows: z(C * F), bias: z(F), labels: y, y: unwritten(B * F) },
    },
    label_rows_grad: {
      params: { ...shape, C },
      contents: { dY: z(B * F), labels: y, dRows: unwritten(C * F) },
    },
    squared_error_grad: {
      params: { n: 131 },
      contents: { prediction: z(131), goal: z(131), dPrediction: unwritten(131) },
    },
    sigmoid_forward: { params: { n: 131 }, contents: { x: z(131), y: unwritten(131) } },
    sigmoid_backward: {
      params: { n: 131 },
      contents: { y: z(131).map((v) => 1 / (1 + Math.exp(-v))), dY: z(131), dX: unwritten(131) },
    },
    mix: {
      params: { n: 131, lambda: 0.3 },
      contents: { a: z(131), b: z(131), y: unwritten(131) },
    },
    delay_line: {
      params: { n: 37, delay: 2 },
      // A clock that is not below the number of slots.
      contents: { x: z(37), clock: u32(7), ring: z(3 * 37), y: unwritten(37) },
    },
    copy_rows: {
      params: { rows: 5, columns: 7, at: 3, stride: 9, at_y: 2, stride_y: 8 },
      contents: { x: z(48), y: unwritten(43) },
    },
    matmul_naive: product,
    matmul_tiled: product,
    matmul_vec4: quads,
    matmul_block8: quads,
    matmul_prefetch: quads,
    matmul_split: quads,
    matmul_vec4_cpu: quads,
    tick: { params: {}, contents: { clock: u32(6) } },
    empty: { params: {}, contents: { x: z(3) } },
    peak_fma: { params: { n: 70, a: 0.999, b: 0.001 }, contents: { y: unwritten(70) } },
    peak_copy: { params: { n: 132 }, contents: { x: z(132), y: unwritten(132) } },
    sgd: {
      params: { n: 131, scale: 1 / 7 },
      contents: { dP: z(131), table: Float32Array.of(1, 1, 0.1, 0, 1, 1), step, flag: u32(0), p: z(131) },
    },
    momentum: {
      params: { n: 131, scale: 1 / 7, mu: 0.9 },
      contents: {
        dP: z(131),
        table: Float32Array.of(1, 1, 0.1, 0, 1, 1),
        step,
        flag: u32(0),
        p: z(131),
        v: z(131),
      },
    },
    adam: {
      params: { n: 131, scale: 1 / 7, beta1: 0.9, beta2: 0.999, rate: 1 },
      contents: {
        dP: z(131),
        table: Float32Array.of(1, 1, 1e-3, 1e-8, 1, 1),
        step,
        flag: u32(0),
        p: z(131),
        m: z(131),
        v: positive(131),
      },
    },
  };
}
