import { forwardMacs } from '../nn/mlp.ts';
import { LinearSyntheticGradient, type Prediction } from '../nn/synthetic-gradient.ts';
import { recordFinite, recordLoss, recordLossGradient } from './loss.ts';
import type { LearningRule } from './rule.ts';

/**
 * Synthetic gradients conditioned on the label (cDNI; Jaderberg et al. 2016, section 2 and its supplement).
 *
 * From the bottom up, each hidden layer i runs forward, is answered with a synthetic gradient SG_i of its
 * activations, and is updated from it at once, before any layer above has run. Only the top sees the loss. SG_{i}
 * itself learns from SG_{i+1} pulled back through layer i + 1, with that layer's weights as they were before its
 * update.
 */
export const cdni: LearningRule = {
  name: 'cdni',
  title: 'cDNI',

  createModels: (gpu, { hidden, layers, classes }) =>
    Array.from(
      { length: layers - 1 },
      (_, i) => new LinearSyntheticGradient(gpu, `sg${i + 1}`, hidden, classes),
    ),

  record({ plan, net, batch, optimizer, metrics, models }) {
    let h = batch.x;
    let below: Prediction | undefined;
    net.hidden.forEach((layer, i) => {
      const state = layer.forward(plan, h);
      const prediction = models[i]!.predict(plan, state.h, batch.labels);
      const dZ = layer.backward(plan, state, prediction.gradient);
      // This layer does not wait for the loss, so it has to see for itself that what it learns from is finite:
      // whatever is not, in z or in SG, makes dGamma so.
      recordFinite(plan, layer.gamma.gradient, metrics);
      if (below) {
        // The target of the model below: this layer's synthetic gradient, pulled back through this layer.
        models[i - 1]!.learn(plan, below, layer.pullBack(plan, dZ));
        optimizer.update(plan, models[i - 1]!.parameters);
      }
      optimizer.update(plan, layer.parameters);
      h = state.h;
      below = prediction;
    });

    const logits = net.output.forward(plan, h);
    const dLogits = recordLossGradient(plan, recordLoss(plan, logits, batch, metrics));
    net.output.backward(plan, h, dLogits);
    if (below) {
      // The top model's target is the true gradient.
      const top = models.at(-1)!;
      top.learn(plan, below, net.output.pullBack(plan, dLogits));
      optimizer.update(plan, top.parameters);
    }
    optimizer.update(plan, net.output.parameters);
  },

  // The same products as backprop, and two of (hidden, hidden) for each predictor: its forward and its dV.
  macs: (shape) =>
    3 * forwardMacs(shape) - shape.inputs * shape.hidden + 2 * (shape.layers - 1) * shape.hidden ** 2,
};
