import { ceilDiv } from '../gpu/kernel.ts';
import type { Constants } from '../gpu/shader.ts';

/** Most workgroups that WebGPU promises in one dimension of a grid. */
const MOST = 65535;

/**
 * A grid for n invocations in workgroups of WG. It spills into y where x would be too long; the shaders count
 * `(group.y * groups.x + group.x) * WG + local` and skip what is past the end.
 */
export function linear(n: number, { WG }: Constants): readonly [number, number] {
  const groups = ceilDiv(n, WG!);
  const x = Math.min(groups, MOST);
  return [x, ceilDiv(groups, x)];
}

/** A grid of workgroups that own COLS neighbouring columns each. */
export function columns(F: number, { COLS }: Constants): readonly [number, number] {
  return [ceilDiv(F, COLS!), 1];
}
