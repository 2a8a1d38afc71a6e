// Peer: jax-js, JAX's interface in JavaScript (https://github.com/ekzhang/jax-js), on its WebGPU and WebAssembly backends.
//
// Its best form, as far as tried: one jit of loss, gradients (valueAndGrad) and Adam together, and one before it that
// gathers a batch from the resident data. The data are resident as bytes, four in a u32 (jax-js has no u8), since all
// of MNIST as floats is more than some devices let be bound. The gather is a jit of its own because jax-js does not
// tile a matrix product into which a gather has been fused. Batch norm is written out and differentiated by jax-js;
// running statistics are not kept, which is less work than syngrad does. On WebGPU a step is dispatched
// (`gpuBuffer()`) without waiting for it; every 16th loss is read, so that not all of a repeat is held in memory.
//
// Variants: webgpu; wasm, in one thread, as Node has it; wasm-threads, with a Worker put there from Node's threads.

import { availableParallelism } from 'node:os';
import { provideNavigator } from '../../src/gpu/navigator.node.ts';
import { load, readJob, serve, versionOf } from './serve.mjs';
import { provideWorker } from './web-worker.mjs';

await serve(async (job) => {
  const { variant, shape, batch: B, scale } = job;
  const { inputs: I, classes: C } = shape;
  const device = variant === 'webgpu' ? 'webgpu' : 'wasm';
  let where = `${availableParallelism()} cores, one thread`;
  if (variant === 'webgpu') {
    const info = await provideNavigator({ adapter: job.adapter, fast: true });
    where = `${info.name}, ${info.driver}`;
  } else if (variant === 'wasm-threads') {
    provideWorker();
    Object.defineProperty(globalThis, 'navigator', {
      value: { hardwareConcurrency: availableParallelism(), userAgent: 'Node.js' },
      configurable: true,
    });
    where = `${availableParallelism()} threads`;
  }

  const jax = load(job, '@jax-js/jax');
  const version = versionOf(job, '@jax-js/jax');
  const { numpy: np, nn, jit, tree, valueAndGrad, blockUntilReady } = jax;
  const available = await jax.init(device);
  if (!available.includes(device))
    throw new Error(`jax-js has no backend ${device} here: it found ${available}`);
  jax.defaultDevice(device);

  const data = readJob(job);
  const words = Math.ceil(I / 4);
  const packed = new Uint8Array(job.samples * words * 4);
  for (let row = 0; row < job.samples; row++) {
    packed.set(data.images.subarray(row * I, (row + 1) * I), row * words * 4);
  }
  const u32 = (values) => np.array(values, { dtype: np.uint32 });
  const images = u32(new Uint32Array(packed.buffer)).reshape([job.samples, words]);
  const labels = np.array(data.labels, { dtype: np.int32 });
  const shifts = u32(Uint32Array.of(0, 8, 16, 24));

  const array = ({ shape, values }) => np.array(values).reshape(shape);
  let params = {
    below: data.below.map(({ W, gamma, beta }) => ({ W: array(W), gamma: array(gamma), beta: array(beta) })),
    top: { W: array(data.top.W), bias: array(data.top.bias) },
  };
  const zeros = () => tree.map((a) => np.zeros(a.shape), tree.ref(params));
  let m = zeros();
  let v = zeros();

  const gather = jit((images, labels, shifts, rows) => {
    const bytes = np
      .bitwiseAnd(
        np.rightShift(np.take(images, rows.ref, 0).reshape([B, words, 1]), shifts),
        u32(Uint32Array.of(255)),
      )
      .reshape([B, 4 * words]);
    const [x, padding] = 4 * words === I ? [bytes] : np.split(bytes, [I], 1);
    padding?.dispose();
    return [x.astype(np.float32).mul(scale), nn.oneHot(np.take(labels, rows, 0), C)];
  });

  const lossOf = ({ below, top }, x, y) => {
    let h = x;
    for (const { W, gamma, beta } of below) {
      const z = np.matmul(h, W);
      const centred = z.ref.sub(np.mean(z, 0));
      const variance = np.mean(np.square(centred.ref), 0);
      const rstd = np.reciprocal(np.sqrt(variance.add(job.batchnorm.eps)));
      h = nn.relu(centred.mul(rstd).mul(gamma).add(beta));
    }
    const logits = np.matmul(h, top.W).add(top.bias);
    return nn
      .logSoftmax(logits)
      .mul(y)
      .sum()
      .mul(-1 / B);
  };

  const { learningRate, beta1, beta2, eps } = job.adam;
  const adam = (p, g, m, v, stepSize, epsHat) => {
    const m1 = m.mul(beta1).add(g.ref.mul(1 - beta1));
    const v1 = v.mul(beta2).add(np.square(g).mul(1 - beta2));
    return [p.sub(m1.ref.mul(stepSize).div(np.sqrt(v1.ref).add(epsHat))), m1, v1];
  };
  // Bias corrections come with the step as two numbers, computed on the host in float64: cheaper than on the device.
  const train = jit((params, m, v, x, y, stepSize, epsHat) => {
    const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(params), x, y);
    const [ps, structure] = tree.flatten(params);
    const [gs, ms, vs] = [gradients, m, v].map((of) => tree.leaves(of));
    const updated = ps.map((p, i) => adam(p, gs[i], ms[i], vs[i], stepSize.ref, epsHat.ref));
    stepSize.dispose();
    epsHat.dispose();
    const part = (k) =>
      tree.unflatten(
        structure,
        updated.map((each) => each[k]),
      );
    return [part(0), part(1), part(2), loss];
  });
  await blockUntilReady([params, m, v, images, labels, shifts]);

  return {
    about: { version: `jax-js ${version}`, device: where },
    every: device === 'webgpu' ? 16 : 1,
    async step(step) {
      const t = step + 1;
      const root = Math.sqrt(1 - beta2 ** t);
      const scalar = (value) => np.array(Float32Array.of(value)).reshape([]);
      const rows = np.array(data.batch(step).slice(), { dtype: np.int32 });
      const [x, y] = gather(images.ref, labels.ref, shifts.ref, rows);
      const stepSize = scalar((learningRate * root) / (1 - beta1 ** t));
      let loss;
      [params, m, v, loss] = train(params, m, v, x, y, stepSize, scalar(eps * root));
      if (device === 'webgpu') await loss.ref.gpuBuffer();
      return loss;
    },
    read: async (loss) => (await loss.data())[0],
    drop: (loss) => loss.dispose(),
  };
});
