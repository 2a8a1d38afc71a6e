import type { AdapterInfo } from '../../gpu/adapters.ts';
import type { WorkPart } from '../../gpu/kernel.ts';
import type { DispatchInfo } from '../../gpu/profile.ts';
import type { CheckRecord } from '../record.ts';

/** Version of the profile's schema. Fields are added under the same number, and none is renamed or removed. */
export const PROFILE_SCHEMA_VERSION = 1;

/** What the device can do at most, as microbenchmarks measured it. */
export interface Roof {
  /** GFLOP/s of float32 multiply-adds. */
  readonly gflops: number;
  /** GB/s (10^9 bytes, read and written) of a copy. */
  readonly gbs: number;
  /** Both over their repeats: where they are wide, so are the shares of the roof. */
  readonly spread: { readonly gflops: Spread; readonly gbs: Spread };
  /** Seconds of a dispatch that does nothing, timed as the others are; null where the clock is too coarse. */
  readonly dispatchSeconds: number | null;
}

/** A figure over its repeats. */
export interface Spread {
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
  readonly repeats: number;
}

/** What a device's timestamps are worth. */
export interface TimestampReport {
  /** Dispatches that were stamped at their begin and their end. */
  readonly pairs: number;
  /** How many of them ended before they began, or have no stamp at all: they count for nothing. */
  readonly outOfOrder: number;
  /** False where too few pairs can be believed to judge the clock by: what follows says nothing then. */
  readonly judged: boolean;
  /** Nanoseconds by which the clock moves on at a time; null where too few stamps tell. */
  readonly resolution: number | null;
  /** True where that is so coarse that short dispatches have no time. */
  readonly quantised: boolean;
}

/** What wall-clock slopes are worth. */
export interface SlopeReport {
  /** Pairs of wall-clock times that a slope was laid through. */
  readonly pairs: number;
  /** How many of the slopes were zero or negative: they count for nothing. */
  readonly notPositive: number;
}

/** One dispatch of a step, with its time over all profiled steps. */
export interface TimedDispatch extends DispatchInfo {
  /** Times a step that it is run: 1, unless steps differ. */
  readonly calls: number;
  /** Seconds; null where no timestamp of it can be believed. */
  readonly seconds: Spread | null;
}

/**
 * What a kernel (or a layer) is near to: the most the device computes, or the most it moves; far from both, the time that any
 * dispatch takes, or nothing.
 */
export type Bound = 'compute' | 'memory' | 'latency' | 'neither';

/** A line of a table: all dispatches of one kernel, or of one layer, in a step. */
export interface ProfileRow {
  readonly name: string;
  readonly calls: number;
  /** How many of the calls have a time; the figures below are of these. */
  readonly timed: number;
  readonly seconds: number;
  /** Of the GPU time of all dispatches of the step. */
  readonly share: number;
  /** Whether some of the time is a layer's share, by operations, of a dispatch that does several layers' work. */
  readonly estimated: boolean;
  readonly flops: number;
  readonly bytes: number;
  /** GFLOP/s and GB/s; null without a time. */
  readonly gflops: number | null;
  readonly gbs: number | null;
  /** The time that the roofline allows, as a share of the time taken; above 1 where caches beat the copy, or the roof was measured too low. */
  readonly ofRoofline: number | null;
  readonly bound: Bound | null;
}

/** How fast steps are when nobody looks at their kernels. */
export interface Unprofiled {
  /** Steps in each of the timed chunks. */
  readonly steps: number;
  readonly stepsPerSecond: Spread;
  /** Seconds of the JavaScript thread for each step: tables, encoding and submit. */
  readonly hostSeconds: number;
}

