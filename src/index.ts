// The library: what `import ... from 'syngrad'` gives. The command line is built on the same parts.

export {
  type Dataset,
  type DatasetInput,
  makeDataset,
  type SampleArrays,
  type Samples,
} from './data/dataset.ts';
export { loadImageData, mnistDataset } from './data/mnist.ts';
export { Random } from './data/random.ts';
export { type Batch, type BatchSource, ResidentSamples } from './data/resident.ts';
export { ResidentDataset } from './data/resident-dataset.ts';
export { InputError } from './errors.ts';
export { type AdapterInfo, describe } from './gpu/adapters.ts';
export type { CheckReport, TensorCheck } from './gpu/check.ts';
export { DeviceLostError, Gpu, OutOfMemoryError } from './gpu/gpu.ts';
export { listAdapters } from './gpu/instance.node.ts';
export { defineKernel, type KernelSpec } from './gpu/kernel.ts';
export { type OpenOptions, openDevice } from './gpu/open.ts';
export { type Dispatch, Plan } from './gpu/plan.ts';
export { kernels } from './kernels/index.ts';
export * as record from './kernels/record.ts';
export { HiddenLayer } from './nn/hidden-layer.ts';
export { Mlp, type MlpShape } from './nn/mlp.ts';
export { OutputLayer } from './nn/output-layer.ts';
export { type Parameter, parameter } from './nn/parameter.ts';
export {
  type GradientModel,
  type Prediction,
  SyntheticGradient,
  type SyntheticGradientShape,
} from './nn/synthetic-gradient.ts';
export { createTensor, type Tensor, tensorFrom, writeTensor } from './tensor.ts';
export { backprop } from './train/backprop.ts';
export { cdni } from './train/cdni.ts';
export { Diagnoser, type Diagnosis, type LayerDiagnosis } from './train/diagnose.ts';
export { Evaluator, type Score } from './train/evaluate.ts';
export { predict } from './train/predict.ts';
export type { ContextSource, LearningRule, RuleOptions, SideModel, StepContext } from './train/rule.ts';
export { rules } from './train/rules.ts';
export { type CurvePoint, type Progress, type RunOptions, type RunResult, run } from './train/run.ts';
export { type SyntheticRuleParts, syntheticModels, syntheticRule } from './train/synthetic.ts';
export { type TrainNetworkOptions, train, trainBackprop, trainCdni } from './train/train.ts';
export { NonFiniteError, Trainer, type TrainOptions } from './train/trainer.ts';
