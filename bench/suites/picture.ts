import { rm, writeFile } from 'node:fs/promises';
import { InputError } from '../../src/errors.ts';
import { writeWhole } from '../../src/report/folder.ts';

const refusal = (option: string, path: string, error: unknown) =>
  new InputError(
    `${option} ${path}: expected a file that can be written, but it cannot (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
  );

/**
 * Tries whether a file can be written, before anything is measured for it.
 *
 * @throws InputError when it cannot
 */
export async function checkWritable(option: string, path: string): Promise<void> {
  const probe = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(probe, '');
    await rm(probe);
  } catch (error) {
    throw refusal(option, path, error);
  }
}

/**
 * Writes a file whole or not at all.
 *
 * @throws InputError when it cannot be written
 */
export async function writePicture(option: string, path: string, text: string): Promise<void> {
  try {
    await writeWhole(path, text);
  } catch (error) {
    throw refusal(option, path, error);
  }
}
