import type { Gpu } from '../../src/gpu/gpu.ts';
import { Plan } from '../../src/gpu/plan.ts';
import { hasTimestamps, passSeconds } from '../../src/gpu/profile.ts';
import { empty, tick } from '../../src/kernels/overhead.ts';
import type { Tensor } from '../../src/tensor.ts';
import { CheckFailedError } from '../paper.ts';
import { measureOthers, type OtherCost, readClocks } from './overhead-others.ts';
import { overheadTable } from './overhead-table.ts';
import { line, repeat, type Spread, type Suite, type SuiteContext, spread } from './suite.ts';

/** Seconds that one more dispatch costs: slopes over the counts. */
export interface DispatchCost {
  /** `empty` does nothing; `tick` adds one to a counter, so that what has run can be counted. */
  readonly kernel: 'empty' | 'tick';
  /** All dispatches write one buffer, or each has its own. */
  readonly buffers: 'one' | 'each its own';
  /** Pipelines taken in turn. */
  readonly pipelines: 1 | 2;
  /** Of the JavaScript thread, to record it. */
  readonly encode: Spread;
  /** Of the JavaScript thread, to hand it to the driver. */
  readonly submit: Spread;
  /** From the first command recorded until the device is done. */
  readonly total: Spread;
  /**
   * Of the device: between the pass's two timestamps. The host records all dispatches of a pass before the first one runs,
   * so that `total` is this and the host's share. Null without timestamps to trust; absent in records older than this field.
   */
  readonly device?: Spread | null;
}

/** What the suite found. */
export interface OverheadResult {
  /** Dispatches in one pass, the points of the slopes. */
  readonly counts: readonly number[];
  readonly dispatches: readonly DispatchCost[];
  readonly others: readonly OtherCost[];
  /** Dispatches whose runs were counted on the device, all of them as many as were submitted. */
  readonly counted: number;
}

const COUNTS = [64, 128, 256, 512, 1024, 2048, 4096];
const QUICK_COUNTS = [64, 128, 256];

/** The first `count` dispatches of a plan, as a plan; it owns nothing. */
function firstOf(plan: Plan, count: number): Plan {
  const first = new Plan(plan.gpu, `${plan.label} ${count}`);
  first.dispatches.push(...plan.dispatches.slice(0, count));
  return first;
}

/** A plan of `count` dispatches of a kernel, on one buffer or on one each. */
function record(
  gpu: Gpu,
  { kernel, buffers, pipelines }: Pick<DispatchCost, 'kernel' | 'buffers' | 'pipelines'>,
  count: number,
): { plan: Plan; clocks: Tensor[] } {
  const plan = new Plan(gpu, `${kernel} ${buffers} ${pipelines}`);
  const clocks = Array.from({ length: buffers === 'one' ? 1 : count }, (_, i) =>
    plan.tensor(`clock${i}`, [1], kernel === 'tick' ? 'u32' : 'f32'),
  );
  for (let i = 0; i < count; i++) {
    const tensor = clocks[i % clocks.length]!;
    // With another number in it, a shader is another pipeline.
    const number = 1 + (i % pipelines);
    if (kernel === 'tick') {
      const constants = { STEP: number };
      plan.dispatch(tick, { label: 'tick', params: {}, tensors: { clock: tensor }, constants });
    } else {
      plan.dispatch(empty, {
        label: 'empty',
        params: {},
        tensors: { x: tensor },
        constants: { SPARE: number },
      });
    }
  }
  return { plan, clocks };
}

/**
 * Fails unless the clocks show that every dispatch of every submit ran once. `submitted` holds, for each submit, how
 * many dispatches it had.
 */
export function checkClocks(
  clocks: readonly number[],
  submitted: readonly number[],
  pipelines: number,
  what: string,
): void {
  const most = Math.max(...submitted);
  const steps = new Array<number>(clocks.length).fill(0);
  for (let i = 0; i < most; i++) {
    const runs = submitted.filter((count) => count > i).length;
    steps[i % clocks.length]! += runs * (1 + (i % pipelines));
  }
  const wrong = clocks.findIndex((clock, i) => clock !== steps[i]);
  if (wrong < 0) return;
  throw new CheckFailedError(
    `overhead: the dispatches that ran are not those that were submitted (${what}): counter ${wrong} should stand at ` +
      `${steps[wrong]}, and stands at ${clocks[wrong]}`,
  );
}

