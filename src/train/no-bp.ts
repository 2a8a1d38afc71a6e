import { layerEvent } from './events.ts';
import { recordLoss, recordLossGradient } from './loss.ts';
import type { LearningRule } from './rule.ts';

/**
 * The control of Jaderberg et al. 2016: only the output layer learns; the hidden layers stay as they were
 * drawn. Whatever a rule reaches beyond this, its hidden layers have learned.
 */
export const noBackprop: LearningRule = {
  name: 'no-bp',
  title: 'no backprop',
  about: 'only the output layer learns',
  unlocks: false,
  heeds: { synthetic: false, lambda: false },

  createModels: () => [],

  updates: (i, { layers }) => i === layers - 1,

  record({ plan, net, batch, optimizer, metrics }) {
    let h = batch.x;
    for (const layer of net.hidden) h = layer.forward(plan, h).h;
    const logits = net.output.forward(plan, h);
    net.output.backward(plan, h, recordLossGradient(plan, recordLoss(plan, logits, batch, metrics)));
    optimizer.update(plan, layerEvent(net.hidden.length), net.output.parameters);
  },
};
