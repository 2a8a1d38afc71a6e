import { rm, stat, writeFile } from 'node:fs/promises';
import { InputError } from '../../src/errors.ts';
import { writeWhole } from '../../src/report/folder.ts';

const wanted = (option: string, path: string) => `${option} ${path}: expected a file that can be written`;

const refusal = (option: string, path: string, error: unknown) =>
  new InputError(
    `${wanted(option, path)}, but it cannot (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
  );

/**
 * Tries whether a file can be written, before anything is measured for it.
 *
 * @throws InputError when it cannot
 */
export async function checkWritable(option: string, path: string): Promise<void> {
  // A file beside a folder can be written, and yet not be moved to its place.
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new InputError(`${wanted(option, path)}, found a folder`);
  const probe = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(probe, '');
    await rm(probe);
  } catch (error) {
    throw refusal(option, path, error);
  }
}

/**
 * Writes what stands beside a result, a picture or a trace: whole or not at all.
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
