// A peer for tests: the float64 twin of a whole step, right or wrong in the way that the variant says.

import { readJob, serve } from '../../bench/peers/serve.mjs';
import { adamCorrection } from '../../src/reference/adam.ts';
import { bpStep } from '../../src/reference/step-rules.ts';

await serve(async (job) => {
  const { variant, batch: B, shape, adam } = job;
  const data = readJob(job);
  let tensors = new Map();
  data.below.forEach((layer, i) => {
    for (const name of ['W', 'gamma', 'beta'])
      tensors.set(`layer${i + 1}.${name}`, Float64Array.from(layer[name].values));
    tensors.set(`layer${i + 1}.runningMean`, new Float64Array(shape.hidden));
    tensors.set(`layer${i + 1}.runningVar`, new Float64Array(shape.hidden).fill(1));
  });
  for (const name of ['W', 'bias'])
    tensors.set(`layer${shape.layers}.${name}`, Float64Array.from(data.top[name].values));
  const learningRate = variant === 'rate' ? 1.1 * adam.learningRate : adam.learningRate;
  const eps = variant === 'eps' ? 1e-3 : job.batchnorm.eps;

  return {
    about: { version: 'twin', device: 'float64' },
    every: 1,
    step(step) {
      const rows = [...data.batch(variant === 'order' ? step + 1 : step)];
      const value = Float64Array.from(
        { length: B * shape.inputs },
        (_, i) =>
          job.scale * data.images[rows[Math.floor(i / shape.inputs)] * shape.inputs + (i % shape.inputs)],
      );
      const batch = {
        x: { value, bound: new Float64Array(value.length) },
        labels: rows.map((row) => data.labels[row]),
      };
      const { beta1, beta2 } = adam;
      const size = adamCorrection(learningRate, step + 1, adam);
      const constants = { eps, momentum: job.batchnorm.momentum, scale: 1 / B, beta1, beta2, ...size };
      tensors = bpStep(tensors, shape, constants, batch);
      // Printed by a library, as it were.
      console.log(`step ${step}`);
      return tensors.get('loss.mean');
    },
    read: async (loss) => loss[0],
  };
});
