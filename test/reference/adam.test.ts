import { describe, expect, it } from 'vitest';
import { Random } from '../../src/data/random.ts';
import { type AdamOptions, adam, adamCorrection } from '../../src/reference/adam.ts';
import { normals64 } from '../support/gradients.ts';

const RATE = 3e-3;

/** As the device has them: with these averages, and corrections for the same numbers, steps are algorithm 1's. */
const BETAS = { beta1: Math.fround(0.9), beta2: Math.fround(0.999) };

/** Algorithm 1 of Kingma and Ba 2015, as it is printed: with mhat and vhat. */
function textbook(p: Float64Array, gradients: Float64Array[], { beta1, beta2, eps }: AdamOptions) {
  const m = new Float64Array(p.length);
  const v = new Float64Array(p.length);
  const at = p.slice();
  gradients.forEach((g, before) => {
    const t = before + 1;
    for (let i = 0; i < p.length; i++) {
      m[i] = beta1 * m[i]! + (1 - beta1) * g[i]!;
      v[i] = beta2 * v[i]! + (1 - beta2) * g[i]! * g[i]!;
      const mhat = m[i]! / (1 - beta1 ** t);
      const vhat = v[i]! / (1 - beta2 ** t);
      at[i]! -= (RATE * mhat) / (Math.sqrt(vhat) + eps);
    }
  });
  return { p: at, m, v };
}

/** The twin, step after step. */
function stepped(p: Float64Array, gradients: Float64Array[], options: AdamOptions, scale = 1) {
  let state: Record<'p' | 'm' | 'v', Float64Array> = {
    p,
    m: new Float64Array(p.length),
    v: new Float64Array(p.length),
  };
  gradients.forEach((g, before) => {
    const correction = adamCorrection(RATE, before + 1, options);
    const next = adam(g, state.p, state.m, state.v, { scale, ...options, ...correction });
    state = { p: next.p.value, m: next.m.value, v: next.v.value };
  });
  return state;
}

describe('the Adam twin', () => {
  // Gradients far above epsilon, about as large, and far below.
  it.each([
    [1, 1e-8],
    [1e-3, 1e-3],
    [1e-9, 1e-8],
    [1e6, 1e-8],
  ])('equals the textbook form over 20 steps, gradients of size %d, epsilon %d, seed 20', (size, eps) => {
    const options = { ...BETAS, eps };
    const random = new Random(20);
    const p = normals64(random, 9);
    const gradients = Array.from({ length: 20 }, () => normals64(random, 9).map((g) => size * g));
    const want = textbook(p, gradients, options);
    const got = stepped(p, gradients, options);
    for (const name of ['p', 'm', 'v'] as const) {
      got[name].forEach((value, i) => {
        const relative = Math.abs(value / want[name][i]! - 1);
        expect(relative, `${name}[${i}]`).toBeLessThan(1e-14);
      });
    }
    // The same gradients summed over a batch of 8.
    const summed = gradients.map((g) => g.map((v) => 8 * v));
    expect(stepped(p, summed, options, 1 / 8)).toEqual(got);
  });

  it('moves a parameter by the learning rate times the sign of the gradient first, up to epsilon', () => {
    const options = { ...BETAS, eps: 1e-8 };
    const g = Float64Array.of(1, -1, 1e-4, -250, 1e-8);
    const { p } = stepped(new Float64Array(5), [g], options);
    g.forEach((v, i) => {
      // mhat = g and vhat = g^2, whatever the betas.
      const byHand = (-RATE * v) / (Math.abs(v) + options.eps);
      expect(Math.abs(p[i]! / byHand - 1), `g = ${v}`).toBeLessThan(1e-13);
    });
    expect(Math.abs(p[0]! + RATE)).toBeLessThan(RATE * 1.1e-8);
    expect(Math.abs(p[1]! - RATE)).toBeLessThan(RATE * 1.1e-8);
    expect(Math.abs(p[4]! + RATE / 2)).toBeLessThan(RATE * 1e-13);
  });

  it('leaves a parameter without a gradient as it is', () => {
    const options = { ...BETAS, eps: 1e-8 };
    const zeros = new Float64Array(3);
    const p = Float64Array.of(1, -2, 3);
    expect(stepped(p, [zeros, zeros, zeros], options)).toEqual({ p, m: zeros, v: zeros });
  });
});

describe('the bias corrections', () => {
  const options = { ...BETAS, eps: 1e-8 };

  it('are by hand at step 1', () => {
    const { stepSize, epsHat } = adamCorrection(0.5, 1, { beta1: 0.75, beta2: 0.9375, eps: 8 });
    expect(stepSize).toBe(0.5);
    expect(epsHat).toBe(2);
  });

  it('vanish late', () => {
    expect(adamCorrection(RATE, 1e6, options)).toEqual({ stepSize: RATE, epsHat: options.eps });
  });
});
