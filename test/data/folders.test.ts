import { writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { makeFolder } from '../../src/files.ts';
import { useFolder } from '../support/cli.ts';

const temp = useFolder();

it('makes a folder and those above it, and tells which', async () => {
  const made = ['a', 'a/b', 'a/b/c'].map((path) => temp.join(path));
  expect(await makeFolder(made[2]!)).toEqual(made);
  expect(await makeFolder(made[2]!)).toEqual([]);
  expect(await makeFolder(temp.join('a/b/d'))).toEqual([temp.join('a/b/d')]);
});

it('makes them once when many ask at a time', async () => {
  const all = await Promise.all(Array.from({ length: 8 }, () => makeFolder(temp.join('many/at/once'))));
  expect(all.flat().sort()).toEqual(['many', 'many/at', 'many/at/once'].map((path) => temp.join(path)));
});

it('fails at a file in the way', async () => {
  await writeFile(temp.join('file'), '');
  await expect(makeFolder(temp.join('file'))).rejects.toThrow('EEXIST');
  await expect(makeFolder(temp.join('file/below'))).rejects.toThrow('ENOTDIR');
});

// Node's own recursive mkdir never comes back from there.
it.runIf(process.platform === 'linux')('fails where the system makes no folders', async () => {
  for (const path of ['/proc/foo', '/proc/foo/bar']) {
    await expect(makeFolder(path)).rejects.toThrow();
  }
});
