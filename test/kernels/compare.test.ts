import { describe, expect, it } from 'vitest';
import { compare, explain } from '../../src/gpu/check.ts';
import type { KernelSpec } from '../../src/gpu/kernel.ts';
import { Plan } from '../../src/gpu/plan.ts';
import { columnSum } from '../../src/kernels/bias.ts';
import * as matmul from '../../src/kernels/matmul.ts';
import { reluBackward, reluForward } from '../../src/kernels/relu.ts';
import { tensorFrom } from '../../src/tensor.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, normals, Random, unwritten } from '../support/kernel.ts';

const device = useDevice();
const { NaN: NAN, POSITIVE_INFINITY: INF, NEGATIVE_INFINITY: MINUS } = Number;
const of = (...values: number[]) => Float64Array.from(values);

/** What compare says of one number. */
const one = (got: number, expected: number, bound: number) =>
  compare(of(got), { value: of(expected), bound: of(bound) });

describe('compare', () => {
  it('passes what is on the bound and fails what is just beyond it', () => {
    expect(one(1.5, 1, 0.5)).toMatchObject({ out: 0, worst: 1 });
    expect(one(1.5 + Number.EPSILON, 1, 0.5).out).toBe(1);
    expect(one(0.5, 1, 0.5)).toMatchObject({ out: 0, worst: 1 });
    expect(one(0.5 - Number.EPSILON, 1, 0.5).out).toBe(1);
  });

  it('allows nothing where the twin is exact', () => {
    expect(one(1, 1, 0)).toMatchObject({ out: 0, worst: 0 });
    expect(one(1 + Number.EPSILON, 1, 0)).toMatchObject({ out: 1, worst: INF });
    expect(one(-0, 0, 0).out).toBe(0);
  });

  it.each([
    [NAN, 0],
    [0, NAN],
    [INF, 0],
    [0, INF],
    [INF, MINUS],
    [MINUS, INF],
    [NAN, INF],
    [INF, NAN],
  ])('fails %d where %d was expected, infinitely far out, whatever the bound', (got, expected) => {
    for (const bound of [0, 1, 1e300, INF, NAN]) {
      // A finite number is within an infinite bound of another; a non-finite one is within none.
      expect(one(got, expected, bound), `bound ${bound}`).toMatchObject({ out: 1, worst: INF });
    }
  });

  it('fails a number that is off where the bound is no number', () => {
    expect(one(1, 2, NAN)).toMatchObject({ out: 1, worst: INF });
  });

  it.each([NAN, INF, MINUS])('passes %d where it was expected', (value) => {
    expect(one(value, value, 0)).toMatchObject({ out: 0, worst: 0 });
  });

  it('refuses a twin of another length, shorter or longer', () => {
    const want = { value: of(1, 2), bound: of(0, 0) };
    expect(() => compare(of(1), want)).toThrow('the twin returned 2 elements for a tensor of 1');
    expect(() => compare(of(1, 2, 3), want)).toThrow('the twin returned 2 elements for a tensor of 3');
  });

  it('counts all that are out and points at the worst', () => {
    const got = of(1, 2.1, 3, 4.5, NAN, 5.9);
    const want = { value: of(1, 2, 3, 4, 5, 6), bound: of(0, 1, 0, 0.1, 1, 0.01) };
    const result = compare(got, want);
    expect(result).toMatchObject({ elements: 6, out: 3, worst: INF });
    expect(result.at).toEqual({ index: 4, got: NAN, expected: 5, bound: 1 });
    const finite = compare(of(1, 2.5, 9), { value: of(1, 2, 3), bound: of(0, 0.25, 1) });
    expect(finite).toMatchObject({ out: 2, worst: 6, at: { index: 2, got: 9, expected: 3, bound: 1 } });
  });

  it('compares integers as integers', () => {
    const want = { value: of(7, 4294967295), bound: of(0, 0) };
    expect(compare(Uint32Array.of(7, 4294967295), want).out).toBe(0);
    expect(compare(Uint32Array.of(7, 4294967294), want)).toMatchObject({ out: 1, at: { index: 1 } });
  });
});

