import { biasAdd, columnSum } from './bias.ts';
import { labelRowsAdd, labelRowsGrad } from './label-rows.ts';
import { matmulNN, matmulNT, matmulTN } from './matmul.ts';
import type { HiddenBlock, NetworkStep } from './network.ts';
import { sigmoidBackward, sigmoidForward } from './sigmoid.ts';
import { squaredErrorGrad } from './squared-error.ts';

// What learns beside the network. Model i stands on hidden layer i, counted from 1.

/** What a synthetic-gradient model is made of. */
export interface PredictorSizes {
  /** Hidden layers (linear, batch norm, ReLU), each of `width` units. */
  readonly hidden: number;
  readonly width: number;
  /** Whether it is conditioned on the label. */
  readonly labels: boolean;
  readonly output: 'linear' | 'sigmoid';
}

/** The predictor of cDNI. */
export const LINEAR: PredictorSizes = { hidden: 0, width: 0, labels: true, output: 'linear' };

/** The hidden layers of predictor i. The label enters the first. */
const blocksOf = (
  { sizes }: NetworkStep,
  i: number,
  { hidden, width, labels }: PredictorSizes,
): HiddenBlock[] =>
  Array.from({ length: hidden }, (_, k) => ({
    name: `sg${i}.hidden${k + 1}`,
    inputs: k === 0 ? sizes.hidden : width,
    outputs: width,
    conditioned: labels && k === 0,
  }));

/** What the last linear layer of predictor i is fed, and how wide that is. */
function topOf(step: NetworkStep, i: number, { hidden, width }: PredictorSizes) {
  return hidden === 0
    ? { top: step.get(`layer${i}.h`), width: step.sizes.hidden }
    : { top: step.get(`sg${i}.hidden${hidden}.h`), width };
}

/**
 * SG_i(h_i, y) = s(g V + U[y]) + c. Without hidden layers g is h_i and U[y] is there, and is added behind s; with them
 * g is what they give, and the label enters the first of them. s is a sigmoid, or nothing.
 */
export function predict(step: NetworkStep, i: number, shape: PredictorSizes): Float64Array {
  const name = `sg${i}`;
  const [B, F] = [step.B, step.sizes.hidden];
  let h = step.get(`layer${i}.h`);
  for (const block of blocksOf(step, i, shape)) h = step.blockForward(block, h);
  const { top, width } = topOf(step, i, shape);
  let y = step.put(`${name}.hV`, matmulNN(top, step.get(`${name}.V`), { M: B, K: width, N: F }));
  if (shape.output === 'sigmoid') y = step.put(`${name}.s`, sigmoidForward(y));
  const c = step.get(`${name}.c`);
  return step.put(
    `${name}.sg`,
    shape.labels && shape.hidden === 0
      ? labelRowsAdd(y, step.get(`${name}.U`), c, step.labels, { B, F })
      : biasAdd(y, c, { B, F }),
  );
}

/** The gradients by the parameters of predictor i of ||SG_i - target||^2, with the target held fixed. */
export function learn(step: NetworkStep, i: number, shape: PredictorSizes, target: Float64Array): void {
  const name = `sg${i}`;
  const [B, F] = [step.B, step.sizes.hidden];
  const dSg = step.put(`${name}.dSg`, squaredErrorGrad(step.get(`${name}.sg`), target));
  step.put(`${name}.dC`, columnSum(dSg, { B, F }));
  if (shape.labels && shape.hidden === 0) {
    step.put(`${name}.dU`, labelRowsGrad(dSg, step.labels, { B, F, C: step.sizes.classes }));
  }
  let dHV = dSg;
  if (shape.output === 'sigmoid') dHV = step.put(`${name}.dHV`, sigmoidBackward(step.get(`${name}.s`), dSg));
  const { top, width } = topOf(step, i, shape);
  step.put(`${name}.dV`, matmulTN(top, dHV, { M: width, K: B, N: F }));
  const blocks = blocksOf(step, i, shape);
  if (blocks.length === 0) return;
  let dH = step.put(`${name}.dTop`, matmulNT(dHV, step.get(`${name}.V`), { M: B, K: F, N: width }));
  for (let k = blocks.length - 1; k >= 0; k--) {
    step.blockBackward(blocks[k]!, dH);
    if (k > 0) dH = step.blockPullBack(blocks[k]!);
  }
}

/** Updates predictor i. */
export function updatePredictor(step: NetworkStep, i: number, shape: PredictorSizes): void {
  const name = `sg${i}`;
  step.update(name, [name], shape.labels && shape.hidden === 0 ? ['V', 'U', 'c'] : ['V', 'c']);
  for (const { name: block, conditioned } of blocksOf(step, i, shape)) {
    step.update(name, [block], ['W', 'gamma', 'beta', ...(conditioned ? ['U'] : [])]);
  }
}

/** The local classifier on hidden layer i: its gradients, and dH_i of its own loss, summed over the batch. */
export function teachHead(step: NetworkStep, i: number): Float64Array {
  const { hidden, classes } = step.sizes;
  const head: HiddenBlock = { name: `head${i}`, inputs: hidden, outputs: classes };
  const logits = step.linearForward(head, step.get(`layer${i}.h`));
  step.crossEntropy(head.name, logits);
  const dLogits = step.crossEntropyGradient(head.name, logits);
  step.linearBackward(head, dLogits);
  return step.blockPullBack(head, dLogits);
}

const inputBlock = ({ sizes }: NetworkStep, i: number): HiddenBlock => ({
  name: `input${i}`,
  inputs: sizes.inputs,
  outputs: sizes.hidden,
});

/** What input model i takes the activations of hidden layer i to be: x A_i + a_i. */
export const synthesise = (step: NetworkStep, i: number): Float64Array =>
  step.linearForward(inputBlock(step, i), step.get('batch.x'));

/** The gradients of input model i of ||I_i(x) - h_i||^2, with h_i held fixed. */
export function learnInput(step: NetworkStep, i: number): void {
  const error = squaredErrorGrad(step.get(`input${i}.logits`), step.get(`layer${i}.h`));
  step.linearBackward(inputBlock(step, i), step.put(`input${i}.error`, error));
}
