import type { Peaks } from '../../bench/peaks.ts';
import { spread } from '../../bench/suites/suite.ts';

const time = { wall: spread([1]), device: null, counts: [1] };

/** Peaks of a device that nobody has measured: 100 GFLOP/s and 10 GB/s. */
export const PEAKS: Peaks = {
  gflops: 100,
  gbs: 10,
  spread: { gflops: spread([100]), gbs: spread([10]) },
  copyBytes: 1024,
  times: { fma: time, copy: time },
};
