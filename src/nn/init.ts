import type { Random } from '../data/random.ts';
import type { Conventions } from './conventions.ts';

/**
 * Weights (fanIn, fanOut) drawn from a normal distribution of mean 0 and variance 2 / fanIn, which keeps the variance
 * of activations from layer to layer where each is followed by a ReLU (He et al. 2015, equation 10).
 */
export function heNormal(random: Random, fanIn: number, fanOut: number): Float32Array {
  const deviation = Math.sqrt(2 / fanIn);
  return Float32Array.from({ length: fanIn * fanOut }, () => deviation * random.normal());
}

const uniform = (random: Random, count: number, most: number): Float32Array =>
  Float32Array.from({ length: count }, () => most * (2 * random.uniform() - 1));

/** Weights (fanIn, fanOut) of a layer as a convention has them begin; {@link Conventions.init} says how each does. */
export function initialWeights(
  init: Conventions['init'],
  random: Random,
  fanIn: number,
  fanOut: number,
): Float32Array {
  if (init === 'he') return heNormal(random, fanIn, fanOut);
  const most = init === 'glorot' ? Math.sqrt(6 / (fanIn + fanOut)) : 1 / Math.sqrt(fanIn);
  return uniform(random, fanIn * fanOut, most);
}

/** A layer's bias (fanOut) as a convention has it begin. */
export const initialBias = (
  init: Conventions['init'],
  random: Random,
  fanIn: number,
  fanOut: number,
): Float32Array =>
  init === 'pytorch' ? uniform(random, fanOut, 1 / Math.sqrt(fanIn)) : new Float32Array(fanOut);
