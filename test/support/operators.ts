import { expect } from 'vitest';
import { type KernelSpec, packParams } from '../../src/gpu/kernel.ts';
import { kernels } from '../../src/kernels/index.ts';
import type { Bounded, Numbers } from '../../src/reference/twin.ts';
import { updateRow } from '../../src/train/optimizer.ts';
import type { Content } from './kernel.ts';
import { readFixture } from './safetensors.ts';

/** A case of the fixture `operators`: see test/oracle/single.py. */
export interface OperatorCase {
  readonly name: string;
  /** Kernels that run one after the other on the same buffers, each with its other forms. */
  readonly chain: readonly (readonly string[])[];
  readonly params: Readonly<Record<string, number>>;
  /** How far each of the results may be from PyTorch's float64, in float32. */
  readonly bounds: Readonly<Record<string, number>>;
  readonly twin: 'float64' | 'float32';
}

const { told, tensors } = readFixture('operators');

/** All cases. */
export const operatorCases = told.cases as readonly OperatorCase[];

/** Buffers of a case by name: its inputs, or PyTorch's results in float64. */
export function buffersOf(
  { name, params }: OperatorCase,
  part: 'in' | 'out',
): Map<string, Float32Array | Uint32Array | Float64Array> {
  const prefix = `${name}/${part}/`;
  const found = new Map(
    [...tensors]
      .filter(([label]) => label.startsWith(prefix))
      .map(([label, numbers]) => [
        label.slice(prefix.length),
        numbers as Float32Array | Uint32Array | Float64Array,
      ]),
  );
  const { learningRate, steps } = params;
  if (part === 'in' && learningRate !== undefined && steps !== undefined) {
    const rows = Array.from({ length: steps }, (_, t) => updateRow('adam', learningRate, t + 1));
    found.set('table', Float64Array.from(rows.flatMap(({ stepSize, epsHat }) => [stepSize, epsHat])));
  }
  return found;
}

const byFile = new Map(kernels.map((spec) => [spec.file, spec]));

/** A kernel by the name of its shader. */
export function kernelNamed(file: string): KernelSpec {
  const spec = byFile.get(file);
  if (spec === undefined) throw new Error(`there is no kernel ${file}`);
  return spec;
}

/** The ways to run a case: each kernel in its first form, in its second, and so on, or the last that it has. */
export function waysOf({ chain }: OperatorCase): KernelSpec[][] {
  const most = Math.max(...chain.map((forms) => forms.length));
  return Array.from({ length: most }, (_, way) =>
    chain.map((forms) => kernelNamed(forms[Math.min(way, forms.length - 1)]!)),
  );
}

/** A kernel's own of the params of a case. */
export const paramsFor = (spec: KernelSpec, params: OperatorCase['params']): Record<string, number> =>
  Object.fromEntries(Object.keys(spec.params).map((name) => [name, params[name]!]));

/** Numbers that a kernel writes and PyTorch does not name: of each sample, what a loss keeps for its gradient. */
const keptLength = ({ params }: OperatorCase): number => params.B!;

/** What a kernel finds in its buffers: what is there by now, or room for what it writes. */
export function contentsFor<T>(
  spec: KernelSpec,
  now: ReadonlyMap<string, T>,
  c: OperatorCase,
  room: (n: number, whole: boolean) => T,
): Record<string, T> {
  const roomFor = (name: string) => {
    const out = tensors.get(`${c.name}/out/${name}`);
    return room(out?.length ?? keptLength(c), out instanceof Uint32Array);
  };
  return Object.fromEntries(Object.keys(spec.buffers).map((name) => [name, now.get(name) ?? roomFor(name)]));
}

/** Runs a case on the twins; returns what the buffers hold in the end. */
export function runTwins(c: OperatorCase, chain: readonly KernelSpec[]): Map<string, Numbers> {
  const now = new Map<string, Numbers>(
    [...buffersOf(c, 'in')].map(([name, x]) => [name, x instanceof Uint32Array ? x : Float64Array.from(x)]),
  );
  for (const spec of chain) {
    const room = (n: number) => new Float64Array(n).fill(-12345);
    const exact = paramsFor(spec, c.params);
    const params = c.twin === 'float32' ? packParams(spec, exact).seen : exact;
    const written = spec.twin(params, contentsFor(spec, now, c, room), {});
    for (const [name, { value }] of Object.entries(written as Record<string, Bounded>)) {
      now.set(name, now.get(name) instanceof Uint32Array ? Uint32Array.from(value) : value);
    }
  }
  return now;
}

/** Fails where a result is farther from PyTorch's float64 than `share` of the bound; returns the largest part of it used. */
export function expectPyTorch(
  c: OperatorCase,
  got: ReadonlyMap<string, Content | Numbers>,
  share: number,
): number {
  let worst = 0;
  for (const [name, expected] of buffersOf(c, 'out')) {
    const x = got.get(name)!;
    expect(x, `${c.name}: ${name}`).toHaveLength(expected.length);
    const bound = share * c.bounds[name]!;
    for (let i = 0; i < expected.length; i++) {
      const off = Math.abs(x[i]! - expected[i]!);
      if (!(off <= bound)) {
        expect.fail(
          `${c.name}: ${name}[${i}] is ${x[i]}, PyTorch has ${expected[i]}, bound ${bound}, off by ${off}`,
        );
      }
      if (off > 0) worst = Math.max(worst, off / bound);
    }
  }
  return worst;
}
