import { rmdirSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unknown error';

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Removes folders that were made for nothing, at once, as at the end of a process: what is in them stays. */
export function removeEmpty(folders: readonly string[]): void {
  // From the innermost. One that is not empty by now holds results, or somebody else's files.
  for (const path of folders.toReversed()) {
    try {
      rmdirSync(path);
    } catch {}
  }
}

/**
 * Makes a folder, and those above it that are missing. One by one: Node 20's recursive mkdir tries for ever where the
 * folder above is there and the system says ENOENT all the same, as in /proc.
 *
 * @returns what was made, the outermost first
 * @throws the system's error, with nothing made
 */
export async function makeFolder(path: string, mode?: number): Promise<readonly string[]> {
  const missing: string[] = [];
  for (let at = resolve(path); !(await isFolder(at)); at = dirname(at)) missing.unshift(at);
  const made: string[] = [];
  try {
    for (const at of missing) {
      try {
        await mkdir(at, mode);
        made.push(at);
      } catch (error) {
        // Another process may have been quicker.
        if (codeOf(error) !== 'EEXIST' || !(await isFolder(at))) throw error;
      }
    }
  } catch (error) {
    removeEmpty(made);
    throw error;
  }
  return made;
}
