import { InputError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { MlpShape } from './mlp.ts';

/**
 * Refuses a network or a batch one of whose tensors no buffer of this device can hold. `steps` is how many steps'
 * batches are uploaded at a time, `width` that of the synthetic-gradient models' hidden layers.
 *
 * @throws InputError that names the option, the limit, and the largest value that would fit.
 */
export function checkFits(
  gpu: Gpu,
  { inputs, hidden }: MlpShape,
  batchSize: number,
  steps: number,
  width = 1,
): void {
  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.limits;
  const bytes = Math.min(maxStorageBufferBindingSize, maxBufferSize);
  const name = bytes === maxStorageBufferBindingSize ? 'maxStorageBufferBindingSize' : 'maxBufferSize';
  const limit = `the limit ${name} of ${gpu.info.name} is ${bytes} bytes`;

  // Between hidden layers, and in the synthetic gradients, weights are (hidden, hidden).
  const fanIn = Math.max(inputs, hidden);
  if (4 * fanIn * hidden > bytes) {
    const fits = Math.min(Math.floor(bytes / (4 * inputs)), Math.floor(Math.sqrt(bytes / 4)));
    throw new InputError(
      `--hidden ${hidden} needs a weight matrix of ${4 * fanIn * hidden} bytes, but ${limit}: at most ${fits} fits`,
    );
  }
  if (4 * width * Math.max(width, hidden) > bytes) {
    const fits = Math.min(Math.floor(bytes / (4 * hidden)), Math.floor(Math.sqrt(bytes / 4)));
    throw new InputError(
      `--sg-width ${width} needs a weight matrix of ${4 * width * Math.max(width, hidden)} bytes, but ${limit}: ` +
        `at most ${fits} fits`,
    );
  }
  // Activations, and the rows of the step table.
  const widest = Math.max(inputs, hidden, width, steps);
  if (4 * widest * batchSize > bytes) {
    throw new InputError(
      `--batch ${batchSize} needs ${4 * widest * batchSize} bytes in one buffer, but ${limit}: ` +
        `at most ${Math.floor(bytes / (4 * widest))} fits`,
    );
  }
}
