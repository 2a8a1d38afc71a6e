import { InputError } from '../errors.ts';

const GOLDEN_GAMMA = 0x9e3779b9;

/**
 * The finaliser of MurmurHash3: a bijection of the 32-bit integers that mixes every bit into every other.
 *
 * @param x a 32-bit integer, signed or not
 * @returns an integer in [0, 2^32)
 */
export function fmix32(x: number): number {
  let h = x;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * One step of Blackman and Vigna's xoshiro128** 1.1 (period 2^128 - 1).
 *
 * @param state four words, not all zero; advanced in place
 * @returns the output, an integer in [0, 2^32)
 */
export function xoshiro128(state: Uint32Array): number {
  const s1 = state[1];
  const x = Math.imul(s1, 5);
  const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
  state[2] ^= state[0];
  state[3] ^= s1;
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= s1 << 9;
  state[3] = (state[3] << 11) | (state[3] >>> 21);
  return result;
}

/**
 * A seeded stream of random numbers for initialisation, shuffling and tests: xoshiro128** whose four state
 * words come from the seed by splitmix32. Its state is integers only, so one seed gives one stream on every
 * platform.
 */
export class Random {
  /** Where this stream began. Forks derive from it, so they do not depend on how much has been drawn. */
  readonly #key: Uint32Array;
  readonly #state: Uint32Array;

  /**
   * @param seed an integer from 0 to 2^32 - 1
   * @throws InputError if the seed is anything else
   */
  constructor(seed: number) {
    if (!isUint32(seed)) {
      throw new InputError(`seed: expected an integer from 0 to 4294967295, found ${String(seed)}`);
    }
    // Four different inputs of a bijection: at most one word can be zero, so the state is never all zero.
    this.#key = Uint32Array.from([1, 2, 3, 4], (i) => fmix32(seed + Math.imul(i, GOLDEN_GAMMA)));
    this.#state = this.#key.slice();
  }

  /** @returns an integer, uniform in [0, 2^32) */
  uint32(): number {
    return xoshiro128(this.#state);
  }

  /** @returns a multiple of 2^-53, uniform in [0, 1); takes two draws */
  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /**
   * A standard normal number (mean 0, variance 1), by Kinderman and Monahan's ratio of uniforms.
   *
   * The value is a quotient of two uniforms, which IEEE 754 fixes to the last bit. `Math.log`, whose last bit
   * may differ between JavaScript engines, only decides between taking and rejecting it, and a last bit
   * decides that about once in 10^15 draws. Box-Muller would carry such differences into every value.
   *
   * @returns a number in float64 precision
   */
  normal(): number {
    for (;;) {
      const u = 1 - this.uniform(); // in (0, 1]: never a division by zero
      const v = 1.7156 * (this.uniform() - 0.5); // any factor >= sqrt(8 / e) = 1.71553 covers the region
      const x = v / u;
      if (x * x <= -4 * Math.log(u)) return x;
    }
  }

  /**
   * An unbiased integer in [0, n): as many high bits as n needs, drawn again until they are below n.
   *
   * @param n an integer from 1 to 2^32
   * @throws RangeError if n is anything else
   */
  below(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) {
      throw new RangeError(`Random.below: expected an integer from 1 to 4294967296, found ${String(n)}`);
    }
    if (n === 1) return 0; // a shift by 32 would shift by 0
    const shift = Math.clz32(n - 1);
    for (;;) {
      const x = this.uint32() >>> shift;
      if (x < n) return x;
    }
  }

  /**
   * Shuffles in place (Fisher-Yates): every order is equally likely.
   *
   * @param items any Uint32Array
   * @returns the same array
   */
  shuffle(items: Uint32Array): Uint32Array {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const swapped = items[i];
      items[i] = items[j];
      items[j] = swapped;
    }
    return items;
  }

  /**
   * An independent stream, derived from where this stream began and from a label. It does not depend on what
   * was drawn from this stream before, nor does it advance it: the weights of layer 2 stay the same when
   * layer 1 changes its size. The number 1 and the string '1' are different labels.
   *
   * @param label a string, or an integer from 0 to 2^32 - 1
   * @throws RangeError if a number is not such an integer
   */
  fork(label: string | number): Random {
    if (typeof label === 'number' && !isUint32(label)) {
      throw new RangeError(
        `Random.fork: expected a string or an integer from 0 to 4294967295, found ${label}`,
      );
    }
    // Kind and length go first, so that no label can be the beginning of another.
    const units = typeof label === 'number' ? [1, label] : [2, label.length, ...utf16Units(label)];
    const child = new Random(0);
    child.#key.set(
      this.#key.map((word) => units.reduce((h, unit) => fmix32((h ^ unit) + GOLDEN_GAMMA), word)),
    );
    if (child.#key.every((word) => word === 0)) child.#key[0] = 1; // the one state that xoshiro never leaves
    child.#state.set(child.#key);
    return child;
  }
}

function isUint32(x: number): boolean {
  return Number.isInteger(x) && x >= 0 && x <= 0xffffffff;
}

function utf16Units(text: string): number[] {
  return Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
}
