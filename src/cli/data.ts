import type { Dataset } from '../data/dataset.ts';
import { mnistDataset } from '../data/mnist.ts';
import { InputError } from '../errors.ts';
import { PYTORCH } from '../nn/conventions.ts';
import { readConventions } from './options.ts';

/**
 * Reads what `--data` names, or MNIST, with the validation samples where the conventions have them.
 *
 * @throws InputError that names the option beside the folder or the file
 */
export async function readData(folder: string | undefined, conventions?: string): Promise<Dataset> {
  try {
    const { validation } = conventions === undefined ? PYTORCH : readConventions(conventions);
    return await mnistDataset(folder, { validation });
  } catch (error) {
    if (folder === undefined || !(error instanceof InputError)) throw error;
    throw new InputError(`--data ${error.message}`);
  }
}
