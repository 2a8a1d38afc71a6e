import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { installPeers, modulesOf } from '../../bench/peers/install.ts';
import { useFolder } from '../support/cli.ts';

const folder = useFolder();

/** A checkout whose lock says this. */
async function checkout(name: string, lock: string): Promise<string> {
  const path = folder.join(name);
  await mkdir(join(path, 'bench', 'peers'), { recursive: true });
  await writeFile(join(path, 'bench', 'peers', 'package.json'), '{}');
  await writeFile(join(path, 'bench', 'peers', 'package-lock.json'), lock);
  return path;
}

/** Installs where no program is on the path, npm least of all. */
async function installAlone(path: string): Promise<{ reason: string | undefined; notes: string[] }> {
  const { PATH } = process.env;
  const notes: string[] = [];
  process.env.PATH = folder.path;
  try {
    return { reason: await installPeers(path, (line) => notes.push(line)), notes };
  } finally {
    process.env.PATH = PATH;
  }
}

it('takes what is installed already, as long as the lock is the same', async () => {
  const path = await checkout('done', 'lock 1');
  await mkdir(join(modulesOf(path), 'node_modules'), { recursive: true });
  await writeFile(join(modulesOf(path), 'package-lock.json'), 'lock 1');
  // An installation that was broken off has not got this far.
  expect((await installAlone(path)).reason).toMatch(/^not installed: npm ci failed \(/);
  await writeFile(join(modulesOf(path), 'node_modules', '.package-lock.json'), '{}');
  expect(await installAlone(path)).toEqual({ reason: undefined, notes: [] });
  await writeFile(join(path, 'bench', 'peers', 'package-lock.json'), 'lock 2');
  for (let i = 0; i < 2; i++) {
    expect((await installAlone(path)).reason).toBe('not installed: npm ci failed (ENOENT)');
  }
});

it('says why it could not install, without an address or a path', async () => {
  const path = await checkout('bare', 'lock 1');
  const { reason, notes } = await installAlone(path);
  expect(reason).toBe('not installed: npm ci failed (ENOENT)');
  expect(notes).toHaveLength(1);
  expect(existsSync(join(path, 'node_modules'))).toBe(false);
});
