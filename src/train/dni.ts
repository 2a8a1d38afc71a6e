import { syntheticModels, syntheticRule } from './synthetic.ts';

/**
 * Synthetic gradients without labels (DNI): the model has to guess the gradient from the activations alone, with two
 * hidden layers of 1024. Jaderberg et al. 2016, supplement, MNIST.
 */
export const dni = syntheticRule({
  name: 'dni',
  title: 'DNI',
  about: 'synthetic gradients without labels, predictors of 2 hidden layers of 1024',
  heeds: { width: true },
  createModels: syntheticModels(() => ({ hidden: 2, width: 1024, labels: false, output: 'linear' })),
});
