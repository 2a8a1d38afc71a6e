import { kernelsSuite } from './kernels.ts';
import { overheadSuite } from './overhead.ts';
import { peersSuite } from './peers.ts';
import { stepSuite } from './step.ts';
import type { Suite } from './suite.ts';

/** Every suite there is, by its name: `syngrad bench <name>`. */
export const suites: ReadonlyMap<string, Suite> = new Map(
  ([overheadSuite, kernelsSuite, stepSuite, peersSuite] as unknown as Suite[]).map((suite) => [
    suite.name,
    suite,
  ]),
);
