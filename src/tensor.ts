import type { Gpu } from './gpu/gpu.ts';

/** Element type of a tensor. Both are 4 bytes wide. */
export type DType = 'f32' | 'u32';

/** A label, a shape, an element type and the GPU memory they describe. It has no operations: kernels have. */
export interface Tensor {
  readonly label: string;
  /** Row-major; the last dimension is contiguous. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Number of elements. */
  readonly size: number;
  readonly buffer: GPUBuffer;
}

/** (256, 784): how shapes are written in every message. */
export const showShape = (shape: readonly number[]): string => `(${shape.join(', ')})`;

/**
 * A tensor in GPU memory of its own, zero at first. Dawn tracks hazards by whole buffer, so that two tensors never
 * share one.
 *
 * @throws InputError when the device has no buffer of that size (the limit is named).
 */
export function createTensor(
  gpu: Gpu,
  label: string,
  shape: readonly number[],
  dtype: DType = 'f32',
): Tensor {
  if (shape.length === 0 || shape.some((d) => !Number.isInteger(d) || d < 1)) {
    throw new Error(`${label}: a shape needs positive integers, got ${showShape(shape)}`);
  }
  const size = shape.reduce((a, b) => a * b, 1);
  return { label, shape, dtype, size, buffer: gpu.storage(`${label} ${showShape(shape)}`, 4 * size) };
}

/** A tensor that begins with `data`. */
export function tensorFrom(
  gpu: Gpu,
  label: string,
  shape: readonly number[],
  data: Float32Array | Uint32Array,
): Tensor {
  const tensor = createTensor(gpu, label, shape, data instanceof Uint32Array ? 'u32' : 'f32');
  writeTensor(gpu, tensor, data);
  return tensor;
}

/** Replaces a tensor's elements, from the first on. */
export function writeTensor(gpu: Gpu, tensor: Tensor, data: Float32Array | Uint32Array): void {
  if (data.length > tensor.size) {
    throw new Error(
      `${tensor.label} ${showShape(tensor.shape)} holds ${tensor.size} elements, got ${data.length}`,
    );
  }
  if (data instanceof Uint32Array !== (tensor.dtype === 'u32')) {
    throw new Error(`${tensor.label} is ${tensor.dtype}, got ${data.constructor.name}`);
  }
  gpu.write(tensor.buffer, data);
}
