import { stepAdvance } from '../kernels/metrics.ts';
import { delayed } from '../kernels/record-models.ts';
import type { Parameter } from '../nn/parameter.ts';
import { recordGradients } from './backprop.ts';
import { layerEvent } from './events.ts';
import type { LearningRule } from './rule.ts';

/**
 * Pipelined backpropagation with stashed weights (Narayanan et al. 2019, PipeDream; Huo et al. 2018): in a pipeline of
 * L stages, one tick each, forward and back again, stage i (counted from 0) sees a batch come back 2 (L - 1 - i) ticks
 * after it passed. With the weights stashed that a batch passed through, its gradient is a true one, of older weights.
 *
 * Seen from each stage's own clock that is plain backpropagation whose gradients reach layer i 2 (L - 1 - i) steps
 * late, and so it is computed here. It needs no predictor, and is the fair rival of whatever claims to unlock.
 */
export const delayedBackprop: LearningRule = {
  name: 'delayed-bp',
  title: 'delayed backprop',
  about: 'pipelined backprop: layers learn from the true gradient of an older batch',
  unlocks: false,
  heeds: { synthetic: false, lambda: false },

  createModels: () => [],

  delay: (i, { layers }) => 2 * (layers - 1 - i),

  record(step) {
    const { plan, net, optimizer, metrics } = step;
    const layers = [...net.hidden, net.output];
    recordGradients(step, (i, dZ) => layers[i]!.pullBack(plan, dZ));
    const clock = plan.tensor('delay.clock', [1], 'u32');
    layers.forEach((layer, i) => {
      const delay = 2 * (layers.length - 1 - i);
      const late = ({ gradient }: Parameter) =>
        delay === 0 ? gradient : delayed(plan, `${gradient.label}.late`, gradient, clock, delay);
      optimizer.update(plan, layerEvent(i), layer.parameters, late);
    });
    const tensors = { flag: metrics.flag, step: clock };
    plan.dispatch(stepAdvance, { label: 'delay.advance', params: {}, tensors, role: 'always' });
  },
};
