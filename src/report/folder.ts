import { existsSync } from 'node:fs';
import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InputError } from '../errors.ts';
import { makeFolder, removeEmpty } from '../files.ts';
import { type BenchRecord, curvesCsv, diagnosticsCsv } from './record.ts';

const RECORD = 'record.json';
const CURVES = 'curves.csv';
const DIAGNOSTICS = 'diagnostics.csv';

/**
 * Makes the folder that results go to, before any work is done for them, and tries to write there.
 *
 * @returns removes again what this has made, unless results have been written into it
 * @throws InputError when it cannot be made or written to, or already holds a record.
 */
export async function prepareFolder(folder: string): Promise<() => void> {
  const path = resolve(folder);
  let made: readonly string[] = [];
  try {
    made = await makeFolder(path);
    // Permissions alone do not tell: on a file system that is read-only or full, they are as always.
    const probe = join(path, `.${process.pid}.tmp`);
    await writeFile(probe, '');
    await rm(probe);
  } catch (error) {
    removeEmpty(made);
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    const found = await stat(path).catch(() => undefined);
    const reason = found && !found.isDirectory() ? 'it is not a folder' : `it cannot be written (${code})`;
    throw new InputError(`--out ${folder}: expected a folder to write results to, but ${reason}`);
  }
  for (const name of [RECORD, CURVES, DIAGNOSTICS]) {
    if (!existsSync(join(path, name))) continue;
    throw new InputError(`--out ${folder}: expected a folder without results, but it holds ${name} already`);
  }
  return () => removeEmpty(made);
}

/** Writes a file whole or not at all: beside its place first, then moved there. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const beside = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(beside, text);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    throw error;
  }
}

/** Writes `record.json`, `curves.csv` and, when it was asked for, `diagnostics.csv`; returns their paths. */
export async function writeRecord(folder: string, record: BenchRecord): Promise<string[]> {
  const files = [
    [RECORD, `${JSON.stringify(record, null, 2)}\n`],
    [CURVES, curvesCsv(record.runs)],
    ...((record.config.diagnose ?? null) === null ? [] : [[DIAGNOSTICS, diagnosticsCsv(record.runs)]]),
  ] as const;
  try {
    for (const [name, text] of files) await writeWhole(join(folder, name!), text!);
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    throw new InputError(`--out ${folder}: the results could not be written to ${path ?? folder} (${code})`);
  }
  return files.map(([name]) => join(folder, name!));
}
