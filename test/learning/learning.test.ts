import { expect, it } from 'vitest';
import { makeDataset } from '../../src/data/dataset.ts';
import { mnistDataset } from '../../src/data/mnist.ts';
import { Mlp } from '../../src/nn/mlp.ts';
import { backprop } from '../../src/train/backprop.ts';
import { cdni } from '../../src/train/cdni.ts';
import { predict } from '../../src/train/predict.ts';
import { train } from '../../src/train/train.ts';
import { useDevice } from '../support/device.ts';

const device = useDevice();
const seed = 1;

// What each rule must reach with seed 1. The worst of seeds 1 to 6 on lavapipe and SwiftShader: bp 0.0089, cdni
// 0.0090; the bars leave about as much room again as the seeds differ by.
it.each([
  { rule: backprop, steps: 60, loss: 0.015 },
  { rule: cdni, steps: 150, loss: 0.02 },
])('$rule.name fits 64 images of MNIST by heart', async ({ rule, steps, loss }) => {
  const { train: all } = await mnistDataset();
  const values = all.values.slice(0, 64 * all.features);
  const labels = all.labels.slice(0, 64);
  const few = { values, labels };
  const dataset = makeDataset({ name: 'few', classes: 10, train: few, validation: few, test: few });
  const net = new Mlp(device.gpu, { inputs: all.features, hidden: 64, layers: 4, classes: 10 }, seed);
  try {
    const { curve } = await train(rule, net, dataset, {
      steps,
      batchSize: 64,
      learningRate: 3e-3,
      evalEvery: 10,
      seed,
    });
    expect(curve.at(-1)!.train.accuracy).toBe(1);
    expect(curve.at(-1)!.train.loss).toBeLessThan(loss);
    expect(await predict(net, values)).toEqual(labels);
  } finally {
    net.destroy();
  }
});
