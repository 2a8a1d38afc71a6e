import { describe, expect, test } from 'vitest';
import { adamCorrection } from '../../src/reference/adam.ts';
import { learningRateAt } from '../../src/train/learning-rate.ts';
import { ADAM } from '../../src/train/optimizer.ts';

const drops = [300_000, 400_000];

describe('the learning rate', () => {
  test.each([
    [0, 3e-5],
    [1, 3e-5],
    [299_999, 3e-5],
    [300_000, 3e-6],
    [399_999, 3e-6],
    [400_000, 3e-7],
    [499_999, 3e-7],
  ])("at step %i of the paper's run is %f", (step, rate) => {
    expect(learningRateAt(step, 3e-5, drops)).toBe(rate);
  });

  test('stays as it is without drops, and drops twice where two are one', () => {
    expect(learningRateAt(10 ** 6, 0.25, [])).toBe(0.25);
    expect(learningRateAt(4, 1, [5, 5])).toBe(1);
    expect(learningRateAt(5, 1, [5, 5])).toBe(0.01);
    expect(learningRateAt(0, 1, [0])).toBe(0.1);
  });

  test('does not depend on the order of the drops', () => {
    for (const step of [0, 299_999, 300_000, 400_000]) {
      expect(learningRateAt(step, 3e-5, [...drops].reverse())).toBe(learningRateAt(step, 3e-5, drops));
    }
  });
});

describe('Adam at a step', () => {
  test('has the constants of the paper', () => {
    expect(ADAM).toEqual({ beta1: 0.9, beta2: 0.999, eps: 1e-8 });
  });

  // The textbook form, with the moments' bias corrections written out: m / (1 - beta1^t), v / (1 - beta2^t).
  test.each([0, 1, 2, 9, 999, 299_999, 300_000, 400_000])(
    'updates as algorithm 1 does at step %i',
    (step) => {
      // Of the betas as float32 has them, which are the device's.
      const [beta1, beta2] = [Math.fround(ADAM.beta1), Math.fround(ADAM.beta2)];
      const { eps } = ADAM;
      const t = step + 1;
      const { stepSize, epsHat } = adamCorrection(learningRateAt(step, 3e-5, drops), t, ADAM);
      for (const [m, v] of [
        [0.3, 0.2],
        [-2e-9, 1e-17],
      ] as const) {
        const mHat = m / (1 - beta1 ** t);
        const vHat = v / (1 - beta2 ** t);
        const expected = (learningRateAt(step, 3e-5, drops) * mHat) / (Math.sqrt(vHat) + eps);
        const update = (stepSize * m) / (Math.sqrt(v) + epsHat);
        // Some ten float64 roundings on either side; the powers are the same numbers on both.
        expect(Math.abs(update / expected - 1)).toBeLessThan(40 * 2 ** -53);
      }
    },
  );

  test('takes a first step of the learning rate itself, whatever the gradient', () => {
    const { stepSize, epsHat } = adamCorrection(3e-5, 1, ADAM);
    for (const g of [1, -1, 1e-3, 1e4]) {
      // By the averages as the device makes them: with the betas that float32 has.
      const [beta1, beta2] = [Math.fround(ADAM.beta1), Math.fround(ADAM.beta2)];
      const update = (stepSize * (1 - beta1) * g) / (Math.sqrt((1 - beta2) * g * g) + epsHat);
      // eps moves it by eps / |g|, relatively.
      expect(Math.abs(update / (3e-5 * Math.sign(g)) - 1)).toBeLessThan(
        ADAM.eps / Math.abs(g) + 20 * 2 ** -53,
      );
    }
  });

  test('with epsilon in the other form, adds it uncorrected at every step', () => {
    for (const t of [1, 7, 1000]) {
      const exact = adamCorrection(3e-5, t, ADAM);
      const hat = adamCorrection(3e-5, t, { ...ADAM, eps: 1e-7, form: 'hat' });
      expect(hat).toEqual({ stepSize: exact.stepSize, epsHat: 1e-7 });
    }
    // Algorithm 1's at t = 1: eps sqrt(1 - beta2), a thirty-second of it.
    expect(ADAM.eps / adamCorrection(3e-5, 1, ADAM).epsHat).toBeCloseTo(31.62, 2);
  });
});
