import { exactly } from '../data/dataset.ts';
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
 * A Uint8ClampedArray, as a canvas has it, is bytes too.
 *
 * @throws InputError when `values` are of another kind, no whole number of samples or not finite, when an output is not finite, or
 *   when the network is in a training.
 */
export async function predict(
  net: Mlp,
  values: Uint8Array | Uint8ClampedArray | Float32Array,
): Promise<Uint8Array> {
  const giveBack = net.take('prediction');
  try {
    return await classesOf(net, exactly('predict', values));
  } finally {
    giveBack();
  }
}

async function classesOf(net: Mlp, values: Uint8Array | Float32Array): Promise<Uint8Array> {
  const { gpu } = net;
  const { inputs, classes } = net.shape;
  const count = values.length / inputs;
  if (!Number.isInteger(count) || count < 1) {
    throw new InputError(
      `predict: expected a whole number of samples of ${inputs} values, found ${values.length} values`,
    );
  }
  const refuse = (what: string, sample: number) => {
    throw new InputError(
      `predict: expected ${what} that are finite, found an infinity or a NaN at sample ${sample}`,
    );
  };
  const bad = values instanceof Float32Array ? values.findIndex((v) => !Number.isFinite(v)) : -1;
  if (bad >= 0) refuse('values', Math.floor(bad / inputs));
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
      const lost = numbers.findIndex((v) => !Number.isFinite(v));
      if (lost >= 0) refuse('outputs', first + Math.floor(lost / classes));
      for (let b = 0; b < n; b++) predicted[first + b] = argmax(numbers, b * classes, classes);
    } finally {
      plan.destroy();
      resident.destroy();
    }
  }
  return predicted;
}
