import { describe, expect, test } from 'vitest';
import { BatchOrder } from '../../src/data/batches.ts';
import { expectInputError } from './files.ts';

/** The first `batches` batches as one stream of row indices. */
function stream(count: number, batchSize: number, seed: number, batches: number): number[] {
  const order = new BatchOrder(count, batchSize, seed);
  const out = new Uint32Array(batches * batchSize);
  for (let i = 0; i < batches; i++) order.next(out, i * batchSize);
  return Array.from(out);
}

const sorted = (rows: number[]) => [...rows].sort((a, b) => a - b);
const identity = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('order', () => {
  test.each([
    [10, 10],
    [10, 5],
    [10, 3],
    [7, 4],
    [1, 1],
    [101, 100],
    [13, 1],
  ])('%i rows in batches of %i: every epoch holds each row once', (count, batchSize) => {
    const epochs = 6;
    const rows = stream(count, batchSize, 1, Math.ceil((epochs * count) / batchSize));
    for (let epoch = 0; epoch < epochs; epoch++) {
      expect(sorted(rows.slice(epoch * count, (epoch + 1) * count))).toEqual(identity(count));
    }
  });

  test('epochs differ from each other, and none is in file order', () => {
    const rows = stream(50, 50, 2, 3);
    const epochs = [0, 1, 2].map((e) => rows.slice(e * 50, (e + 1) * 50).join());
    expect(new Set([identity(50).join(), ...epochs]).size).toBe(4);
  });

  test('one seed gives one stream, wherever batches are cut and however a table is filled', () => {
    const expected = stream(20, 6, 3, 10);
    expect(stream(20, 6, 3, 10)).toEqual(expected);
    expect(stream(20, 6, 4, 10)).not.toEqual(expected);
    expect(stream(20, 4, 3, 15)).toEqual(expected);

    const order = new BatchOrder(20, 6, 3);
    const found: number[] = [];
    for (const batches of [1, 4, 2, 3]) {
      const table = new Uint32Array(1 + batches * 6).fill(99);
      for (let i = 0; i < batches; i++) order.next(table, 1 + i * 6);
      expect(table[0]).toBe(99); // nothing is written before the offset
      found.push(...table.subarray(1));
    }
    expect(found).toEqual(expected);
  });

  test('the stream of a seed never changes', () => {
    // Fixed, so that a recorded run can be repeated with a later version; computed by
    // the same independent program as random.test.ts's.
    expect(stream(10, 5, 42, 4)).toEqual([2, 4, 9, 3, 7, 8, 5, 6, 1, 0, 2, 8, 5, 1, 4, 0, 7, 9, 3, 6]);
  });

  test('MNIST-sized: after 3 epochs each row has been seen 3 times', () => {
    const seen = new Uint8Array(55_000);
    for (const row of stream(55_000, 250, 5, 660)) seen[row]++;
    expect(seen.every((times) => times === 3)).toBe(true);
  });
});

describe('refuses', () => {
  test('a batch larger than the data', async () => {
    await expectInputError(
      () => new BatchOrder(100, 256, 1),
      'batch size (--batch): expected at most the 100 training samples of the data, found 256',
    );
  });

  test('sizes and seeds that are none', async () => {
    for (const bad of [0, -1, 1.5, Number.NaN]) {
      await expectInputError(
        () => new BatchOrder(10, bad, 1),
        `batch size: expected a positive integer, found ${bad}`,
      );
      await expectInputError(
        () => new BatchOrder(bad, 1, 1),
        `batches: expected a positive number of training samples, found ${bad}`,
      );
    }
    await expectInputError(
      () => new BatchOrder(10, 5, -1),
      'seed: expected an integer from 0 to 4294967295, found -1',
    );
  });

  test('a table without room', () => {
    const order = new BatchOrder(10, 4, 1);
    for (const offset of [1, 5, -1, 0.5])
      expect(() => order.next(new Uint32Array(4), offset)).toThrow(RangeError);
    order.next(new Uint32Array(4), 0);
  });
});
