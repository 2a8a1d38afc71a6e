import { describe, expect, it } from 'vitest';
import { Random } from '../../src/data/random.ts';
import { biasAdd, columnSum } from '../../src/reference/bias.ts';
import { labelRowsAdd, labelRowsGrad } from '../../src/reference/label-rows.ts';
import { matmulNN, matmulNT, matmulTN } from '../../src/reference/matmul.ts';
import { reluBackward, reluForward } from '../../src/reference/relu.ts';
import { softmaxXentBackward, softmaxXentForward } from '../../src/reference/softmax-xent.ts';
import { squaredErrorGrad } from '../../src/reference/squared-error.ts';
import { dot, expectGradient, H, normals64 } from '../support/gradients.ts';

const sizeOf = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  dot(Array.from(a, Math.abs), Array.from(b, Math.abs));

describe.each([
  [1, 1, 1],
  [3, 4, 5],
  [7, 2, 3],
  [2, 11, 1],
  [1, 5, 13],
])('products, M = %i, K = %i, N = %i, seed = 100 M + 10 K + N', (M, K, N) => {
  const random = new Random(100 * M + 10 * K + N);
  const a = normals64(random, M * K);
  const b = normals64(random, K * N);
  const upstream = normals64(random, M * N);
  const { value: c, bound } = matmulNN(a, b, { M, K, N });
  // A bilinear function has no third derivative; sums of K and of M N terms are rounded.
  const error = { thirdDerivative: 0, terms: K + M * N + 2, size: sizeOf(upstream, bound) * 2 ** 24 };

  it('matmul_nn is the triple loop', () => {
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let sum = 0;
        for (let k = 0; k < K; k++) sum += a[m * K + k]! * b[k * N + n]!;
        expect(c[m * N + n]).toBe(sum);
      }
    }
  });

  it("matmul_nt is the gradient by nn's left factor", () => {
    const dA = matmulNT(upstream, b, { M, K: N, N: K }).value;
    expectGradient('dA', dA, a, (x) => dot(upstream, matmulNN(x, b, { M, K, N }).value), error);
  });

  it("matmul_tn is the gradient by nn's right factor", () => {
    const dB = matmulTN(a, upstream, { M: K, K: M, N }).value;
    expectGradient('dB', dB, b, (x) => dot(upstream, matmulNN(a, x, { M, K, N }).value), error);
  });

  it('the three are one product of differently laid out factors', () => {
    const transposed = (x: Float64Array, rows: number, columns: number) =>
      x.map((_, i) => x[(i % rows) * columns + Math.floor(i / rows)]!);
    expect(matmulNT(a, transposed(b, K, N), { M, K, N }).value).toEqual(c);
    expect(matmulTN(transposed(a, M, K), b, { M, K, N }).value).toEqual(c);
  });
});

describe.each([
  [1, 1],
  [5, 3],
  [3, 7],
])('B = %i, F = %i, seed = 10 B + F', (B, F) => {
  const random = new Random(10 * B + F);
  const x = normals64(random, B * F);
  const upstream = normals64(random, B * F);
  const linear = (y: ArrayLike<number>) => ({
    thirdDerivative: 0,
    terms: B * F + 3,
    size: sizeOf(upstream, y) + B * F,
  });

  it('column_sum is the gradient by a bias', () => {
    const bias = normals64(random, F);
    const loss = (v: Float64Array) => dot(upstream, biasAdd(x, v, { B, F }).value);
    const y = biasAdd(x, bias, { B, F }).value;
    expectGradient('dBias', columnSum(upstream, { B, F }).value, bias, loss, linear(y));
  });

  it('relu_backward is the gradient by the input of relu_forward', () => {
    // Away from the kink, where the derivative jumps.
    const input = x.map((v) => v + Math.sign(v) * 2 * H);
    const y = reluForward(input).value;
    const loss = (v: Float64Array) => dot(upstream, reluForward(v).value);
    expectGradient('dX', reluBackward(y, upstream).value, input, loss, linear(y));
  });

  it('label_rows_grad is the gradient by the rows of label_rows_add', () => {
    const C = 4;
    const rows = normals64(random, C * F);
    const bias = normals64(random, F);
    const y = Uint32Array.from({ length: B }, () => random.below(C - 1)); // class 3 never occurs
    const add = (r: Float64Array, b = bias, v = x) => labelRowsAdd(v, r, b, y, { B, F }).value;
    const error = linear(add(rows));
    const dRows = labelRowsGrad(upstream, y, { B, F, C }).value;
    expectGradient('dRows', dRows, rows, (v) => dot(upstream, add(v)), error);
    expect([...dRows.subarray(3 * F)]).toEqual(new Array(F).fill(0));
    const dBias = columnSum(upstream, { B, F }).value;
    expectGradient('dBias', dBias, bias, (v) => dot(upstream, add(rows, v)), error);
    expectGradient('dX', upstream, x, (v) => dot(upstream, add(rows, bias, v)), error);
  });

  it('squared_error_grad is the gradient by the prediction of the summed squares', () => {
    const goal = normals64(random, B * F);
    const loss = (v: Float64Array) => v.reduce((sum, p, i) => sum + (p - goal[i]!) ** 2, 0);
    const error = { thirdDerivative: 0, terms: B * F + 3, size: loss(x) };
    expectGradient('dPrediction', squaredErrorGrad(x, goal).value, x, loss, error);
  });
});

