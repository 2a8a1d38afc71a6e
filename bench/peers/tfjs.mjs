// Peer: TensorFlow.js (https://github.com/tensorflow/tfjs), on its WebGPU, WebAssembly and plain JavaScript backends.
//
// Its best form, as far as tried: the core operations in one tidy with its own Adam, no layers in between. The data are
// resident, gathered by row in the step: as floats (tfjs has no u8), and only the rows that the table of batches names,
// since all of MNIST as floats is more than some devices let be bound. Batch norm is `moments` and `batchNorm`,
// differentiated by tfjs; running statistics are not kept, which is less work than syngrad does. Steps are dispatched
// without waiting; every 16th loss is read, so that not all of a repeat is held in memory. In Node its WebAssembly
// backend has SIMD but one thread (https://github.com/tensorflow/tfjs/issues/3830).
//
// Variants: webgpu, wasm, cpu.

import { provideNavigator } from '../../src/gpu/navigator.node.ts';
import { load, readJob, serve } from './serve.mjs';

await serve(async (job) => {
  const { variant, shape, scale } = job;
  const { inputs: I, classes: C } = shape;
  let where = 'one thread';
  if (variant === 'webgpu') {
    const info = await provideNavigator({ adapter: job.adapter, fast: true });
    where = `${info.name}, ${info.driver}`;
  }
  const tf = load(job, '@tensorflow/tfjs');
  if (variant !== 'cpu') load(job, `@tensorflow/tfjs-backend-${variant}`);
  if (!(await tf.setBackend(variant))) throw new Error(`tfjs has no backend ${variant} here`);
  await tf.ready();

  const data = readJob(job);
  // The rows that are asked for, each once, and where each of them went.
  const place = new Map();
  for (let step = 0; step < job.table; step++) {
    for (const row of data.batch(step)) if (!place.has(row)) place.set(row, place.size);
  }
  const values = new Float32Array(place.size * I);
  const classes = new Int32Array(place.size);
  for (const [row, at] of place) {
    for (let i = 0; i < I; i++) values[at * I + i] = Math.fround(data.images[row * I + i] * scale);
    classes[at] = data.labels[row];
  }
  const images = tf.tensor2d(values, [place.size, I]);
  const labels = tf.tensor1d(classes, 'int32');

  const variable = ({ shape, values }) => tf.variable(tf.tensor(values, shape));
  const below = data.below.map(({ W, gamma, beta }) => ({
    W: variable(W),
    gamma: variable(gamma),
    beta: variable(beta),
  }));
  const top = { W: variable(data.top.W), bias: variable(data.top.bias) };
  const { learningRate, beta1, beta2, eps } = job.adam;
  const optimizer = tf.train.adam(learningRate, beta1, beta2, eps);

  const lossOf = (x, y) => {
    let h = x;
    for (const { W, gamma, beta } of below) {
      const z = tf.matMul(h, W);
      const { mean, variance } = tf.moments(z, 0);
      h = tf.relu(tf.batchNorm(z, mean, variance, beta, gamma, job.batchnorm.eps));
    }
    return tf.losses.softmaxCrossEntropy(y, tf.add(tf.matMul(h, top.W), top.bias));
  };

  return {
    about: { version: `tfjs ${tf.version.tfjs ?? tf.version_core}`, device: where },
    every: variant === 'webgpu' ? 16 : 1,
    step: (step) =>
      tf.tidy(() => {
        const rows = tf.tensor1d(
          Int32Array.from(data.batch(step), (row) => place.get(row)),
          'int32',
        );
        const x = tf.gather(images, rows);
        const y = tf.cast(tf.oneHot(tf.gather(labels, rows), C), 'float32');
        return optimizer.minimize(() => lossOf(x, y), true);
      }),
    async read(loss) {
      const [value] = await loss.data();
      loss.dispose();
      return value;
    },
    drop: (loss) => loss.dispose(),
  };
});
