import type { Gpu } from '../../src/gpu/gpu.ts';
import { Plan } from '../../src/gpu/plan.ts';
import { ReadbackPool } from '../../src/gpu/readback.ts';
import { tick } from '../../src/kernels/overhead.ts';
import { type Tensor, writeTensor } from '../../src/tensor.ts';
import { CheckFailedError } from '../paper.ts';
import { line, repeat, type Spread, spread } from './suite.ts';

/** Seconds that one more of something other than a dispatch costs, until it is done. */
export interface OtherCost {
  readonly what: string;
  readonly seconds: Spread;
  readonly counts: readonly number[];
}

/** How many times each thing is done: the points of the slopes. */
const FEW = [1, 2, 4, 8, 16, 32];

/** Floats of the large readback: 1 MiB. */
const LARGE = 2 ** 18;

/** What is in some tensors of one u32 each. */
export async function readClocks(gpu: Gpu, clocks: readonly Tensor[]): Promise<number[]> {
  const pool = new ReadbackPool(gpu, 'clocks', clocks);
  try {
    const pending = gpu.submit('clocks', (encoder) => pool.copy(encoder));
    return (await pending.read()).map((bytes) => new Uint32Array(bytes)[0]!);
  } finally {
    pool.destroy();
  }
}

/** Takes what a readback has brought: the `i`-th of a run. */
type See = (bytes: ArrayBuffer, i: number) => void;

/** Something to be timed. */
interface Other {
  readonly what: string;
  /** Does it so many times, each with one dispatch that counts, and waits. Bytes that nobody sees are dropped. */
  run(count: number, see?: See): Promise<void>;
  /** Of something that reads back: what the i-th readback of a run should bring, when so many dispatches had been submitted before the run. */
  expected?(i: number, before: number): Uint32Array;
}

/**
 * Fails unless a readback brought, word by word, what was on the device.
 *
 * @throws CheckFailedError, which names the first word that differs
 */
export function checkReadback(what: string, bytes: ArrayBuffer, expected: Uint32Array): void {
  if (bytes.byteLength !== expected.byteLength) {
    throw new CheckFailedError(
      `overhead: ${what}: ${expected.byteLength} bytes should come back, and ${bytes.byteLength} came`,
    );
  }
  const words = new Uint32Array(bytes);
  const at = expected.findIndex((word, i) => word !== words[i]);
  if (at < 0) return;
  throw new CheckFailedError(
    `overhead: ${what}: word ${at} of what came back should be ${expected[at]}, and is ${words[at]}`,
  );
}

/** Times something that is done `count` times and then waited for: the slope over the counts. */
async function slopeOf(
  what: string,
  repeats: number,
  run: (count: number) => Promise<void>,
): Promise<OtherCost> {
  const slopes = await repeat({ repeats }, async () => {
    const points: [number, number][] = [];
    for (const count of FEW) {
      const began = performance.now();
      await run(count);
      points.push([count, (performance.now() - began) / 1e3]);
    }
    return line(points).slope;
  });
  return { what, seconds: spread(slopes), counts: FEW };
}

/**
 * Submits, passes, waits and readbacks, each with one tick in it. Before one is timed it is done once, and what its ticks
 * have counted and what it has read back are compared with what they should be; the count once more afterwards.
 *
 * @throws CheckFailedError when something differs
 */
export async function measureOthers(
  gpu: Gpu,
  repeats: number,
): Promise<{ others: OtherCost[]; counted: number }> {
  const plan = new Plan(gpu, 'others');
  const pools: ReadbackPool[] = [];
  const times = (count: number, run: () => void) => {
    for (let i = 0; i < count; i++) run();
  };
  try {
    const clock = plan.tensor('clock', [1], 'u32');
    const large = plan.tensor('large', [LARGE], 'u32');
    // Words that all differ, so that none can stand for another.
    const written = Uint32Array.from({ length: LARGE }, (_, i) => 2654435761 * (i + 1));
    writeTensor(gpu, large, written);
    plan.dispatch(tick, { label: 'tick', params: {}, tensors: { clock } });
    await plan.ready();
    const readback = (what: string, tensor: Tensor, expected: NonNullable<Other['expected']>): Other => {
      const pool = new ReadbackPool(gpu, what, [tensor]);
      pools.push(pool);
      const run = async (count: number, see?: See) => {
        for (let i = 0; i < count; i++) {
          const [bytes] = await plan.submitAndRead(1, pool).read();
          see?.(bytes!, i);
        }
      };
      return { what, run, expected };
    };
    const all: readonly Other[] = [
      {
        what: 'a pass of one dispatch, in one submit',
        run: (count) => {
          gpu.submit('passes', (encoder) => times(count, () => plan.encode(encoder)));
          return gpu.idle();
        },
      },
      {
        what: 'a submit of one dispatch',
        run: (count) => {
          times(count, () => plan.submit());
          return gpu.idle();
        },
      },
      {
        what: 'a submit of one dispatch, waited for',
        run: async (count) => {
          for (let i = 0; i < count; i++) {
            plan.submit();
            await gpu.idle();
          }
        },
      },
      readback('a submit of one dispatch, and 4 bytes read back', clock, (i, before) =>
        Uint32Array.of(before + i + 1),
      ),
      readback('a submit of one dispatch, and 1 MiB read back', large, () => written),
    ];

    let submitted = 0;
    const expectCounted = async (what: string) => {
      const [counted] = await readClocks(gpu, [clock]);
      if (counted === submitted) return;
      throw new CheckFailedError(
        `overhead: ${what}: ${submitted} dispatches were submitted so far, and ${counted} ran`,
      );
    };
    const others: OtherCost[] = [];
    for (const { what, run, expected } of all) {
      const before = submitted;
      const counting = (count: number, see?: See) => {
        submitted += count;
        return run(count, see);
      };
      await counting(FEW.at(-1)!, (bytes, i) => checkReadback(what, bytes, expected!(i, before)));
      await expectCounted(what);
      others.push(await slopeOf(what, repeats, (count) => counting(count)));
      await expectCounted(what);
    }
    return { others, counted: submitted };
  } finally {
    for (const pool of pools) pool.destroy();
    plan.destroy();
  }
}
