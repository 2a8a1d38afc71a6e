import type { Gpu } from '../gpu/gpu.ts';
import type { Dataset } from './dataset.ts';
import { ResidentSamples } from './resident.ts';

/** A data set in GPU memory, uploaded once and shared by all runs on that device. */
export class ResidentDataset {
  readonly dataset: Dataset;
  readonly train: ResidentSamples;
  readonly validation: ResidentSamples;
  readonly test: ResidentSamples;

  /** @throws InputError when the device has no buffer of the size of the training set. */
  constructor(gpu: Gpu, dataset: Dataset) {
    this.dataset = dataset;
    const parts = gpu.allOrNothing(() => ({
      train: new ResidentSamples(gpu, 'data.train', dataset.train),
      validation: new ResidentSamples(gpu, 'data.validation', dataset.validation),
      test: new ResidentSamples(gpu, 'data.test', dataset.test),
    }));
    this.train = parts.train;
    this.validation = parts.validation;
    this.test = parts.test;
  }

  destroy(): void {
    for (const part of [this.train, this.validation, this.test]) part.destroy();
  }
}
