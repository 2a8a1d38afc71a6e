import { type CheckReport, explain } from '../src/gpu/check.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { Plan } from '../src/gpu/plan.ts';
import { peakCopy, peakFma } from '../src/kernels/peaks.ts';
import { tensorFrom } from '../src/tensor.ts';
import { CheckFailedError } from './paper.ts';
import { LEAST_REPEATS, mapSpread, type Spread } from './suites/suite.ts';
import { type PlanTime, timeOf, timePlan } from './suites/timing.ts';

/** What a device can do at most, as two microbenchmarks measured it: what other kernels' percentages are of. */
export interface Peaks {
  /** Median GFLOP/s of chains of float32 multiply-adds in registers. */
  readonly gflops: number;
  /** Median GB/s (10^9 bytes, read and written) of a copy. */
  readonly gbs: number;
  /** The same with their spreads. */
  readonly spread: { readonly gflops: Spread; readonly gbs: Spread };
  /** Bytes that one copy reads and as many that it writes, so that one may judge which caches they leave. */
  readonly copyBytes: number;
  /** Seconds of one dispatch, by the host's clock (which the figures above are by) and by the device's own. */
  readonly times: { readonly fma: PlanTime; readonly copy: PlanTime };
}

/** Invocations of the multiply-add kernel: many times what a large GPU holds at once; a few milliseconds on a CPU. */
const INVOCATIONS = { gpu: 2 ** 20, cpu: 2 ** 14 };

/** Bytes of the copy's two tensors each: five times the cache of the largest GPUs; twice that of a processor. */
const COPY_BYTES = { gpu: 2 ** 28, cpu: 2 ** 26 };

/** Floats of the copy that is compared with its twin element by element. */
const CHECKED = 2 ** 16;

/** The factor and the summand of the chains: they run towards 1. */
const CHAIN = { a: 0.999, b: 0.001 };

/** Fails when what a kernel wrote is not what its twin says: nothing is timed then. */
function expectPassed({ tensors, passed }: CheckReport): void {
  const wrong = tensors.find((t) => t.out > 0);
  if (!passed) throw new CheckFailedError(`peaks: ${wrong ? explain(wrong) : 'a check failed'}`);
}

/** Floats that differ from each other, without a random number for each: a stretch of them again and again. */
function filling(n: number): Float32Array {
  const stretch = Math.min(n, 2 ** 16 - 1);
  const data = new Float32Array(n);
  for (let i = 0; i < stretch; i++) data[i] = Math.fround(Math.sin(i + 1));
  for (let done = stretch; done < n; done *= 2) data.copyWithin(done, 0, Math.min(done, n - done));
  return data;
}

async function measureFma(gpu: Gpu, repeats: number): Promise<{ flops: number; time: PlanTime }> {
  const plan = new Plan(gpu, 'peak_fma');
  try {
    const params = { n: INVOCATIONS[gpu.isCpu ? 'cpu' : 'gpu'], ...CHAIN };
    const y = plan.tensor('peak.y', [params.n]);
    plan.dispatch(peakFma, { label: 'peak_fma', params, tensors: { y } });
    await plan.ready();
    expectPassed(await plan.encodeChecked());
    return { flops: plan.flops(), time: await timePlan(gpu, plan, { repeats }) };
  } finally {
    plan.destroy();
  }
}

/** Checks one copy of n floats: against its twin where that is quick, bit for bit otherwise. */
async function measureCopy(gpu: Gpu, n: number, repeats: number): Promise<PlanTime> {
  const plan = new Plan(gpu, 'peak_copy');
  try {
    const data = filling(n);
    const x = plan.own(tensorFrom(gpu, 'peak.x', [n], data));
    const y = plan.tensor('peak.copy', [n]);
    plan.dispatch(peakCopy, { label: 'peak_copy', params: { n }, tensors: { x, y } });
    await plan.ready();
    if (n <= CHECKED) expectPassed(await plan.encodeChecked());
    else plan.submit();
    const got = Buffer.from(await gpu.read(y.buffer));
    if (!got.equals(Buffer.from(data.buffer))) {
      throw new CheckFailedError(`peaks: peak_copy of ${n} floats is not what was copied`);
    }
    return await timePlan(gpu, plan, { repeats });
  } finally {
    plan.destroy();
  }
}

/** What {@link measurePeaks} may be told. */
export interface PeakOptions {
  readonly repeats?: number;
  /** Bytes that the copy reads, and as many that it writes. */
  readonly copyBytes?: number;
}

/**
 * Measures what a device computes and moves at most. Both kernels are compared with their twins first; the copy is
 * checked bit for bit at its full size too.
 *
 * @throws CheckFailedError when a kernel does not do what its twin does
 */
export async function measurePeaks(gpu: Gpu, options: PeakOptions = {}): Promise<Peaks> {
  const { repeats = LEAST_REPEATS, copyBytes = COPY_BYTES[gpu.isCpu ? 'cpu' : 'gpu'] } = options;
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.limits;
  const n = 4 * Math.floor(Math.min(copyBytes, maxBufferSize, maxStorageBufferBindingSize) / 16);
  await measureCopy(gpu, CHECKED, 1);
  const { flops, time: fma } = await measureFma(gpu, repeats);
  const copy = await measureCopy(gpu, n, repeats);
  const gflops = mapSpread(timeOf(fma), (seconds) => flops / seconds / 1e9);
  const gbs = mapSpread(timeOf(copy), (seconds) => peakCopy.bytes({ n }) / seconds / 1e9);
  return {
    gflops: gflops.median,
    gbs: gbs.median,
    spread: { gflops, gbs },
    copyBytes: 4 * n,
    times: { fma, copy },
  };
}
