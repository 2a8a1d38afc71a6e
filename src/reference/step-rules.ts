import {
  type NetworkSizes,
  NetworkStep,
  type StepConstants,
  type Store,
  type Tensors,
  type TwinBatch,
} from './network.ts';

/** A whole training step: from the tensors before it to those after it, with all that it made on the way. */
export type StepTwin = (
  before: Tensors,
  sizes: NetworkSizes,
  constants: StepConstants,
  batch: TwinBatch,
  store?: Store,
) => Tensors;

/** Backpropagation: forward through every layer, backward through every layer, then the updates. */
export const bpStep: StepTwin = (...args) => {
  const step = new NetworkStep(...args);
  const { layers } = step.sizes;
  for (let i = 1; i < layers; i++) step.hiddenForward(i);
  step.outputForward();
  step.outputBackward();
  for (let i = layers - 1; i >= 1; i--) step.hiddenBackward(i, step.pullBack(i + 1));
  for (let i = 1; i <= layers; i++) step.updateLayer(i);
  return step.tensors;
};

/**
 * Synthetic gradients conditioned on the label, in the order of Jaderberg et al. 2016: layer i forward, SG_i, layer
 * i's gradients from SG_i; then SG_{i-1} learns from SG_i pulled back through layer i, and layer i is updated. The
 * top predictor's target is the true gradient, pulled back through the output layer before its update.
 */
export const cdniStep: StepTwin = (...args) => {
  const step = new NetworkStep(...args);
  const { layers } = step.sizes;
  for (let i = 1; i <= layers; i++) {
    if (i < layers) {
      step.hiddenForward(i);
      step.hiddenBackward(i, step.predict(i));
    } else {
      step.outputForward();
      step.outputBackward();
    }
    if (i > 1) {
      step.learn(i - 1, step.pullBack(i));
      step.updatePredictor(i - 1);
    }
    step.updateLayer(i);
  }
  return step.tensors;
};

/** The network at evaluation, with the running statistics: `loss.mean` and the logits, over all samples at once. */
export const evaluateTwin: StepTwin = (...args) => {
  const step = new NetworkStep(...args);
  for (let i = 1; i < step.sizes.layers; i++) step.hiddenEvaluate(i);
  step.outputForward();
  return step.tensors;
};
