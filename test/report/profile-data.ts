import type { WorkPart } from '../../src/gpu/kernel.ts';
import type { DispatchTime } from '../../src/gpu/profile.ts';
import { elapsed } from '../../src/gpu/profile.ts';
import { layerRows } from '../../src/report/profile/layers.ts';
import {
  type MethodProfile,
  PROFILE_SCHEMA_VERSION,
  type ProfileOrigin,
  type ProfileRecord,
  type Roof,
} from '../../src/report/profile/record.ts';
import { gpuSecondsOf, kernelRows, rooflineSeconds, timedDispatches } from '../../src/report/profile/rows.ts';
import { inspectTimestamps } from '../../src/report/profile/timestamps.ts';

/** A made-up device: a multiply-add takes a hundredth of the time of a byte. */
export const ROOF: Roof = {
  ...{ gflops: 1000, gbs: 10, dispatchSeconds: 2e-6 },
  spread: {
    gflops: { median: 1000, p10: 950, p90: 1010, repeats: 5 },
    gbs: { median: 10, p10: 9, p90: 11, repeats: 5 },
  },
};

/** Label, kernel, microseconds, operations and bytes of a step's dispatches. */
export const STEP = [
  ['batch.gather', 'gather', 10, 0, 80_000],
  ['layer1.z.matmul', 'matmul', 100, 50_000_000, 600_000],
  ['layer1.h.relu', 'relu', 20, 10_000, 80_000],
  ['layer2.z.matmul', 'matmul', 300, 200_000_000, 600_000],
  ['layer2.h.relu', 'relu', 40, 10_000, 80_000],
  ['step.advance', 'advance', 5, 1, 12],
] as const;

/** Nanoseconds of dispatch i in step s. */
type Times = (i: number, s: number) => number;

/** Some steps as timestamps tell of them: each dispatch 1001 ns behind the one before. */
export function profiledSteps(
  count: number,
  time: Times = (i, s) => 1000 * STEP[i]![2] + s,
): DispatchTime[][] {
  let now = 1_000_000_007n;
  return Array.from({ length: count }, (_, s) =>
    STEP.map(([label, kernel, , flops, bytes], i) => {
      const ticks = [now, now + BigInt(time(i, s))] as const;
      now = (ticks[1] > now ? ticks[1] : now) + 1001n;
      const info = { label, kernel, grid: [8, 2], constants: { WG: 64 }, flops, bytes } as const;
      return { ...info, ticks, nanoseconds: elapsed(ticks) };
    }),
  );
}

const part = (of: string, role: string, flops: number, bytes: number): WorkPart => ({
  ...{ of, role, flops, bytes },
  shape: '8x8x8',
});

/** Label, microseconds and parts of the dispatches of a wave of two layers: of the last one a layer has all. */
export const WAVE = [
  [
    'wave.forward',
    400,
    [
      part('layer1', 'FORWARD', 50_000_000, 300_000),
      part('layer2', 'FORWARD', 10_000_000, 200_000),
      part('sg1', 'TEACH', 40_000_000, 500_000),
    ],
  ],
  [
    'wave.backward',
    200,
    [
      part('layer1', 'GRAD', 30_000_000, 400_000),
      part('layer2', 'GRAD', 6_000_000, 50_000),
      part('layer2', 'PULL', 4_000_000, 50_000),
    ],
  ],
  ['layer2.forward', 50, [part('layer2', 'FORWARD', 20_000_000, 100_000)]],
] as const;

/** Some steps of {@link WAVE} as timestamps tell of them. */
export function waveSteps(count: number): DispatchTime[][] {
  let now = 5_000n;
  return Array.from({ length: count }, () =>
    WAVE.map(([label, us, parts]) => {
      const ticks = [now, now + 1000n * BigInt(us)] as const;
      now = ticks[1] + 1001n;
      const sum = (of: (part: WorkPart) => number) => parts.reduce((all, p) => all + of(p), 0);
      const work = { flops: sum((p) => p.flops), bytes: sum((p) => p.bytes), parts };
      const info = { label, kernel: 'fused_layers', grid: [8, 1], constants: {}, ...work } as const;
      return { ...info, ticks, nanoseconds: elapsed(ticks) };
    }),
  );
}

export const ORIGIN: ProfileOrigin = {
  schemaVersion: PROFILE_SCHEMA_VERSION,
  date: '2026-01-02T03:04:05.006Z',
  device: {
    kind: 'gpu',
    name: 'Tester 9000',
    vendor: 'tester',
    architecture: 'test',
    driver: 'test driver 1.0',
    backend: 'vulkan',
    origin: 'system',
  },
  dawn: '0.6.2',
  node: 'v20.20.2',
  version: '0.1.0',
  commit: null,
  host: { cpus: 16, load: 0.5 },
  roof: ROOF,
  timing: 'timestamps',
};

/** The profile of a method whose steps took so long. */
export function methodProfile(steps = profiledSteps(5), part: Partial<MethodProfile> = {}): MethodProfile {
  const timestamps = inspectTimestamps(steps.flat());
  const dispatches = timedDispatches(steps, timestamps);
  return {
    method: 'bp',
    schedule: 'layered',
    check: {
      method: 'bp',
      passed: true,
      dispatches: 6,
      tensors: 9,
      worst: 0.5,
      shape: { batch: 256, hidden: 256, layers: 4 },
      failures: [],
    },
    unprofiled: {
      steps: 256,
      stepsPerSecond: { median: 2000, p10: 1900, p90: 2100, repeats: 5 },
      hostSeconds: 2e-6,
    },
    steps: steps.length,
    dispatchesPerStep: dispatches.length,
    gpuSeconds: gpuSecondsOf(dispatches),
    spanSeconds: 480e-6,
    profiledWallSeconds: 600e-6,
    rooflineSeconds: dispatches.reduce((sum, d) => sum + rooflineSeconds(d, ROOF), 0),
    timestamps,
    slopes: null,
    dispatches,
    kernels: kernelRows(dispatches, ROOF),
    layers: layerRows(dispatches, ROOF),
    ...part,
  };
}

/** The record of a profile of some methods. */
export const profileRecord = (methods: readonly MethodProfile[]): ProfileRecord => ({
  kind: 'steps',
  ...ORIGIN,
  config: {
    methods: methods.map(({ method }) => method),
    schedule: 'layered',
    steps: 5,
    batch: 256,
    hidden: 256,
    layers: 4,
    seed: 1,
    optimizer: 'adam',
    data: 'MNIST',
  },
  methods,
});
