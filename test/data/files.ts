import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { InputError } from '../../src/errors.ts';

/** Runs `use` with a new temporary folder and removes it afterwards. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'syngrad-data-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The bytes of an IDX file: type code, sizes, data. */
export function idx(dims: number[], data: ArrayLike<number>, type = 8): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * dims.length + data.length);
  bytes[2] = type;
  bytes[3] = dims.length;
  const view = new DataView(bytes.buffer);
  dims.forEach((size, i) => {
    view.setUint32(4 + 4 * i, size);
  });
  bytes.set(data, 4 + 4 * dims.length);
  return bytes;
}

/** Numbers 0, 1, 2, ... modulo `modulo`. */
export function ramp(count: number, modulo = 256): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => i % modulo);
}

/** What the folder of a small, made-up data set holds: file name to contents. */
export function smallSet(trainCount = 24, testCount = 5, rows = 3, columns = 2): Record<string, Uint8Array> {
  return {
    'train-images-idx3-ubyte': idx([trainCount, rows, columns], ramp(trainCount * rows * columns)),
    'train-labels-idx1-ubyte': idx([trainCount], ramp(trainCount, 10)),
    't10k-images-idx3-ubyte': idx([testCount, rows, columns], ramp(testCount * rows * columns)),
    't10k-labels-idx1-ubyte': idx([testCount], ramp(testCount, 10)),
  };
}

/** Writes files into a folder. */
export async function writeAll(folder: string, files: Record<string, Uint8Array>): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
}

/** Asserts that `action` fails with an InputError of one line that is exactly `message`. */
export async function expectInputError(action: () => unknown, message: string): Promise<void> {
  let error: unknown;
  try {
    await action();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(InputError);
  expect((error as InputError).message).toBe(message);
  expect(message).not.toContain('\n');
}
