import { InputError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { MlpShape } from './mlp.ts';

/**
 * Refuses a network or a batch one of whose tensors no buffer of this device can hold.
 *
 * @throws InputError that names the option, the limit, and the largest value that would fit.
 */
export function checkFits(gpu: Gpu, { inputs, hidden, layers }: MlpShape, batchSize: number): void {
  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.limits;
  const bytes = Math.min(maxStorageBufferBindingSize, maxBufferSize);
  const name = bytes === maxStorageBufferBindingSize ? 'maxStorageBufferBindingSize' : 'maxBufferSize';
  const limit = `the limit ${name} of ${gpu.info.name} is ${bytes} bytes`;

  const fanIn = layers > 2 ? Math.max(inputs, hidden) : inputs;
  if (4 * fanIn * hidden > bytes) {
    const byInputs = Math.floor(bytes / (4 * inputs));
    const fits = layers > 2 ? Math.min(byInputs, Math.floor(Math.sqrt(bytes / 4))) : byInputs;
    throw new InputError(
      `--hidden ${hidden} needs a weight matrix of ${4 * fanIn * hidden} bytes, but ${limit}: at most ${fits} fits`,
    );
  }
  const widest = Math.max(inputs, hidden);
  if (4 * widest * batchSize > bytes) {
    throw new InputError(
      `--batch ${batchSize} needs activations of ${4 * widest * batchSize} bytes, but ${limit}: ` +
        `at most ${Math.floor(bytes / (4 * widest))} fits`,
    );
  }
}
