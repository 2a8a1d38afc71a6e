import { LocalClassifier } from '../nn/local-classifier.ts';
import { layerEvent, modelEvent } from './events.ts';
import { recordFinite, recordLoss, recordLossGradient } from './loss.ts';
import type { LearningRule } from './rule.ts';

/**
 * Decoupled greedy learning (Belilovsky, Eickenberg and Oyallon 2020): a linear classifier on each hidden layer gives
 * it a loss and a gradient of its own; nothing is passed down from the layers above. Update-unlocked like synthetic
 * gradients, without predicting anything.
 */
export const dgl: LearningRule<LocalClassifier> = {
  name: 'dgl',
  title: 'local classifiers',
  about: 'decoupled greedy learning: a local classifier on each hidden layer',
  unlocks: true,
  heeds: { synthetic: false, lambda: false },

  createModels: (gpu, { hidden, layers, classes }, { conventions }, random) =>
    Array.from({ length: layers - 1 }, (_, i) => {
      const label = `head${i + 1}`;
      return new LocalClassifier(gpu, label, hidden, classes, random.fork(label), conventions);
    }),

  // A layer and its classifier learn together.
  modelsOf: (i, { layers }) => (i < layers - 1 ? [i] : []),

  record({ plan, net, batch, optimizer, metrics, models }) {
    let h = batch.x;
    net.hidden.forEach((layer, i) => {
      const state = layer.forward(plan, h);
      const dH = models[i]!.teach(plan, state.h, batch.labels);
      layer.backward(plan, state, dH);
      recordFinite(plan, layer.gamma.gradient, metrics);
      optimizer.update(plan, modelEvent(i), models[i]!.parameters);
      optimizer.update(plan, layerEvent(i), layer.parameters);
      h = state.h;
    });
    const logits = net.output.forward(plan, h);
    net.output.backward(plan, h, recordLossGradient(plan, recordLoss(plan, logits, batch, metrics)));
    optimizer.update(plan, layerEvent(net.hidden.length), net.output.parameters);
  },
};
