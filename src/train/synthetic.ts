import { mix } from '../kernels/record-models.ts';
import type { HiddenState } from '../nn/hidden-layer.ts';
import type { MlpShape } from '../nn/mlp.ts';
import {
  type GradientModel,
  type Prediction,
  SyntheticGradient,
  type SyntheticGradientShape,
} from '../nn/synthetic-gradient.ts';
import type { Tensor } from '../tensor.ts';
import { layerEvent, modelEvent } from './events.ts';
import { recordFinite, recordLoss, recordLossGradient } from './loss.ts';
import type { ContextSource, LearningRule, StepContext } from './rule.ts';

/** What a rule's models are when nothing else is asked for. */
type OwnShape = Omit<SyntheticGradientShape, 'features' | 'classes'>;

/** Makes the synthetic-gradient models of a network, one for each hidden layer, with what was asked for in place. */
export const syntheticModels =
  (own: (shape: MlpShape) => OwnShape): LearningRule<SyntheticGradient>['createModels'] =>
  (gpu, shape, { synthetic, conventions, batchSize }, random) => {
    const mine = own(shape);
    const model: SyntheticGradientShape = {
      features: shape.hidden,
      classes: shape.classes,
      hidden: synthetic.hidden ?? mine.hidden,
      width: synthetic.width ?? mine.width,
      labels: synthetic.labels ?? mine.labels,
      output: synthetic.output ?? mine.output,
    };
    return Array.from({ length: shape.layers - 1 }, (_, i) => {
      const label = `sg${i + 1}`;
      return new SyntheticGradient(gpu, label, model, random.fork(label), { conventions, batchSize });
    });
  };

/** What makes a rule of synthetic gradients: its models, and what they are told beside the activations. */
export interface SyntheticRuleParts {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  /** Makes a model for each hidden layer, from the bottom up. */
  readonly createModels: LearningRule<GradientModel>['createModels'];
  /** What the models are conditioned on, known without running the network; the labels (B) by default. */
  readonly context?: (source: ContextSource) => Tensor;
  /** Which options it heeds; by default those of synthetic-gradient models, and lambda. */
  readonly heeds?: Partial<LearningRule['heeds']>;
}

/** What models are conditioned on unless a rule says otherwise: the labels (B). */
export const labelContext = ({ batch }: ContextSource): Tensor => batch.labels;

/** A learning rule by synthetic gradients, with models of one's own. */
export function syntheticRule({
  context = labelContext,
  heeds,
  ...parts
}: SyntheticRuleParts): LearningRule<GradientModel> {
  return {
    ...parts,
    context,
    unlocks: true,
    heeds: { synthetic: true, lambda: true, ...heeds },
    // Model i learns when layer i + 1 sends it a target.
    modelsOf: (i) => (i > 0 ? [i - 1] : []),
    record: (step) => (step.options.lambda > 0 ? recordMixed : recordUnlocked)(step, context(step)),
  };
}

/**
 * Synthetic gradients (Jaderberg et al. 2016 and its supplement).
 *
 * From the bottom up, each hidden layer i runs forward, is answered with a synthetic gradient SG_i of its
 * activations, and is updated from it at once, before any layer above has run. Only the top sees the loss. SG_i
 * itself learns from SG_{i+1} pulled back through layer i + 1, with that layer's weights as they were before its
 * update.
 */
function recordUnlocked(step: StepContext<GradientModel>, context: Tensor): void {
  const { plan, net, batch, optimizer, metrics, models } = step;
  let h = batch.x;
  let below: Prediction | undefined;
  net.hidden.forEach((layer, i) => {
    const state = layer.forward(plan, h);
    const prediction = models[i]!.predict(plan, state.h, context);
    const dZ = layer.backward(plan, state, prediction.gradient);
    // This layer does not wait for the loss, so it has to see for itself that what it learns from is finite: whatever
    // is not, in z, or in SG where the ReLU lets it pass, makes dGamma so.
    recordFinite(plan, layer.gamma.gradient, metrics);
    if (below) {
      // The target of the model below: this layer's synthetic gradient, pulled back through this layer.
      models[i - 1]!.learn(plan, below, layer.pullBack(plan, dZ));
      optimizer.update(plan, modelEvent(i - 1), models[i - 1]!.parameters);
    }
    optimizer.update(plan, layerEvent(i), layer.parameters);
    h = state.h;
    below = prediction;
  });

  const logits = net.output.forward(plan, h);
  const dLogits = recordLossGradient(plan, recordLoss(plan, logits, batch, metrics));
  net.output.backward(plan, h, dLogits);
  if (below) {
    // The top model's target is the true gradient.
    const top = models.length - 1;
    models[top]!.learn(plan, below, net.output.pullBack(plan, dLogits));
    optimizer.update(plan, modelEvent(top), models[top]!.parameters);
  }
  optimizer.update(plan, layerEvent(net.hidden.length), net.output.parameters);
}

/**
 * BP(lambda) (Jaderberg et al. 2016): from the top down, layer i learns from
 * lambda * (what layer i + 1 passes down) + (1 - lambda) * SG_i, and passes that mixture on. SG_i learns from what
 * layer i + 1 passes down. With lambda 1 this is backpropagation, with lambda towards 0 the rule above.
 */
function recordMixed(step: StepContext<GradientModel>, context: Tensor): void {
  const { plan, net, batch, optimizer, metrics, models, options } = step;
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
  let passed = net.output.pullBack(plan, dLogits);
  for (let i = net.hidden.length - 1; i >= 0; i--) {
    const layer = net.hidden[i]!;
    const prediction = models[i]!.predict(plan, states[i]!.h, context);
    models[i]!.learn(plan, prediction, passed);
    const mixture = mix(plan, `${layer.label}.mixture`, passed, prediction.gradient, options.lambda);
    const dZ = layer.backward(plan, states[i]!, mixture);
    recordFinite(plan, layer.gamma.gradient, metrics);
    if (i > 0) passed = layer.pullBack(plan, dZ);
  }
  models.forEach((model, i) => {
    optimizer.update(plan, modelEvent(i), model.parameters);
  });
  [...net.hidden, net.output].forEach((layer, i) => {
    optimizer.update(plan, layerEvent(i), layer.parameters);
  });
}
