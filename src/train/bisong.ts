import { syntheticModels, syntheticRule } from './synthetic.ts';

/**
 * Bisong 2017: "We made our synthetic gradient architecture to be structurally identical to the inference network",
 * fed the labels. Read as: each model has the inference network's own hidden layers, as many and as wide, each linear,
 * batch norm, ReLU, then a linear layer; the label enters its first layer.
 */
export const bisong = syntheticRule({
  name: 'bisong',
  title: 'SG of Bisong',
  about: "synthetic gradients conditioned on the label, predictors with the network's own hidden layers",
  heeds: { width: true },
  createModels: syntheticModels(({ hidden, layers }) => ({
    hidden: layers - 1,
    width: hidden,
    labels: true,
    output: 'linear',
  })),
});
