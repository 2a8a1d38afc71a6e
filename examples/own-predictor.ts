// A synthetic-gradient model of one's own, with a context of one's own in place of the label: it guesses the gradient
// of a hidden layer's activations from the network's input x alone, SG(h, x) = x A.
import * as sg from 'syngrad';

class FromInput implements sg.GradientModel {
  readonly parameters: readonly [sg.Parameter];

  constructor(gpu: sg.Gpu, label: string, inputs: number, features: number) {
    this.parameters = [
      sg.parameter(gpu, `${label}.A`, [inputs, features], new Float32Array(inputs * features)),
    ];
  }
  predict(plan: sg.Plan, message: sg.Tensor, context: sg.Tensor): sg.Prediction {
    const [A] = this.parameters;
    return { message, context, gradient: sg.record.matmulNN(plan, `${A.value.label}.sg`, context, A.value) };
  }
  learn(plan: sg.Plan, { context, gradient }: sg.Prediction, target: sg.Tensor): void {
    const [A] = this.parameters;
    const error = sg.record.squaredError(plan, `${A.value.label}.error`, gradient, target);
    sg.record.matmulTN(plan, context, error, A.gradient);
  }
}
const fromInput = sg.syntheticRule({
  name: 'from-input',
  title: 'SG from the input',
  about: 'synthetic gradients from the input alone',
  context: ({ batch }) => batch.x,
  createModels: (gpu, { inputs, hidden, layers }) =>
    Array.from({ length: layers - 1 }, (_, i) => new FromInput(gpu, `sg${i + 1}`, inputs, hidden)),
});
const dataset = await sg.mnistDataset();
const gpu = await sg.openDevice();
const net = new sg.Mlp(gpu, { inputs: dataset.features, hidden: 64, layers: 4, classes: dataset.classes }, 1);
const { test } = await sg.train(fromInput, net, dataset, { steps: 200, batchSize: 128, learningRate: 2e-3 });
console.log(`test accuracy ${test?.accuracy}`);
gpu.destroy();
