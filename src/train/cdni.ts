import { syntheticModels, syntheticRule } from './synthetic.ts';

/**
 * Synthetic gradients conditioned on the label (cDNI): a linear model of [activations, label] on each hidden layer.
 * Jaderberg et al. 2016, supplement, MNIST.
 */
export const cdni = syntheticRule({
  name: 'cdni',
  title: 'cDNI',
  about: 'synthetic gradients conditioned on the label, linear predictors',
  createModels: syntheticModels(() => ({ hidden: 0, width: 1024, labels: true, output: 'linear' })),
});
