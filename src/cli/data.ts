import type { Dataset } from '../data/dataset.ts';
import { mnistDataset } from '../data/mnist.ts';
import { InputError } from '../errors.ts';

/**
 * Reads what `--data` names, or MNIST.
 *
 * @throws InputError that names the option beside the folder or the file
 */
export async function readData(folder: string | undefined): Promise<Dataset> {
  try {
    return await mnistDataset(folder);
  } catch (error) {
    if (folder === undefined || !(error instanceof InputError)) throw error;
    throw new InputError(`--data ${error.message}`);
  }
}
