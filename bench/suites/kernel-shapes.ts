import { Random } from '../../src/data/random.ts';
import type { KernelSpec, Params } from '../../src/gpu/kernel.ts';
import * as ladder from '../../src/kernels/matmul-ladder.ts';
import * as overhead from '../../src/kernels/overhead.ts';
import * as peaks from '../../src/kernels/peaks.ts';
import { type Content, makeContents, shapeForm } from '../profile-inputs.ts';

/** At the sizes of the paper's network, or at sizes that fill a device. */
export type Size = 'network' | 'large';

/** A kernel's shape at a size, written as `syngrad profile --shape` has it; or why it is not measured there. */
export type Shape = { readonly shape: string } | { readonly leftOut: string };

/**
 * Shapes by the names of their numbers: at the network's sizes (batch 256, 784 inputs, 256 features, 10 classes), and
 * large ones for a GPU and for a CPU driver.
 */
const SHAPES: Readonly<Record<string, readonly [network: string, gpu: string, cpu: string]>> = {
  '': ['1', '', ''],
  B: ['256', '65536', '65536'],
  BxC: ['256x10', '4096x1024', '1024x1024'],
  BxF: ['256x256', '4096x4096', '1024x1024'],
  BxFxC: ['256x256x10', '4096x4096x10', '1024x1024x10'],
  BxI: ['256x784', '4096x3072', '1024x3072'],
  MxKxN: ['256x256x256', '1024x1024x1024', '1024x1024x1024'],
  n: ['65536', '16777216', '2097152'],
  rowsxcolumnsxatxstridexat_yxstride_y: ['256x10x1x10x1x12', '65536x62x1x62x1x64', '16384x62x1x62x1x64'],
  nxdelay: ['65536x2', '4194304x2', '1048576x2'],
};

/** The weights of the first layer: the largest parameter. */
const WEIGHTS = 784 * 256;

/** Kernels that the network has at other sizes. */
const AT_NETWORK: Readonly<Record<string, string>> = {
  // The forward product of the first layer and its gradient by the weights; dX has no larger one than 256 x 256 x 256.
  matmul_nn: '256x784x256',
  matmul_nn_cpu: '256x784x256',
  matmul_tn: '784x256x256',
  matmul_tn_cpu: '784x256x256',
  // The output layer's.
  bias_add: '256x10',
  // The samples' losses.
  finite_flag: '256',
  adam: `${WEIGHTS}`,
  sgd: `${WEIGHTS}`,
  momentum: `${WEIGHTS}`,
};

const ELSEWHERE: readonly (readonly [room: object, where: string])[] = [
  [ladder, 'it is a rung of the ladder'],
  [overhead, 'the suite overhead measures it'],
  [peaks, 'it is what percentages are of'],
];

/** The same kernel for drivers that run on the CPU, if there is one; else for GPUs, if it is one for the CPU. */
function otherForm(spec: KernelSpec, all: readonly KernelSpec[]): 'cpu' | 'gpu' | undefined {
  if (spec.file.endsWith('_cpu')) return 'gpu';
  return all.some(({ file }) => file === `${spec.file}_cpu`) ? 'cpu' : undefined;
}

/** The shape that a kernel is measured at. */
export function shapeOf(spec: KernelSpec, size: Size, isCpu: boolean, all: readonly KernelSpec[]): Shape {
  const room = ELSEWHERE.find(([specs]) => (Object.values(specs) as unknown[]).includes(spec));
  if (room) return { leftOut: room[1] };
  const shapes = SHAPES[shapeForm(spec)];
  if (!shapes) {
    return {
      leftOut: 'the rows of the fused schedules have it, in each form that the device can run',
    };
  }
  const [network, onGpu, onCpu] = shapes;
  if (size === 'network') return { shape: AT_NETWORK[spec.file] ?? network };
  const other = otherForm(spec, all);
  if (other === 'cpu' && isCpu) return { leftOut: 'CPU drivers take its other form' };
  if (other === 'gpu' && !isCpu) return { leftOut: 'GPUs take its other form' };
  const large = isCpu ? onCpu : onGpu;
  return large === '' ? { leftOut: 'it has no sizes' } : { shape: large };
}

/** The size that contents grow with: the samples, or the elements. */
const grown = (params: Params): 'B' | 'n' | undefined =>
  'B' in params ? 'B' : 'n' in params ? 'n' : undefined;

/** Up to where contents are made up in full, and how much of larger ones. */
const WHOLE = { B: 256, n: 2 ** 18 };
const SMALL = { B: 64, n: 2 ** 16 };

/** The same numbers again and again, up to `length` of them. */
function repeated(data: Content, length: number): Content {
  if (length <= data.length) return data.slice(0, length);
  const all = data instanceof Float32Array ? new Float32Array(length) : new Uint32Array(length);
  all.set(data);
  for (let done = data.length; done < length; done *= 2)
    all.copyWithin(done, 0, Math.min(done, length - done));
  return all;
}

/**
 * Seeded contents of a kernel's buffers. Those of large shapes repeat what a smaller batch has, since it takes seconds
 * to draw as many numbers: how long a buffer is in which size is seen from two smaller ones.
 */
export function contentsOf(
  spec: KernelSpec,
  params: Params,
  seed: number,
): Readonly<Record<string, Content>> {
  const by = grown(params);
  if (by === undefined || params[by]! <= WHOLE[by]) return makeContents(spec, params, seed);
  const at = (size: number) => makeContents(spec, { ...params, [by]: size }, seed);
  const [once, twice] = [at(SMALL[by]), at(2 * SMALL[by])];
  return Object.fromEntries(
    Object.entries(once).map(([name, data]) => {
      const each = (twice[name]!.length - data.length) / SMALL[by];
      return [name, repeated(twice[name]!, data.length + each * (params[by]! - SMALL[by]))];
    }),
  );
}

/** Seeded numbers between -1/2 and 1/2, for matrices of any size. */
export function uniforms(seed: number, n: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: n }, () => random.uniform() - 0.5);
}
