import type { KernelSpec } from '../gpu/kernel.ts';
import * as adam from './adam.ts';
import * as batchnorm from './batchnorm.ts';
import * as bias from './bias.ts';
import * as copyRows from './copy-rows.ts';
import * as delay from './delay.ts';
import * as fused from './fused.ts';
import * as gather from './gather.ts';
import * as labelRows from './label-rows.ts';
import * as matmul from './matmul.ts';
import * as matmulLadder from './matmul-ladder.ts';
import * as metrics from './metrics.ts';
import * as mix from './mix.ts';
import * as overhead from './overhead.ts';
import * as peaks from './peaks.ts';
import * as relu from './relu.ts';
import * as sgd from './sgd.ts';
import * as sigmoid from './sigmoid.ts';
import * as softmaxXent from './softmax-xent.ts';
import * as squaredError from './squared-error.ts';

/** A room may have more to offer than its specs. */
const isSpec = (exported: unknown): exported is KernelSpec =>
  typeof exported === 'object' && exported !== null && 'file' in exported;

/** Every kernel there is: one for each file `shaders/*.wgsl`, in the order in which a training step meets them. */
export const kernels: readonly KernelSpec[] = [
  gather,
  matmul,
  bias,
  batchnorm,
  relu,
  softmaxXent,
  metrics,
  labelRows,
  sigmoid,
  squaredError,
  mix,
  delay,
  adam,
  sgd,
  copyRows,
  fused,
  peaks,
  overhead,
  matmulLadder,
].flatMap((room) => Object.values(room).filter(isSpec));
