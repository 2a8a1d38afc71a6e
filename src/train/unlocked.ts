import { InputModel } from '../nn/input-model.ts';
import type { GradientModel, Prediction } from '../nn/synthetic-gradient.ts';
import { layerEvent, modelEvent } from './events.ts';
import { recordFinite, recordLoss, recordLossGradient } from './loss.ts';
import type { LearningRule } from './rule.ts';
import { syntheticModels } from './synthetic.ts';

const gradientModels = syntheticModels(() => ({ hidden: 0, width: 1024, labels: true, output: 'linear' }));

/**
 * Complete unlock (Jaderberg et al. 2016): forward is unlocked too. Layer i does not wait for
 * h_{i-1}: an input model I_{i-1} synthesises it from the network's input x, and a synthetic gradient answers h_i. The
 * input model learns from the activations that really come, the synthetic gradient from the layer above.
 *
 * Models: first the synthetic gradients, one for each hidden layer, then the input models.
 */
export const unlocked: LearningRule<GradientModel | InputModel> = {
  name: 'unlocked',
  title: 'complete unlock',
  about: 'synthetic gradients and synthetic inputs: forward and update unlocked',
  unlocks: true,
  heeds: { synthetic: true, lambda: false },

  createModels: (gpu, shape, options, random) => [
    ...gradientModels(gpu, shape, options, random),
    ...Array.from({ length: shape.layers - 1 }, (_, i) => {
      const label = `input${i + 1}`;
      return new InputModel(gpu, label, shape.inputs, shape.hidden, random.fork(label), options.conventions);
    }),
  ],

  // With layer i learn the synthetic gradient of the layer below and the model of this layer's own activations.
  modelsOf: (i, { layers }) => [...(i > 0 ? [i - 1] : []), ...(i < layers - 1 ? [layers - 1 + i] : [])],

  record({ plan, net, batch, optimizer, metrics, models }) {
    const n = net.hidden.length;
    const gradients = models.slice(0, n) as GradientModel[];
    const inputs = models.slice(n) as InputModel[];
    // synthesised[i] stands in for the activations of hidden layer i, before that layer has run.
    const synthesised = inputs.map((model) => model.predict(plan, batch.x));
    let below: Prediction | undefined;
    net.hidden.forEach((layer, i) => {
      const state = layer.forward(plan, i === 0 ? batch.x : synthesised[i - 1]!);
      const prediction = gradients[i]!.predict(plan, state.h, batch.labels);
      const dZ = layer.backward(plan, state, prediction.gradient);
      recordFinite(plan, layer.gamma.gradient, metrics);
      if (below) {
        gradients[i - 1]!.learn(plan, below, layer.pullBack(plan, dZ));
        optimizer.update(plan, modelEvent(i - 1), gradients[i - 1]!.parameters);
      }
      // What the layer really gave is what its input model should have said.
      inputs[i]!.learn(plan, batch.x, synthesised[i]!, state.h);
      optimizer.update(plan, modelEvent(n + i), inputs[i]!.parameters);
      optimizer.update(plan, layerEvent(i), layer.parameters);
      below = prediction;
    });
    const top = synthesised[n - 1]!;
    const logits = net.output.forward(plan, top);
    const dLogits = recordLossGradient(plan, recordLoss(plan, logits, batch, metrics));
    net.output.backward(plan, top, dLogits);
    if (below) gradients[n - 1]!.learn(plan, below, net.output.pullBack(plan, dLogits));
    optimizer.update(plan, modelEvent(n - 1), gradients[n - 1]!.parameters);
    optimizer.update(plan, layerEvent(n), net.output.parameters);
  },
};
