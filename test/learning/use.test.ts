import { describe, expect, it } from 'vitest';
import { makeDataset } from '../../src/data/dataset.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { Mlp } from '../../src/nn/mlp.ts';
import { writeTensor } from '../../src/tensor.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { predict } from '../../src/train/predict.ts';
import { trainBackprop } from '../../src/train/train.ts';
import { useDevice } from '../support/device.ts';

const device = useDevice();

const COUNT = 240;
const labels = Uint8Array.from({ length: COUNT }, (_, i) => i % 3);
const bytes = Uint8Array.from(
  { length: 4 * COUNT },
  (_, k) => (k % 4 === labels[k >> 2] ? 200 : 10) + (k % 31),
);
const dataset = makeDataset({ name: 'three', classes: 3, train: { values: bytes, labels } });
const fresh = () => new Mlp(device.gpu, { inputs: 4, hidden: 8, layers: 3, classes: 3 }, 1);
const options = { steps: 12, batchSize: 32, learningRate: 1e-2 };

/** What went wrong, or nothing. */
const messageOf = (end: PromiseSettledResult<unknown>): string | undefined =>
  end.status === 'rejected' ? (end.reason as Error).message : undefined;

describe('a network is in one training at a time', () => {
  it('a second training, an evaluation and a prediction beside it are refused, and it ends as it does alone', async () => {
    const [alone, net] = [fresh(), fresh()];
    const data = new ResidentDataset(device.gpu, dataset);
    const evaluator = new Evaluator(device.gpu, net, data.test);
    try {
      const expected = await trainBackprop(alone, dataset, options);
      const ends = await Promise.allSettled([
        trainBackprop(net, dataset, options),
        trainBackprop(net, dataset, options),
        evaluator.score(),
        predict(net, bytes.subarray(0, 8)),
      ]);
      expect(ends.map(messageOf)).toEqual([
        undefined,
        'the network is in a training: expected that to be awaited before the next training',
        'the network is in a training: expected that to be awaited before the next evaluation',
        'the network is in a training: expected that to be awaited before the next prediction',
      ]);
      expect(ends[0]).toMatchObject({ value: { status: 'finished', test: expected.test } });
      // It is free again, and what only reads it shares it.
      const [score, classes] = await Promise.all([evaluator.score(), predict(net, bytes.subarray(0, 8))]);
      expect(score).toEqual(expected.test);
      expect(classes).toHaveLength(2);
      expect((await trainBackprop(net, dataset, options)).status).toBe('finished');
    } finally {
      evaluator.destroy();
      data.destroy();
      alone.destroy();
      net.destroy();
    }
  });

  it('is given back by a training that fails', async () => {
    const net = fresh();
    try {
      await expect(trainBackprop(net, dataset, { ...options, learningRate: 1e30 })).rejects.toThrow('finite');
      await expect(predict(net, bytes.subarray(0, 4))).rejects.not.toThrow('is in a training');
    } catch (error) {
      // A prediction that works is as good: the parameters are those before the failure.
      expect((error as Error).message).toContain('resolved');
    } finally {
      net.destroy();
    }
  });
});

describe('what is not finite is no result', () => {
  it('an evaluation whose outputs are not has no accuracy, and a prediction no classes', async () => {
    const net = fresh();
    const data = new ResidentDataset(device.gpu, dataset);
    const evaluator = new Evaluator(device.gpu, net, data.test);
    try {
      writeTensor(device.gpu, net.output.bias.value, Float32Array.of(Number.NaN, 0, 0));
      await expect(evaluator.score()).rejects.toThrow(
        /^evaluation: expected losses that are finite, found an infinity or a NaN among \d+ samples/,
      );
      await expect(predict(net, bytes.subarray(0, 8))).rejects.toThrow(
        'predict: expected outputs that are finite, found an infinity or a NaN at sample 0',
      );
    } finally {
      evaluator.destroy();
      data.destroy();
      net.destroy();
    }
  });

  it('values that are not finite are refused with their sample', async () => {
    const net = fresh();
    try {
      const values = Float32Array.of(1, 2, 3, 4, 1, Number.POSITIVE_INFINITY, 3, 4);
      await expect(predict(net, values)).rejects.toThrow(
        'predict: expected values that are finite, found an infinity or a NaN at sample 1',
      );
    } finally {
      net.destroy();
    }
  });
});

describe('arrays of a caller', () => {
  it("a canvas's bytes are bytes, and other kinds are refused by name", async () => {
    const net = fresh();
    try {
      const want = await predict(net, bytes);
      expect(await predict(net, new Uint8ClampedArray(bytes))).toEqual(want);
      for (const [kind, values] of Object.entries({
        Int16Array: Int16Array.from(bytes),
        Uint32Array: Uint32Array.from(bytes),
        Float64Array: Float64Array.from(bytes),
        Array: [...bytes],
      })) {
        await expect(predict(net, values as never)).rejects.toThrow(
          `predict: expected values in a Uint8Array or Float32Array, found ${kind}`,
        );
      }
      const clamped = makeDataset({
        name: 'canvas',
        classes: 3,
        train: { values: new Uint8ClampedArray(bytes) as never, labels },
      });
      expect(clamped.train.scale).toBe(1 / 255);
      expect(clamped.train.values).toEqual(dataset.train.values);
    } finally {
      net.destroy();
    }
  });
});
