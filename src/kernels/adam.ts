import { defineKernel } from '../gpu/kernel.ts';
import * as twin from '../reference/adam.ts';
import { exact } from '../reference/twin.ts';
import { linear } from './grids.ts';

/** One Adam update of a parameter. */
export const adam = defineKernel({
  file: 'adam',
  params: { n: 'u32', scale: 'f32', beta1: 'f32', beta2: 'f32', rate: 'f32' },
  buffers: {
    dP: 'read',
    table: 'read',
    step: 'read',
    flag: 'read',
    p: 'read_write',
    m: 'read_write',
    v: 'read_write',
  },
  grid: ({ n }, c) => linear(n, c),
  flops: ({ n }) => 13 * n,
  bytes: ({ n }) => 28 * n,
  twin: (k, t) => {
    if (t.flag[0] !== 0) {
      return {
        p: exact(Float64Array.from(t.p)),
        m: exact(Float64Array.from(t.m)),
        v: exact(Float64Array.from(t.v)),
      };
    }
    const row = 2 * t.step[0]!;
    return twin.adam(t.dP, t.p, t.m, t.v, {
      ...k,
      stepSize: k.rate * t.table[row]!,
      epsHat: t.table[row + 1]!,
    });
  },
});
