import { type Bounded, bounded, TINY, U } from './twin.ts';

/** 2 (prediction - goal): the gradient of each sample's ||prediction - goal||^2. */
export function squaredErrorGrad(prediction: ArrayLike<number>, goal: ArrayLike<number>): Bounded {
  const { value, bound } = bounded(prediction.length);
  for (let i = 0; i < value.length; i++) {
    value[i] = 2 * (prediction[i]! - goal[i]!);
    bound[i] = U * Math.abs(value[i]!) + TINY;
  }
  return { value, bound };
}
