import { stepAdvance } from '../kernels/metrics.ts';
import { delayed } from '../kernels/record-models.ts';
import type { Parameter } from '../nn/parameter.ts';
import { recordGradients } from './backprop.ts';
import { layerEvent } from './events.ts';
import type { LearningRule, PipelineDelay } from './rule.ts';

/** Steps that a gradient is late for each layer above: a tick of pipelined backpropagation holds a forward and a backward. */
const TICKS: Readonly<Record<PipelineDelay, 1 | 2>> = { pipelined: 2, pipedream: 1 };

/**
 * Pipelined backpropagation (Petrowski et al. 1993; Kosson et al. 2020, arXiv 2003.11666): in a pipeline of L stages, a
 * forward and a backward pass in each tick, stage i (counted from 0) sees a batch come back 2 (L - 1 - i) ticks after it passed. With
 * the weights stashed that a batch passed through, its gradient is a true one, of older weights. PipeDream (Narayanan et
 * al. 2019) alternates one forward and one backward pass instead, so that stage i has L - 1 - i batches between the two.
 *
 * Seen from each stage's own clock both are plain backpropagation whose gradients reach layer i so many steps late, and so
 * they are computed here. It needs no predictor, and is the rival of whatever claims to unlock; the fairest one is
 * PipeDream's, whose gradients are half as old.
 */
export const delayedBackprop: LearningRule = {
  name: 'delayed-bp',
  title: 'delayed backprop',
  about: 'pipelined backprop: layers learn from the true gradient of an older batch',
  unlocks: false,
  heeds: { synthetic: false, lambda: false },

  createModels: () => [],

  delay: (i, { layers }, { delay }) => TICKS[delay] * (layers - 1 - i),

  record(step) {
    const { plan, net, optimizer, metrics, options } = step;
    const layers = [...net.hidden, net.output];
    recordGradients(step, (i, dZ) => layers[i]!.pullBack(plan, dZ));
    const clock = plan.tensor('delay.clock', [1], 'u32');
    layers.forEach((layer, i) => {
      const delay = TICKS[options.delay] * (layers.length - 1 - i);
      const late = ({ gradient }: Parameter) =>
        delay === 0 ? gradient : delayed(plan, `${gradient.label}.late`, gradient, clock, delay);
      optimizer.update(plan, layerEvent(i), layer.parameters, late);
    });
    const tensors = { flag: metrics.flag, step: clock };
    plan.dispatch(stepAdvance, { label: 'delay.advance', params: {}, tensors, role: 'always' });
  },
};
