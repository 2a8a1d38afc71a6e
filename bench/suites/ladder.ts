import { Random } from '../../src/data/random.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { KernelSpec } from '../../src/gpu/kernel.ts';
import { Plan } from '../../src/gpu/plan.ts';
import type { Constants } from '../../src/gpu/shader.ts';
import { matmulNN, matmulNNCpu } from '../../src/kernels/matmul.ts';
import * as ladder from '../../src/kernels/matmul-ladder.ts';
import { matmulNN as twin } from '../../src/reference/matmul.ts';
import { type Tensor, tensorFrom, writeTensor } from '../../src/tensor.ts';
import { CheckFailedError } from '../paper.ts';
import type { Peaks } from '../peaks.ts';
import { uniforms } from './kernel-shapes.ts';
import { type Failed, type Rate, rateOf, tooLong, unlessWrong } from './measured.ts';
import { type PlanTime, timePlan } from './timing.ts';

/** A product's sizes: C (M, N) = A (M, K) B (K, N). */
export interface ProductShape {
  readonly M: number;
  readonly K: number;
  readonly N: number;
}

/** One rung: a kernel, with its own constants or others. */
export interface Rung {
  readonly name: string;
  /** What it has that the one before has not. */
  readonly adds: string;
  readonly for: 'gpu' | 'cpu' | 'both';
  readonly spec: KernelSpec<'M' | 'K' | 'N', 'a' | 'b' | 'c'>;
  readonly constants: Constants;
}

/** The rungs, from the ground up: those for GPUs, then those for CPU drivers. Every device climbs all of them. */
export const RUNGS: readonly Rung[] = [
  {
    name: 'matmul_naive',
    adds: 'one invocation an element',
    for: 'both',
    spec: ladder.matmulNaive,
    constants: {},
  },
  {
    name: 'matmul_tiled',
    adds: '16 x 16 tiles in workgroup memory',
    for: 'gpu',
    spec: ladder.matmulTiled,
    constants: {},
  },
  {
    name: 'matmul_nn',
    adds: '4 x 4 elements a thread in registers',
    for: 'gpu',
    spec: matmulNN,
    constants: {},
  },
  {
    name: 'matmul_nn, 64 x 64 tiles',
    adds: 'each number loaded for 64 uses, not 32',
    for: 'gpu',
    spec: matmulNN,
    constants: { TILE_M: 64, TILE_N: 64, TILE_K: 16 },
  },
  {
    name: 'matmul_vec4',
    adds: 'four numbers a load, and no transposition',
    for: 'gpu',
    spec: ladder.matmulVec4,
    constants: {},
  },
  {
    name: 'matmul_block8',
    adds: '8 x 8 elements a thread, 128 x 128 tiles',
    for: 'gpu',
    spec: ladder.matmulBlock8,
    constants: {},
  },
  {
    name: 'matmul_prefetch',
    adds: 'the next slices loaded meanwhile',
    for: 'gpu',
    spec: ladder.matmulPrefetch,
    constants: {},
  },
  {
    name: 'matmul_split',
    adds: 'k split among four teams of 64 threads, 32 x 32 tiles',
    for: 'gpu',
    spec: ladder.matmulSplit,
    constants: {},
  },
  {
    name: 'matmul_nn_cpu',
    adds: '8 rows x 4 columns a lane, no barrier',
    for: 'cpu',
    spec: matmulNNCpu,
    constants: {},
  },
  {
    name: 'matmul_vec4_cpu',
    adds: 'four numbers a load, 4 rows x 8 columns a lane',
    for: 'cpu',
    spec: ladder.matmulVec4Cpu,
    constants: {},
  },
];

/** A rung at a shape: measured, or left out with the reason. */
export type RungAt = { readonly rung: string; readonly shape: string } & (
  | (Rate & {
      readonly time: PlanTime;
      /** Elements compared with float64, and the largest error as a share of the bound. */
      readonly checked: { readonly elements: number; readonly worst: number };
    })
  | { readonly leftOut: string }
);

/** The sides of the blocks of C that one element each is checked of, where all would take too long. */
const BLOCK = 64;

/** Multiply-adds up to which every element is compared with its twin. */
const ALL = 64e6;

export const nameOf = ({ M, K, N }: ProductShape): string => `${M}x${K}x${N}`;

/** An element of C as float64 has it. */
interface Expected {
  readonly m: number;
  readonly n: number;
  readonly value: number;
  readonly bound: number;
}

/** Rows and columns of C to check where all would take too long: a random one of each block, and the corners. */
function* sample({ M, N }: ProductShape): Generator<readonly [m: number, n: number]> {
  const random = new Random(64);
  for (let m = 0; m < M; m += BLOCK) {
    for (let n = 0; n < N; n += BLOCK) {
      yield [Math.min(M - 1, m + random.below(BLOCK)), Math.min(N - 1, n + random.below(BLOCK))];
    }
  }
  for (const m of [0, M - 1]) for (const n of [0, N - 1]) yield [m, n];
}

