import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/sgd.ts';
import { exact } from '../reference/twin.ts';
import { linear } from './grids.ts';

/** One step of stochastic gradient descent. */
export const sgd = defineKernel({
  file: 'sgd',
  params: { n: 'u32', scale: 'f32' },
  buffers: { dP: 'read', table: 'read', step: 'read', flag: 'read', p: 'read_write' },
  grid: ({ n }, c) => linear(n, c),
  flops: ({ n }) => 3 * n,
  bytes: ({ n }) => 12 * n,
  twin: ({ scale }, t) => {
    if (t.flag[0] !== 0) return { p: exact(Float64Array.from(t.p)) };
    return { p: twin.sgd(t.dP, t.p, { scale, stepSize: t.table[2 * t.step[0]!]! }) };
  },
});

/** One step of gradient descent with momentum. */
export const momentum = defineKernel({
  file: 'momentum',
  params: { n: 'u32', scale: 'f32', mu: 'f32' },
  buffers: { dP: 'read', table: 'read', step: 'read', flag: 'read', p: 'read_write', v: 'read_write' },
  grid: ({ n }, c) => linear(n, c),
  flops: ({ n }) => 5 * n,
  bytes: ({ n }) => 20 * n,
  twin: ({ scale, mu }, t) => {
    if (t.flag[0] !== 0) return { p: exact(Float64Array.from(t.p)), v: exact(Float64Array.from(t.v)) };
    return twin.momentum(t.dP, t.p, t.v, { scale, mu, stepSize: t.table[2 * t.step[0]!]! });
  },
});
