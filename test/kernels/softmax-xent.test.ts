import { describe, expect, it } from 'vitest';
import { softmaxXentBackward, softmaxXentForward } from '../../src/kernels/softmax-xent.ts';
import { softmaxXentForward as forwardTwin } from '../../src/reference/softmax-xent.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, labels, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();

/** Runs both kernels against their twins; the backward one gets the log-sum-exp that the forward one should leave. */
async function bothWays(B: number, C: number, logits: Float32Array, y: Uint32Array): Promise<void> {
  const out = { lse: unwritten(B), loss: unwritten(B) };
  await expectTwin(device.gpu, softmaxXentForward, { B, C }, { logits, labels: y, ...out });
  const lse = Float32Array.from(forwardTwin(logits, y, { B, C }).lse.value);
  const dLogits = unwritten(B * C);
  await expectTwin(device.gpu, softmaxXentBackward, { B, C }, { logits, labels: y, lse, dLogits });
}

describe.each([
  [1, 1],
  [1, 10],
  [7, 13],
  [13, 7],
  [63, 10],
  [64, 10],
  [65, 10],
  [101, 2],
  [256, 10],
  [1009, 3],
  [5, 257],
])('B = %i, C = %i, seed = 1000 B + C', (B, C) => {
  // At 80, exp alone would overflow float32; at 10,000, the sum of float64 exponentials would.
  it.each([1e-3, 1, 80, 1e4])('logits of size %d', async (size) => {
    const random = new Random(1000 * B + C);
    await bothWays(
      B,
      C,
      normals(random, B * C).map((v) => size * v),
      labels(random, B, C),
    );
  });
});

describe('rows at the edges', () => {
  it('huge logits, equal logits, one class that dominates, impossible classes', async () => {
    const rows = [
      [80, -80, 80],
      [-80, -80, -80],
      [1e4, -1e4, 0],
      [-1e4, -1e4, -1e4],
      [1e4, 1e4, 1e4],
      [0, 0, 0],
      [30, 0, -30],
      [0, 100, 0],
      [-3e38, 0, -3e38],
      [1e-30, -1e-30, 0],
      [3e38, 3e38, 3e38],
    ];
    for (let label = 0; label < 3; label++) {
      const y = new Uint32Array(rows.length).fill(label);
      await bothWays(rows.length, 3, Float32Array.from(rows.flat()), y);
    }
  });

  it('the loss of an impossible class is finite and as large as the logits say', async () => {
    const logits = Float32Array.of(1e4, -1e4, 0, -3e38);
    const contents = { logits, labels: Uint32Array.of(1, 1), lse: unwritten(2), loss: unwritten(2) };
    const { lse, loss } = await runKernel(device.gpu, softmaxXentForward, { B: 2, C: 2 }, contents);
    // exp(0) may err by 3 ulp and log(1) by 2^-21: 10,000 absorbs both, 0 does not.
    expect(lse[0]).toBe(1e4);
    expect(Math.abs(lse[1]!)).toBeLessThan(2 ** -20);
    expect([...loss]).toEqual([2e4, Math.fround(3e38)]);
  });

  it("each sample's gradient adds up to 0, and is within [-1, 1], seed 4", async () => {
    const [B, C] = [65, 10];
    const random = new Random(4);
    const logits = normals(random, B * C).map((v) => 5 * v);
    const y = labels(random, B, C);
    const forward = { logits, labels: y, lse: unwritten(B), loss: unwritten(B) };
    const { lse } = await runKernel(device.gpu, softmaxXentForward, { B, C }, forward);
    const backward = { logits, labels: y, lse: lse as Float32Array, dLogits: unwritten(B * C) };
    const { dLogits } = await runKernel(device.gpu, softmaxXentBackward, { B, C }, backward);
    const bounds = forwardTwin(logits, y, { B, C }).lse.bound;
    for (let b = 0; b < B; b++) {
      const row = [...dLogits.subarray(b * C, (b + 1) * C)];
      const sum = row.reduce((total, v) => total + v, 0);
      // The probabilities add up to exp(true lse - lse), and each errs by (3 + 2 |d|) ulp and |d| roundings, |d| < 60.
      const error = 1.01 * bounds[b]! + 2 ** -24 * (6 + 5 * 60 + 2);
      expect(Math.abs(sum)).toBeLessThan(error);
      row.forEach((v, c) => {
        const least = c === y[b] ? -1 : 0;
        expect(v).toBeGreaterThanOrEqual(least);
        expect(v).toBeLessThan(least + 1 + error);
      });
    }
  });
});
