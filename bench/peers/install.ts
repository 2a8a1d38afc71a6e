import { execFile } from 'node:child_process';
import { copyFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeFolder } from '../../src/files.ts';

const run = promisify(execFile);

/** Seconds that an installation may take. */
const PATIENCE = 600;

/** The folder of the peers' npm packages, below the checkout. */
export const modulesOf = (folder: string): string => join(folder, '.peers');

const textOf = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

/**
 * Installs the peers' npm packages, at the versions of bench/peers/package-lock.json, into a folder of their own, unless
 * they are there already. No package's scripts are run. Returns why they could not be had, or undefined.
 */
export async function installPeers(
  folder: string,
  note: (line: string) => void,
): Promise<string | undefined> {
  const source = join(folder, 'bench', 'peers');
  const target = modulesOf(folder);
  const lock = 'package-lock.json';
  // npm writes this file when it has finished; which lock it followed, only our copy beside it says.
  const finished = join(target, 'node_modules', '.package-lock.json');
  const wanted = await textOf(join(source, lock));
  if (wanted === (await textOf(join(target, lock))) && (await textOf(finished))) return undefined;
  note('installing jax-js and tfjs into .peers (some 330 MB, once)');
  await makeFolder(target);
  // Should npm not get there, what an older lock left behind must not pass for this one's.
  await rm(finished, { force: true });
  await copyFile(join(source, 'package.json'), join(target, 'package.json'));
  await copyFile(join(source, lock), join(target, lock));
  try {
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--fetch-retries=1'], {
      cwd: target,
      timeout: 1e3 * PATIENCE,
      shell: process.platform === 'win32',
    });
    return undefined;
  } catch (error) {
    const { stderr = '', code } = error as { stderr?: string; code?: number | string };
    // Only npm's code for it: the rest names addresses and paths.
    const why = /npm error code (\S+)/.exec(stderr)?.[1] ?? String(code ?? (error as Error).message);
    return `not installed: npm ci failed (${why})`;
  }
}
