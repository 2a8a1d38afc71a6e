import { Feedback } from '../../src/nn/feedback.ts';
import { SyntheticGradient } from '../../src/nn/synthetic-gradient.ts';
import type { Tensor } from '../../src/tensor.ts';
import type { Trainer } from '../../src/train/trainer.ts';

/** What a network and its models hold: parameters, running statistics, fixed matrices; without gradients. */
export function heldTensors({ net, models }: Pick<Trainer, 'net' | 'models'>): Tensor[] {
  const blocks = [...net.hidden, ...models.flatMap((m) => (m instanceof SyntheticGradient ? m.hidden : []))];
  const running = blocks.flatMap((layer) => [layer.runningMean, layer.runningVar]);
  const fixed = models.flatMap((m) => (m instanceof Feedback ? [m.matrix] : []));
  const parameters = [...net.parameters, ...models.flatMap((m) => m.parameters)];
  return [...parameters.map((p) => p.value), ...running, ...fixed];
}