/** One method under the profiler. */
export interface MethodProfile {
  readonly method: string;
  /** `layered`, `fused`, `wave`, or `wave-1`, the wave of one dispatch. */
  readonly schedule: string;
  readonly check: CheckRecord;
  readonly unprofiled: Unprofiled;
  /** Steps that were profiled; 0 where there are no timestamps. */
  readonly steps: number;
  /** Dispatches of a step, and the sum of their times. */
  readonly dispatchesPerStep: number;
  readonly gpuSeconds: number;
  /** Seconds from a step's first timestamp to its last; null without timestamps. */
  readonly spanSeconds: number | null;
  /** Wall-clock seconds of a profiled step; null where nothing was profiled. */
  readonly profiledWallSeconds: number | null;
  /** Seconds a step would take with every dispatch at its roof. */
  readonly rooflineSeconds: number;
  /** Null where dispatches were timed by wall-clock slopes. */
  readonly timestamps: TimestampReport | null;
  /** Null where dispatches were timed by timestamps. */
  readonly slopes: SlopeReport | null;
  readonly dispatches: readonly TimedDispatch[];
  readonly kernels: readonly ProfileRow[];
  readonly layers: readonly ProfileRow[];
}

/** Which versions, on which device. */
export interface ProfileOrigin {
  readonly schemaVersion: typeof PROFILE_SCHEMA_VERSION;
  /** When it began, ISO 8601. */
  readonly date: string;
  readonly device: AdapterInfo;
  /** Version of the npm package `webgpu`, which is Dawn. */
  readonly dawn: string;
  readonly node: string;
  /** Of syngrad. */
  readonly version: string;
  /** Git commit of the checkout, `-dirty` behind it when files differ; null outside a checkout. */
  readonly commit: string | null;
  /** The machine as the profiler found it: its processors, and how many processes wanted to run in the minute before. */
  readonly host: { readonly cpus: number; readonly load: number };
  readonly roof: Roof;
  /** How dispatches were timed. */
  readonly timing: 'timestamps' | 'slopes';
}

/** What the profiled steps are. */
export interface ProfileConfig {
  readonly methods: readonly string[];
  /** As asked for; what a method has is beside its figures. */
  readonly schedule: string;
  readonly steps: number;
  readonly batch: number;
  readonly hidden: number;
  readonly layers: number;
  readonly seed: number;
  readonly optimizer: string;
  readonly data: string;
}

/** What `syngrad profile` found out about steps. The schema is docs/profile.schema.json. */
export interface ProfileRecord extends ProfileOrigin {
  readonly kind: 'steps';
  readonly config: ProfileConfig;
  readonly methods: readonly MethodProfile[];
}

/** One kernel at one shape, alone. */
export interface AloneProfile {
  readonly kernel: string;
  /** Where its code is, from the root of the package. */
  readonly path: string;
  /** Its place in the ladder of matrix products, and what it adds there; null of what is none. */
  readonly rung: string | null;
  readonly params: Readonly<Record<string, number>>;
  /** Of a dispatch that works for several layers: what it does for each. */
  readonly parts?: readonly WorkPart[];
  readonly constants: Readonly<Record<string, number>>;
  readonly grid: readonly [number, number];
  /** The dispatches of a step that have this shape; empty for a shape that was asked for. */
  readonly labels: readonly string[];
  readonly check: {
    /** The params it was checked at; smaller where its twin would take long. */
    readonly params: Readonly<Record<string, number>>;
    readonly tensors: number;
    /** Largest error, as a share of the bound that float32 arithmetic allows. */
    readonly worst: number;
  };
  /** Seconds by timestamps; null where there are none to believe. */
  readonly stamped: Spread | null;
  /** Seconds by wall-clock slope: what one more repeat takes; null where the clock could not tell. */
  readonly slope: Spread | null;
  readonly slopes: SlopeReport;
  readonly timestamps: TimestampReport | null;
  readonly row: ProfileRow;
}

/** What `syngrad profile --kernel` found out. */
export interface KernelRecord extends ProfileOrigin {
  readonly kind: 'kernel';
  readonly seed: number;
  readonly runs: readonly AloneProfile[];
}