/** Elements of C by the float64 twin, once for all rungs: every one, or a sample of large products. */
export function expectedOf(a: Float32Array, b: Float32Array, shape: ProductShape): Expected[] {
  const { M, K, N } = shape;
  if (M * K * N <= ALL) {
    const { value, bound } = twin(a, b, shape);
    return Array.from(value, (v, i) => ({ m: Math.floor(i / N), n: i % N, value: v, bound: bound[i]! }));
  }
  const column = new Float64Array(K);
  return Array.from(sample(shape), ([m, n]) => {
    for (let k = 0; k < K; k++) column[k] = b[k * N + n]!;
    const { value, bound } = twin(a.subarray(m * K, (m + 1) * K), column, { M: 1, K, N: 1 });
    return { m, n, value: value[0]!, bound: bound[0]! };
  });
}

/** Compares C with what is expected of it; fails at the first element that is out of its bound. */
export function checkProduct(
  what: string,
  c: Float32Array,
  { N }: ProductShape,
  expected: readonly Expected[],
): { elements: number; worst: number } {
  let worst = 0;
  for (const { m, n, value, bound } of expected) {
    const got = c[m * N + n]!;
    const ratio = Math.abs(got - value) / bound;
    // What is not finite is out of every bound.
    if (!(ratio <= 1)) {
      throw new CheckFailedError(
        `ladder: ${what}: C[${m}, ${n}] should be ${value}, within ${bound}, and is ${got}`,
      );
    }
    worst = Math.max(worst, ratio);
  }
  return { elements: expected.length, worst };
}

/** The tensors of a product, shared by all rungs. */
interface Product {
  readonly shape: ProductShape;
  readonly expected: readonly Expected[];
  readonly tensors: { readonly a: Tensor; readonly b: Tensor; readonly c: Tensor };
}

async function measureRung(
  gpu: Gpu,
  rung: Rung,
  product: Product,
  peaks: Peaks,
  repeats: number,
  least: number | undefined,
): Promise<RungAt> {
  const { shape, expected, tensors } = product;
  const plan = new Plan(gpu, rung.name);
  try {
    plan.dispatch(rung.spec, {
      label: rung.name,
      params: { ...shape },
      tensors,
      constants: rung.constants,
    });
    await plan.ready();
    // What the rung before has left there would be right.
    writeTensor(gpu, tensors.c, new Float32Array(tensors.c.size).fill(Number.NaN));
    plan.submit();
    const c = new Float32Array(await gpu.read(tensors.c.buffer));
    const checked = checkProduct(`${rung.name} at ${nameOf(shape)}`, c, shape, expected);
    const time = await timePlan(gpu, plan, { repeats, least });
    const rate = rateOf(rung.spec.flops({ ...shape }), rung.spec.bytes({ ...shape }), time, peaks);
    return { rung: rung.name, shape: nameOf(shape), ...rate, time, checked };
  } finally {
    plan.destroy();
  }
}

/** What {@link climb} needs. */
export interface ClimbOptions {
  readonly gpu: Gpu;
  readonly peaks: Peaks;
  readonly repeats: number;
  /** Seconds that the smallest counted submit should take. */
  readonly least?: number | undefined;
  readonly note: (line: string) => void;
  /** Whether nothing is left out for taking long. */
  readonly patient?: boolean;
  /** As of {@link SuiteContext}. */
  readonly failed?: Failed | undefined;
  readonly stopped?: (() => boolean) | undefined;
}

/** A product that is left out as a whole: an entry with the reason for each rung. */
export const leaveOut = (shape: ProductShape, reason: string, rungs: readonly Rung[] = RUNGS): RungAt[] =>
  rungs.map(({ name }) => ({ rung: name, shape: nameOf(shape), leftOut: reason }));

/** Checks and times every rung at every shape, smallest first. */
export async function climb(
  { gpu, peaks, repeats, least, note, patient = false, failed, stopped = () => false }: ClimbOptions,
  shapes: readonly ProductShape[],
  rungs: readonly Rung[] = RUNGS,
): Promise<RungAt[]> {
  const found: RungAt[] = [];
  /** FLOP/s of each rung at the shape before. */
  const before = new Map<string, number>();
  for (const shape of shapes) {
    if (stopped()) break;
    const { M, K, N } = shape;
    const [a, b] = [uniforms(1, M * K), uniforms(2, K * N)];
    const tensors = gpu.allOrNothing(() => ({
      a: tensorFrom(gpu, 'ladder.a', [M, K], a),
      b: tensorFrom(gpu, 'ladder.b', [K, N], b),
      c: tensorFrom(gpu, 'ladder.c', [M, N], new Float32Array(M * N)),
    }));
    try {
      const expected = expectedOf(a, b, shape);
      for (const rung of rungs) {
        if (stopped()) break;
        const perSecond = before.get(rung.name);
        const flops = rung.spec.flops({ ...shape });
        const leftOut = patient || perSecond === undefined ? undefined : tooLong(flops, perSecond, repeats);
        const at: RungAt = {
          ...{ rung: rung.name, shape: nameOf(shape) },
          ...(leftOut === undefined
            ? await unlessWrong(failed, () =>
                measureRung(gpu, rung, { shape, expected, tensors }, peaks, repeats, least),
              )
            : { leftOut }),
        };
        found.push(at);
        if ('gflops' in at) before.set(rung.name, 1e9 * at.gflops);
      }
      const timed = found.filter((at) => at.shape === nameOf(shape) && 'gflops' in at).length;
      note(`ladder: ${timed} of ${rungs.length} rungs at ${nameOf(shape)} checked and timed`);
    } finally {
      for (const tensor of Object.values(tensors)) gpu.release(tensor.buffer);
    }
  }
  return found;
}
