import type { Random } from '../data/random.ts';

/**
 * Weights (fanIn, fanOut) drawn from a normal distribution of mean 0 and variance 2 / fanIn, which keeps the variance
 * of activations from layer to layer where each is followed by a ReLU (He et al. 2015, equation 10).
 */
export function heNormal(random: Random, fanIn: number, fanOut: number): Float32Array {
  const deviation = Math.sqrt(2 / fanIn);
  return Float32Array.from({ length: fanIn * fanOut }, () => deviation * random.normal());
}