/** Times one kind of dispatch, and counts those that ran where the kernel can be counted. */
async function measureDispatch(
  gpu: Gpu,
  kind: Pick<DispatchCost, 'kernel' | 'buffers' | 'pipelines'>,
  counts: readonly number[],
  repeats: number,
): Promise<{ cost: DispatchCost; counted: number }> {
  const { plan, clocks } = record(gpu, kind, Math.max(...counts));
  const submitted: number[] = [];
  const check = async () => {
    if (kind.kernel === 'tick')
      checkClocks(await readClocks(gpu, clocks), submitted, kind.pipelines, plan.label);
  };
  try {
    await plan.ready();
    const plans = counts.map((count) => firstOf(plan, count));
    const run = async (part: Plan) => {
      submitted.push(part.dispatches.length);
      const began = performance.now();
      const encoded = gpu.submit(part.label, (encoder) => {
        part.encode(encoder);
        return performance.now();
      });
      const handed = performance.now();
      await gpu.idle();
      return { encode: encoded - began, submit: handed - encoded, total: performance.now() - began };
    };
    for (const part of plans) await run(part);
    await check();
    const ofPass = async (part: Plan): Promise<number> => {
      submitted.push(part.dispatches.length);
      return (await passSeconds(gpu, part, 1)) ?? Number.NaN;
    };
    const slopes = await repeat({ repeats }, async () => {
      const times: Awaited<ReturnType<typeof run>>[] = [];
      for (const part of plans) times.push(await run(part));
      const device: [number, number][] = [];
      if (hasTimestamps(gpu))
        for (const [i, part] of plans.entries()) device.push([counts[i]!, await ofPass(part)]);
      const slope = (of: keyof (typeof times)[number]) =>
        line(times.map((time, i) => [counts[i]!, time[of]] as const)).slope / 1e3;
      return {
        ...{ encode: slope('encode'), submit: slope('submit'), total: slope('total') },
        device: device.length > 0 ? line(device).slope : Number.NaN,
      };
    });
    await check();
    const of = (what: keyof (typeof slopes)[number]) => spread(slopes.map((slope) => slope[what]));
    // Out of order, missing, or too coarse to tell one count from another: nothing to quote.
    const trusted = slopes.every(({ device }) => device > 0);
    const cost = {
      ...kind,
      ...{ encode: of('encode'), submit: of('submit'), total: of('total') },
      device: trusted ? of('device') : null,
    };
    const all = submitted.reduce((sum, count) => sum + count, 0);
    return { cost, counted: kind.kernel === 'tick' ? all : 0 };
  } finally {
    plan.destroy();
  }
}

/** Measures what dispatches, passes, submits, waits and readbacks cost apart from any work. */
export async function measureOverhead(
  { gpu, repeats, note }: Pick<SuiteContext, 'gpu' | 'repeats' | 'note'>,
  counts: readonly number[] = COUNTS,
): Promise<OverheadResult> {
  const dispatches: DispatchCost[] = [];
  let counted = 0;
  for (const kernel of ['empty', 'tick'] as const) {
    for (const buffers of ['one', 'each its own'] as const) {
      for (const pipelines of [1, 2] as const) {
        const found = await measureDispatch(gpu, { kernel, buffers, pipelines }, counts, repeats);
        dispatches.push(found.cost);
        counted += found.counted;
      }
    }
  }
  const rest = await measureOthers(gpu, repeats);
  counted += rest.counted;
  note(
    `checked: ${counted.toLocaleString('en-US')} dispatches were submitted to be counted, and as many ran`,
  );
  return { counts, dispatches, others: rest.others, counted };
}

/** `syngrad bench overhead`. */
export const overheadSuite: Suite<OverheadResult> = {
  name: 'overhead',
  about: 'what a dispatch, a pass, a submit, a wait and a readback cost, apart from any work',
  run: (context) => measureOverhead(context, context.quick ? QUICK_COUNTS : COUNTS),
  table: overheadTable,
};
