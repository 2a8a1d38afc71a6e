import { describe, expect, it } from 'vitest';
import { gatherBytes, gatherFloats, gatherLabels } from '../../src/kernels/gather.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, labels, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();
const STEPS = 3;

/** Bytes as the words that hold them, the last one filled up with 0xff, which nobody may read as data. */
function words(bytes: Uint8Array): Uint32Array {
  const padded = new Uint8Array(4 * Math.ceil(bytes.length / 4)).fill(0xff);
  padded.set(bytes);
  return new Uint32Array(padded.buffer);
}

/** The batches of all steps, with the last sample at the start of each and the first one at its end. */
function batches(random: Random, B: number, samples: number): Uint32Array {
  const rows = labels(random, STEPS * B, samples);
  for (let step = 0; step < STEPS; step++) {
    rows[step * B + B - 1] = 0;
    rows[step * B] = samples - 1;
  }
  return rows;
}

describe.each([
  [1, 1, 1],
  [1, 4, 2],
  [3, 7, 5],
  [7, 3, 9],
  [13, 5, 17],
  [16, 64, 3],
  [65, 9, 11],
  [5, 257, 8],
  [97, 784, 31],
])('B = %i, I = %i, %i samples, seed = 1000 B + I', (B, I, samples) => {
  const random = new Random(1000 * B + I);
  const rows = batches(random, B, samples);
  const perRow = Math.ceil(I / 4);
  const bytes = new Uint32Array(samples * perRow);
  for (let s = 0; s < samples; s++) {
    bytes.set(words(Uint8Array.from({ length: I }, () => random.below(256))), s * perRow);
  }
  const values = normals(random, samples * I);

  it.each([0, 1, STEPS - 1])('gather_bytes, step %i', async (step) => {
    const contents = { bytes, rows, step: Uint32Array.of(step), x: unwritten(B * I) };
    await expectTwin(device.gpu, gatherBytes, { B, I, words: perRow, scale: 1 / 255 }, contents);
  });

  it.each([0, 1, STEPS - 1])('gather_floats, step %i', async (step) => {
    const contents = { values, rows, step: Uint32Array.of(step), x: unwritten(B * I) };
    await expectTwin(device.gpu, gatherFloats, { B, I, scale: 0.37 }, contents);
  });

  it.each([0, 1, STEPS - 1])('gather_labels, step %i', async (step) => {
    const y = words(Uint8Array.from({ length: samples }, (_, s) => (s * 37) & 0xff));
    const contents = { labels: y, rows, step: Uint32Array.of(step), y: new Uint32Array(B).fill(999) };
    await expectTwin(device.gpu, gatherLabels, { B }, contents);
  });
});

describe('by hand', () => {
  const rows = Uint32Array.of(0, 1, 2, 0);
  const step = Uint32Array.of(1);

  it('gather_bytes: bytes lie little-endian, rows are padded to whole words', async () => {
    // Samples of 5 bytes in 2 words: the top three bytes of the second word are padding.
    const bytes = Uint32Array.of(0x04030201, 0xffffff05, 0x14131211, 0xffffff15, 0x24232221, 0xffffff25);
    const contents = { bytes, rows, step, x: unwritten(10) };
    const params = { B: 2, I: 5, words: 2, scale: 1 };
    const { x } = await runKernel(device.gpu, gatherBytes, params, contents);
    expect([...x]).toEqual([0x21, 0x22, 0x23, 0x24, 0x25, 1, 2, 3, 4, 5]);
  });

  it('gather_floats: rows of the step, scaled', async () => {
    const contents = { values: Float32Array.of(1, 2, 10, 20, 100, 200), rows, step, x: unwritten(4) };
    const { x } = await runKernel(device.gpu, gatherFloats, { B: 2, I: 2, scale: 0.5 }, contents);
    expect([...x]).toEqual([50, 100, 0.5, 1]);
  });

  it('gather_labels: every byte of a word, and 255', async () => {
    const contents = {
      labels: words(Uint8Array.of(9, 255, 7, 6, 5)),
      rows: Uint32Array.of(0, 0, 0, 0, 0, 4, 3, 2, 1, 0),
      step,
      y: new Uint32Array(5),
    };
    const { y } = await runKernel(device.gpu, gatherLabels, { B: 5 }, contents);
    expect([...y]).toEqual([5, 6, 7, 255, 9]);
  });
});
