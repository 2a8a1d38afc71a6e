import { ResidentSamples } from '../data/resident.ts';
import { InputError } from '../errors.ts';
import { Plan } from '../gpu/plan.ts';
import type { Mlp } from '../nn/mlp.ts';
import { argmax } from '../reference/metrics.ts';
import { tensorFrom } from '../tensor.ts';

/** Samples predicted at a time. */
const BATCH = 500;

/**
 * The class of each sample, by the network as it is at evaluation (running statistics).
 * `values` are (samples, inputs), row-major: bytes, which are scaled by 1/255, or floats.
 *
 * @throws InputError when `values` is no whole number of samples.
 */
export async function predict(net: Mlp, values: Uint8Array | Float32Array): Promise<Uint8Array> {
  const { gpu } = net;
  const { inputs, classes } = net.shape;
  const count = values.length / inputs;
  if (!Number.isInteger(count) || count < 1) {
    throw new InputError(
      `predict: expected a whole number of samples of ${inputs} values, found ${values.length} values`,
    );
  }
  const predicted = new Uint8Array(count);
  const scale = values instanceof Uint8Array ? 1 / 255 : 1;
  for (let first = 0; first < count; first += BATCH) {
    const n = Math.min(BATCH, count - first);
    const part = values.subarray(first * inputs, (first + n) * inputs);
    const samples = { count: n, features: inputs, values: part, scale, labels: new Uint8Array(n) };
    const resident = new ResidentSamples(gpu, 'predict', samples);
    const plan = new Plan(gpu, 'predict');
    try {
      const rows = plan.own(
        tensorFrom(
          gpu,
          'predict.rows',
          [1, n],
          Uint32Array.from({ length: n }, (_, i) => i),
        ),
      );
      const step = plan.tensor('predict.step', [1], 'u32');
      const logits = net.evaluate(plan, resident.gather(plan, n, { rows, step }).x);
      await plan.ready();
      plan.submit();
      const numbers = new Float32Array(await gpu.read(logits.buffer));
      for (let b = 0; b < n; b++) predicted[first + b] = argmax(numbers, b * classes, classes);
    } finally {
      plan.destroy();
      resident.destroy();
    }
  }
  return predicted;
}
