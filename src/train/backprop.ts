import type { HiddenState } from '../nn/hidden-layer.ts';
import type { Tensor } from '../tensor.ts';
import { layerEvent } from './events.ts';
import { recordLoss, recordLossGradient } from './loss.ts';
import type { LearningRule, StepContext } from './rule.ts';

/**
 * Records forward through every layer and backward through every layer, without updates. `pullBack` says how the
 * gradient by a layer's input is made of the gradient dZ by its pre-activation; layers are counted from 0.
 */
export function recordGradients(
  { plan, net, batch, metrics }: StepContext,
  pullBack: (i: number, dZ: Tensor) => Tensor,
): void {
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
  let dH = pullBack(net.hidden.length, dLogits);
  for (let i = net.hidden.length - 1; i >= 0; i--) {
    const dZ = net.hidden[i]!.backward(plan, states[i]!, dH);
    if (i > 0) dH = pullBack(i, dZ);
  }
}

/**
 * Backpropagation (Rumelhart, Hinton and Williams 1986): forward through every layer, then backward through every
 * layer, and only then the updates. No layer can be updated before all have been passed twice: this is the locking
 * that synthetic gradients take away.
 */
export const backprop: LearningRule = {
  name: 'bp',
  title: 'backprop',
  about: 'backpropagation',
  unlocks: false,
  heeds: { synthetic: false, lambda: false },

  createModels: () => [],

  record(step) {
    const { plan, net, optimizer } = step;
    const layers = [...net.hidden, net.output];
    recordGradients(step, (i, dZ) => layers[i]!.pullBack(plan, dZ));
    layers.forEach((layer, i) => {
      optimizer.update(plan, layerEvent(i), layer.parameters);
    });
  },
};
