import * as record from '../kernels/record.ts';
import { Feedback } from '../nn/feedback.ts';
import type { HiddenState } from '../nn/hidden-layer.ts';
import { recordGradients } from './backprop.ts';
import { layerEvent } from './events.ts';
import { recordLoss, recordLossGradient } from './loss.ts';
import type { LearningRule } from './rule.ts';

/**
 * Feedback alignment (Lillicrap et al. 2016): backpropagation whose errors go down through fixed random matrices
 * instead of the transposed weights: dH_{i-1} = dZ_i B_i^T, B_i of W_i's shape and drawn like it.
 */
export const feedbackAlignment: LearningRule<Feedback> = {
  name: 'fa',
  title: 'feedback alignment',
  about: 'feedback alignment: errors go down through fixed random weights',
  unlocks: false,
  heeds: { synthetic: false, lambda: false },

  // B_i for the layers above the first, whose input needs no gradient.
  createModels: (gpu, { hidden, layers, classes }, _, random) =>
    Array.from({ length: layers - 1 }, (_, i) => {
      const label = `feedback${i + 2}`;
      const columns = i === layers - 2 ? classes : hidden;
      return new Feedback(gpu, label, hidden, columns, Math.sqrt(2 / hidden), random.fork(label));
    }),

  record(step) {
    const { plan, net, optimizer, models } = step;
    const layers = [...net.hidden, net.output];
    recordGradients(step, (i, dZ) => record.matmulNT(plan, `layer${i + 1}.dX`, dZ, models[i - 1]!.matrix));
    layers.forEach((layer, i) => {
      optimizer.update(plan, layerEvent(i), layer.parameters);
    });
  },
};

/**
 * Direct feedback alignment (Nokland 2016): each hidden layer learns from the error at the output, carried straight
 * to it by a fixed random matrix: dH_i = dLogits B_i, B_i (classes, hidden) with variance 1 / classes.
 */
export const directFeedbackAlignment: LearningRule<Feedback> = {
  name: 'dfa',
  title: 'direct feedback',
  about:
    'direct feedback alignment: the output error goes straight to each layer through fixed random weights',
  unlocks: false,
  heeds: { synthetic: false, lambda: false },

  createModels: (gpu, { hidden, layers, classes }, _, random) =>
    Array.from({ length: layers - 1 }, (_, i) => {
      const label = `feedback${i + 1}`;
      return new Feedback(gpu, label, classes, hidden, Math.sqrt(1 / classes), random.fork(label));
    }),

  record({ plan, net, batch, optimizer, metrics, models }) {
    const states: HiddenState[] = [];
    let h = batch.x;
    for (const layer of net.hidden) {
      const state = layer.forward(plan, h);
      states.push(state);
      h = state.h;
    }
    const logits = net.output.forward(plan, h);
    const dLogits = recordLossGradient(plan, recordLoss(plan, logits, batch, metrics));
    net.output.backward(plan, h, dLogits);
    net.hidden.forEach((layer, i) => {
      const dH = record.matmulNN(plan, `${layer.label}.dH`, dLogits, models[i]!.matrix);
      layer.backward(plan, states[i]!, dH);
      optimizer.update(plan, layerEvent(i), layer.parameters);
    });
    optimizer.update(plan, layerEvent(net.hidden.length), net.output.parameters);
  },
};