describe.each([
  [1, 1],
  [1, 10],
  [5, 3],
  [3, 7],
])('softmax and cross-entropy, B = %i, C = %i, seed = 10 B + C', (B, C) => {
  const random = new Random(10 * B + C);
  const logits = normals64(random, B * C).map((v) => 3 * v);
  const labels = Uint32Array.from({ length: B }, () => random.below(C));
  const upstream = normals64(random, B);
  const { largest, sum, loss } = softmaxXentForward(logits, labels, { B, C });
  const perSample = softmaxXentBackward(logits, labels, { B, C }).value;
  const logSums = Float64Array.from(largest.value, (m, b) => m + Math.log(sum.value[b]!));

  it('softmax_xent_backward, weighted by sample, is the gradient of softmax_xent_forward', () => {
    const dLogits = perSample.map((v, i) => v * upstream[Math.floor(i / C)]!);
    const forward = (v: Float64Array) => dot(upstream, softmaxXentForward(v, labels, { B, C }).loss.value);
    // The third derivative of a log-sum-exp by one logit is p (1 - p) (1 - 2 p), below 0.1.
    const most = Math.max(...upstream.map(Math.abs));
    const size = sizeOf(upstream, logSums) + sizeOf(upstream, loss.value) + dot(upstream, upstream);
    expectGradient('dLogits', dLogits, logits, forward, {
      thirdDerivative: 0.1 * most,
      terms: C + B + 5,
      size: size + B,
    });
  });

  it("each sample's gradient adds up to 0", () => {
    for (let b = 0; b < B; b++) {
      const sum = perSample.subarray(b * C, (b + 1) * C).reduce((total, v) => total + v, 0);
      expect(Math.abs(sum)).toBeLessThan(1e-14);
    }
  });

  it('shifting all logits of a sample shifts its largest logit and nothing else', () => {
    const shifted = softmaxXentForward(
      logits.map((v) => v + 100),
      labels,
      { B, C },
    );
    for (let b = 0; b < B; b++) {
      expect(Math.abs(shifted.largest.value[b]! - largest.value[b]! - 100)).toBeLessThan(1e-12);
      expect(Math.abs(shifted.sum.value[b]! - sum.value[b]!)).toBeLessThan(1e-12);
      expect(Math.abs(shifted.loss.value[b]! - loss.value[b]!)).toBeLessThan(1e-12);
    }
  });
});

describe('the comparison itself', () => {
  it('fails a gradient that is off by a millionth', () => {
    const at = Float64Array.of(1, 2, 3);
    const error = { thirdDerivative: 0, terms: 5, size: 14 };
    const loss = (x: Float64Array) => dot(x, x);
    expectGradient('2 x', [2, 4, 6], at, loss, error);
    expect(() => expectGradient('2 x', [2, 4.000001, 6], at, loss, error)).toThrow('2 x: [1] is 4.000001');
    expect(() => expectGradient('2 x', [2, Number.NaN, 6], at, loss, error)).toThrow('2 x: [1] is NaN');
  });
});
