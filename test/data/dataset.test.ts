import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import {
  makeDataset,
  type SampleArrays,
  type Samples,
  split,
  validationCountOf,
} from '../../src/data/dataset.ts';
import { expectInputError, ramp } from './files.ts';

const floats = (count: number, features = 2): SampleArrays => ({
  values: Float32Array.from({ length: count * features }, (_, i) => i / 7),
  labels: ramp(count, 3),
});
const bytes = (count: number, features = 2): SampleArrays => ({
  values: ramp(count * features),
  labels: ramp(count, 3),
});

describe('split', () => {
  const samples: Samples = { ...bytes(7, 3), count: 7, features: 3, scale: 1 / 255 };

  test('carves off the last rows as views', () => {
    const { train, validation } = split(samples, 2);
    expect(train).toMatchObject({ count: 5, features: 3, scale: 1 / 255 });
    expect(validation).toMatchObject({ count: 2, features: 3, scale: 1 / 255 });
    expect(Array.from(train.values)).toEqual(Array.from(ramp(15)));
    expect(Array.from(validation.values)).toEqual([15, 16, 17, 18, 19, 20]);
    expect(Array.from(validation.labels)).toEqual([2, 0]);
    expect(train.values.buffer).toBe(samples.values.buffer);
    expect(validation.labels.buffer).toBe(samples.labels.buffer);
  });

  test.each([0, 7, 8, -1, 1.5, Number.NaN])('refuses to hold out %d of 7', async (count) => {
    await expectInputError(
      () => split(samples, count),
      'validation split: expected to hold out at least 1 sample of 7 and leave at least 1, ' +
        `found a count of ${count}`,
    );
  });

  test('holds out a twelfth, at least 1', () => {
    expect([60_000, 25, 24, 23, 12, 11, 2].map(validationCountOf)).toEqual([5000, 2, 2, 1, 1, 1, 1]);
  });
});

describe('makeDataset', () => {
  test('takes three parts as they are', () => {
    const [train, validation, held] = [floats(9), floats(4), floats(5)];
    const data = makeDataset({ name: 'own', classes: 3, train, validation, test: held });
    expect(data).toMatchObject({ name: 'own', classes: 3, features: 2 });
    expect([data.train.count, data.validation.count, data.test.count]).toEqual([9, 4, 5]);
    expect([data.train.values, data.validation.values, data.test.values]).toEqual(
      [train, validation, held].map((part) => part.values),
    );
    expect(data.train.values).toBe(train.values);
    expect(data.test.scale).toBe(1);
    expect(makeDataset({ name: 'own', classes: 3, train: bytes(9) }).train.scale).toBe(1 / 255);
  });

  test('takes what is left out from the end of train', () => {
    const counts = (data: { train: Samples; validation: Samples; test: Samples }) => [
      data.train.count,
      data.validation.count,
      data.test.count,
    ];
    const train = floats(36, 1);
    const both = makeDataset({ name: 'own', classes: 3, train });
    expect(counts(both)).toEqual([31, 2, 3]); // 36 / 12 = 3 for test, then 33 / 12 = 2 for validation
    expect(Array.from(both.test.values)).toEqual(Array.from(train.values.subarray(33)));
    expect(Array.from(both.validation.values)).toEqual(Array.from(train.values.subarray(31, 33)));
    expect(counts(makeDataset({ name: 'own', classes: 3, train, test: floats(5, 1) }))).toEqual([33, 3, 5]);
    expect(counts(makeDataset({ name: 'own', classes: 3, train, validation: floats(5, 1) }))).toEqual([
      33, 5, 3,
    ]);
  });

  const nan = floats(4);
  nan.values[5] = Number.NaN;
  const infinite = floats(4);
  infinite.values[0] = Number.NEGATIVE_INFINITY;
  const label = floats(4);
  label.labels[2] = 3;

  test.each<[string, SampleArrays, string]>([
    [
      'a row cut short',
      { values: new Float32Array(7), labels: ramp(2) },
      'a multiple of 2 values, one row for each label, found 7',
    ],
    [
      'no values',
      { values: new Float32Array(0), labels: ramp(2) },
      'a multiple of 2 values, one row for each label, found 0',
    ],
    ['no labels', { values: new Float32Array(4), labels: ramp(0) }, 'at least one label, found none'],
    ['a label out of range', label, 'labels from 0 to 2, found label 3 at index 2'],
    ['NaN', nan, 'finite values, found NaN at row 2, column 1'],
    ['infinity', infinite, 'finite values, found -Infinity at row 0, column 0'],
    [
      'a plain array',
      { ...nan, values: [1, 2] } as unknown as SampleArrays,
      'values in a Uint8Array or Float32Array, found Array',
    ],
    [
      'float64',
      { ...nan, values: new Float64Array(8) } as unknown as SampleArrays,
      'values in a Uint8Array or Float32Array, found Float64Array',
    ],
    [
      'labels of 4 bytes',
      { ...nan, labels: new Int32Array(4) } as unknown as SampleArrays,
      'labels in a Uint8Array, found Int32Array',
    ],
  ])('refuses %s', async (_, arrays, message) => {
    await expectInputError(
      () => makeDataset({ name: 'own', classes: 3, train: arrays, test: floats(3) }),
      `data own, train: expected ${message}`,
    );
    await expectInputError(
      () => makeDataset({ name: 'own', classes: 3, train: floats(6), test: arrays }),
      `data own, test: expected ${message}`,
    );
  });

  test('refuses parts that do not match and a wrong number of classes', async () => {
    await expectInputError(
      () => makeDataset({ name: 'own', classes: 3, train: floats(6), test: floats(6, 3) }),
      'data own: expected the 2 features of train in test, found 3',
    );
    await expectInputError(
      () => makeDataset({ name: 'own', classes: 3, train: floats(6), validation: bytes(6) }),
      'data own: expected the Float32Array values of train in validation, found Uint8Array',
    );
    for (const classes of [1, 257, 2.5, Number.NaN]) {
      await expectInputError(
        () => makeDataset({ name: 'own', classes, train: floats(6) }),
        `data own: expected from 2 to 256 classes, found ${classes}`,
      );
    }
  });
});

test('what a browser needs imports nothing of Node', async () => {
  for (const file of ['dataset', 'batches', 'random']) {
    const source = await readFile(new URL(`../../src/data/${file}.ts`, import.meta.url), 'utf8');
    const imports = Array.from(source.matchAll(/from '([^']+)'/g), (match) => match[1]);
    expect(imports.filter((name) => !['../errors.ts', './random.ts'].includes(name))).toEqual([]);
  }
});
