import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this package: where its package.json is, above the sources or above what was built from them. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    try {
      if (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).name === 'syngrad') return folder;
    } catch {
      // No package.json here: look further up.
    }
    const above = dirname(folder);
    if (above === folder) throw new Error('syngrad: its package.json is missing');
    folder = above;
  }
}

/** The commit of the checkout that runs, `-dirty` behind it when files differ or are new; null outside a checkout. */
function commit(folder: string): string | null {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    // An installed package may lie inside somebody else's checkout.
    if (git('ls-files', '--error-unmatch', 'package.json') === '') return null;
    // New files count where they are read from; results and notes elsewhere do not.
    // A record that is written changes nothing about the program that writes it.
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!bench/results');
    const added = git('status', '--porcelain', '--', 'src', 'shaders', 'bench/*.ts');
    const dirty = changed !== '' || added !== '';
    return `${git('rev-parse', 'HEAD')}${dirty ? '-dirty' : ''}`;
  } catch {
    return null;
  }
}

/** Which versions made a record. */
export function provenance(): { dawn: string; node: string; version: string; commit: string | null } {
  const folder = packageFolder();
  const version = (path: string): string => JSON.parse(readFileSync(path, 'utf8')).version;
  const dawn = join(dirname(createRequire(import.meta.url).resolve('webgpu')), 'package.json');
  return {
    dawn: version(dawn),
    node: process.version,
    version: version(join(folder, 'package.json')),
    commit: process.env.SYNGRAD_COMMIT ?? commit(folder),
  };
}