describe('a report of a failure', () => {
  it('names the dispatch, kernel, tensor, worst index, expected, got, bound and how many were out', () => {
    const check = { dispatch: 'layer1.z.matmul', kernel: 'matmul_nn', tensor: 'layer1.z' };
    const result = compare(of(1, 2, 9, 4), { value: of(1, 2, 3, 3.5), bound: of(0, 0, 0.5, 0.25) });
    expect(explain({ ...check, ...result })).toBe(
      'layer1.z.matmul (matmul_nn): 2 of 4 elements of layer1.z are out of bound; ' +
        'the worst is [2]: expected 3, got 9, bound 0.5',
    );
  });
});

describe('kernels that are wrong', () => {
  /** The kernel of one spec held against the twin of another. */
  const disguised = <P extends string, B extends string>(
    spec: KernelSpec<P, B>,
    twin: KernelSpec<P, B>['twin'],
  ): KernelSpec<P, B> => ({ ...spec, twin });

  it.each([
    [matmul.matmulNN, matmul.matmulNT],
    [matmul.matmulNT, matmul.matmulNN],
    [matmul.matmulTN, matmul.matmulNN],
    [matmul.matmulNNCpu, matmul.matmulTN],
  ])('a product with a factor transposed fails, seed 31', async ({ ...spec }, { twin }) => {
    const [M, K, N] = [5, 7, 6];
    const random = new Random(31);
    const contents = { a: normals(random, M * K), b: normals(random, K * N), c: unwritten(M * N) };
    const run = expectTwin(device.gpu, disguised(spec, twin), { M, K, N }, contents);
    await expect(run).rejects.toThrow(/out of bound; the worst is \[\d+\]: expected .*, got .*, bound /);
  });

  it('a sum that misses one row fails, seed 32', async () => {
    const [B, F] = [257, 3];
    const spec = disguised(columnSum, (p, t, c) => columnSum.twin({ ...p, B: p.B - 1 }, t, c));
    const contents = { x: normals(new Random(32), B * F), total: unwritten(F) };
    await expect(expectTwin(device.gpu, spec, { B, F }, contents)).rejects.toThrow(
      '3 of 3 elements of total',
    );
  });

  it('a grid that is one workgroup short fails, seed 33', async () => {
    const n = 129;
    const spec: typeof reluForward = { ...reluForward, grid: () => [2, 1] };
    const contents = { x: normals(new Random(33), n), y: unwritten(n) };
    await expect(expectTwin(device.gpu, spec, { n }, contents)).rejects.toThrow(
      '1 of 129 elements of y are out of bound; the worst is [128]',
    );
  });

  it('a twin that forgets a tensor is an error', async () => {
    const spec = disguised(reluForward, () => ({}));
    const contents = { x: unwritten(1), y: unwritten(1) };
    const run = expectTwin(device.gpu, spec, { n: 1 }, contents);
    await expect(run).rejects.toThrow("the twin of relu_forward returns nothing for 'y'");
  });

  it('a plan reports the dispatch that is wrong and passes the others, whose inputs it has read back', async () => {
    const plan = new Plan(device.gpu, 'three steps');
    try {
      const n = 5;
      const x = plan.own(tensorFrom(device.gpu, 'x', [n], Float32Array.of(1, -2, 3, -4, 5)));
      const [y, dX, again] = ['y', 'dX', 'again'].map((label) => plan.tensor(label, [n]));
      const wrong = disguised(reluBackward, (p, t, c) =>
        reluBackward.twin(p, { ...t, dY: t.dY.map((v) => -v) }, c),
      );
      plan.dispatch(reluForward, { label: 'first', params: { n }, tensors: { x, y: y! } });
      plan.dispatch(wrong, { label: 'second', params: { n }, tensors: { y: y!, dY: x, dX: dX! } });
      plan.dispatch(reluForward, { label: 'third', params: { n }, tensors: { x: dX!, y: again! } });
      await plan.ready();
      const report = await plan.encodeChecked();
      expect(report.passed).toBe(false);
      expect(report.tensors.map((t) => [t.dispatch, t.tensor, t.out])).toEqual([
        ['first', 'y', 0],
        ['second', 'dX', 3],
        ['third', 'again', 0],
      ]);
      expect(report.failures).toEqual([
        'second (relu_backward): 3 of 5 elements of dX are out of bound; ' +
          'the worst is [0]: expected -1, got 1, bound 0',
      ]);
    } finally {
      plan.destroy();
    }
  });
});
