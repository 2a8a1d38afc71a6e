import type { Gpu } from '../gpu/gpu.ts';
import { createTensor, type Tensor, tensorFrom } from '../tensor.ts';

/** Something that learns: its value, and the gradient of the loss by it, summed over the batch. */
export interface Parameter {
  readonly value: Tensor;
  readonly gradient: Tensor;
  /**
   * Set where the loss that it learns from is another than the one whose gradient is computed, by constant factors alone:
   * the optimizer sees the gradient times `gradient`, and its step is taken times `step`.
   */
  readonly scaled?: { readonly gradient: number; readonly step: number } | undefined;
}

/** A parameter `label` that begins with `data`, and a gradient `label` with a `d` before its last name. */
export function parameter(gpu: Gpu, label: string, shape: readonly number[], data: Float32Array): Parameter {
  const dot = label.lastIndexOf('.') + 1;
  const gradientLabel = `${label.slice(0, dot)}d${label[dot]!.toUpperCase()}${label.slice(dot + 1)}`;
  return { value: tensorFrom(gpu, label, shape, data), gradient: createTensor(gpu, gradientLabel, shape) };
}
