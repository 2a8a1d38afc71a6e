import { describe, expect, it } from 'vitest';
import { softmaxXentBackward, softmaxXentForward } from '../../src/kernels/softmax-xent.ts';
import { softmaxOf } from '../../src/reference/softmax-xent.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, labels, normals, Random, runKernel, unwritten } from '../support/kernel.ts';

const device = useDevice();

/** Runs both kernels against their twins; the backward one gets what the forward one should leave. */
async function bothWays(B: number, C: number, logits: Float32Array, y: Uint32Array): Promise<void> {
  const out = { largest: unwritten(B), sum: unwritten(B), loss: unwritten(B) };
  await expectTwin(device.gpu, softmaxXentForward, { B, C }, { logits, labels: y, ...out });
  const contents = { logits, labels: y, ...softmaxOf(logits, { B, C }), dLogits: unwritten(B * C) };
  await expectTwin(device.gpu, softmaxXentBackward, { B, C }, contents);
}

/** What the two kernels make of logits, the second from what the first has left. */
async function run(B: number, C: number, logits: Float32Array, y: Uint32Array) {
  const out = { largest: unwritten(B), sum: unwritten(B), loss: unwritten(B) };
  const contents = { logits, labels: y, ...out };
  const { largest, sum, loss } = await runKernel(device.gpu, softmaxXentForward, { B, C }, contents);
  const left = { largest: largest as Float32Array, sum: sum as Float32Array };
  const { dLogits } = await runKernel(
    device.gpu,
    softmaxXentBackward,
    { B, C },
    { logits, labels: y, ...left, dLogits: unwritten(B * C) },
  );
  return { largest, sum, loss, dLogits };
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
    const { largest, loss } = await run(2, 2, logits, Uint32Array.of(1, 1));
    expect([...largest]).toEqual([1e4, 0]);
    expect([...loss]).toEqual([2e4, Math.fround(3e38)]);
  });

  // Differences of 16 and 0, at logits of three sizes: the size must not be seen in the loss.
  it.each([
    ['20 over nine times 4', [20, ...Array<number>(9).fill(4)], 9 * Math.exp(-16)],
    ['40 over nine times 24', [40, ...Array<number>(9).fill(24)], 9 * Math.exp(-16)],
    [
      '16,777,216 over nine times 16,777,200',
      [2 ** 24, ...Array<number>(9).fill(2 ** 24 - 16)],
      9 * Math.exp(-16),
    ],
    ['1e7 twice', [1e7, 1e7], 1],
  ])('logits of %s: the loss and the gradient are those of the differences', async (_, row, rest) => {
    const C = row.length;
    const { loss, dLogits } = await run(1, C, Float32Array.from(row), Uint32Array.of(0));
    const right = Math.log1p(rest);
    // exp(-16) may err by 35 ulp: of 2^-23 each, and 1e-6 does no harm to a logarithm's 2^-21 either.
    expect(Math.abs(loss[0]! / right - 1)).toBeLessThan(36 * 2 ** -23);
    expect(Math.abs(dLogits[0]! / (-rest / (1 + rest)) - 1)).toBeLessThan(40 * 2 ** -23);
    for (let c = 1; c < C; c++)
      expect(Math.abs(dLogits[c]! / (rest / (C - 1) / (1 + rest)) - 1)).toBeLessThan(40 * 2 ** -23);
    // The label's own is minus the sum of the others, to the rounding of ten terms.
    const others = [...dLogits.subarray(1)].reduce((total, v) => total + v, 0);
    expect(Math.abs(dLogits[0]! + others)).toBeLessThan(12 * 2 ** -24 * others);
  });

  it("each sample's gradient adds up to 0, and is within [-1, 1], seed 4", async () => {
    const [B, C] = [65, 10];
    const random = new Random(4);
    const logits = normals(random, B * C).map((v) => 5 * v);
    const y = labels(random, B, C);
    const { dLogits } = await run(B, C, logits, y);
    for (let b = 0; b < B; b++) {
      const row = [...dLogits.subarray(b * C, (b + 1) * C)];
      const own = row[y[b]!]!;
      const others = row.reduce((total, v, c) => (c === y[b] ? total : total + v), 0);
      // Of both a sum of C terms and a division of 2.5 ulp; exp's own error is the same term's in both.
      expect(Math.abs(own + others)).toBeLessThan(2 ** -24 * (2 * C + 10) * others);
      row.forEach((v, c) => {
        const least = c === y[b] ? -1 : 0;
        expect(v).toBeGreaterThanOrEqual(least - 2 ** -21);
        expect(v).toBeLessThan(least + 1 + 2 ** -21);
      });
    }
  });
});
