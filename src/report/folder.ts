import { constants, existsSync } from 'node:fs';
import { access, mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../errors.ts';
import { type BenchRecord, curvesCsv } from './record.ts';

/**
 * Makes the folder that results go to, before any work is done for them.
 *
 * @throws InputError when it cannot be made or written to, or already holds a record.
 */
export async function prepareFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    const found = await stat(folder).catch(() => undefined);
    const reason = found && !found.isDirectory() ? 'it is not a folder' : `it cannot be written (${code})`;
    throw new InputError(`--out ${folder}: expected a folder to write results to, but ${reason}`);
  }
  if (existsSync(join(folder, 'record.json'))) {
    throw new InputError(
      `--out ${folder}: expected a folder without results, but it holds record.json already`,
    );
  }
}

/** Writes a file whole or not at all: beside its place first, then moved there. */
async function writeWhole(path: string, text: string): Promise<void> {
  const beside = `${path}.${process.pid}.tmp`;
  await writeFile(beside, text);
  await rename(beside, path);
}

/** Writes `record.json` and `curves.csv`; returns their paths. */
export async function writeRecord(folder: string, record: BenchRecord): Promise<string[]> {
  const paths = [join(folder, 'record.json'), join(folder, 'curves.csv')];
  try {
    await writeWhole(paths[0]!, `${JSON.stringify(record, null, 2)}\n`);
    await writeWhole(paths[1]!, curvesCsv(record.runs));
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    throw new InputError(`--out ${folder}: the results could not be written to ${path ?? folder} (${code})`);
  }
  return paths;
}
