import type { HiddenState } from '../nn/hidden-layer.ts';
import { forwardMacs } from '../nn/mlp.ts';
import { recordLoss, recordLossGradient } from './loss.ts';
import type { LearningRule } from './rule.ts';

/**
 * Backpropagation (Rumelhart, Hinton and Williams 1986): forward through every layer, then backward through every
 * layer, and only then the updates. No layer can be updated before all have been passed twice: this is the locking
 * that synthetic gradients take away.
 */
export const backprop: LearningRule = {
  name: 'bp',
  title: 'backprop',

  createModels: () => [],

  record({ plan, net, batch, optimizer, metrics }) {
    // h_i = relu(batchnorm(h_{i-1} W_i)), from the bottom up
    const states: HiddenState[] = [];
    let h = batch.x;
    for (const layer of net.hidden) {
      const state = layer.forward(plan, h);
      states.push(state);
      h = state.h;
    }
    const logits = net.output.forward(plan, h);
    const loss = recordLoss(plan, logits, batch, metrics);

    // dLogits, then dH_i = dZ_{i+1} W_{i+1}^T, from the top down
    const dLogits = recordLossGradient(plan, loss);
    net.output.backward(plan, h, dLogits);
    let dH = net.output.pullBack(plan, dLogits);
    for (let i = net.hidden.length - 1; i >= 0; i--) {
      const layer = net.hidden[i]!;
      const dZ = layer.backward(plan, states[i]!, dH);
      if (i > 0) dH = layer.pullBack(plan, dZ);
    }

    optimizer.update(plan, net.parameters);
  },

  // Forward and dW cost the same product each; dX too, but for the first layer, whose input needs no gradient.
  macs: (shape) => 3 * forwardMacs(shape) - shape.inputs * shape.hidden,
};
