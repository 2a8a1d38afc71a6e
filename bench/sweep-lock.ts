import { readFileSync, rmSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../src/errors.ts';

/** A lock is an empty file whose name tells who holds it: made in one go, it is never found half-written. */
const NAME = /^sweep\.([\w-]+)\.(\d+)\.(\w+)\.lock$/;

/** Attempts of two processes that started at the same moment and so got in each other's way. */
const ATTEMPTS = 4;

const HERE = hostname().replace(/[^\w-]/g, '_') || 'host';

/**
 * When a process began, in the kernel's ticks: process numbers are used again, above all in containers and after a
 * restart. `unknown` where there is no /proc, and `gone` for a process that has ended and only waits to be forgotten.
 */
function beginning(pid: number): string {
  try {
    // The second field is the command in brackets, which may hold anything; the third is the state, the 22nd the time.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'gone' : fields[19]!;
  } catch {
    return 'unknown';
  }
}

/** Whether there is a process of this number; where its beginning is told, whether it is still the same one. */
export function isAlive(pid: number, began = 'unknown'): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Not allowed to signal it: so there is one.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = beginning(pid);
  return now === 'unknown' || (now !== 'gone' && (began === 'unknown' || now === began));
}

/** The lock of another process that may still be at work in this folder; locks of dead ones are removed. */
async function holderIn(folder: string, own: string): Promise<{ name: string; who: string } | undefined> {
  for (const name of await readdir(folder)) {
    const found = NAME.exec(name);
    if (!found || name === own) continue;
    const [, host, pid, began] = found as unknown as [string, string, string, string];
    if (host !== HERE) return { name, who: `process ${pid} on ${host}` };
    if (Number(pid) !== process.pid && isAlive(Number(pid), began)) return { name, who: `process ${pid}` };
    rmSync(join(folder, name), { force: true });
  }
  return undefined;
}

/**
 * Takes a folder for this process alone. Each process first puts down its own lock and then looks for others, so that
 * of two that come at the same moment at least one sees the other; one that sees another takes its own away again.
 *
 * @returns gives the folder back; may be called twice
 * @throws InputError when another process holds it
 */
export async function lockFolder(folder: string): Promise<() => void> {
  const own = `sweep.${HERE}.${process.pid}.${beginning(process.pid)}.lock`;
  const release = () => rmSync(join(folder, own), { force: true });
  for (let attempt = 1; ; attempt++) {
    await writeFile(join(folder, own), '');
    const holder = await holderIn(folder, own);
    if (!holder) return release;
    release();
    if (attempt === ATTEMPTS) {
      throw new InputError(
        `--out ${folder}: expected a folder that no other sweep is at work in, but ${holder.who} holds it ` +
          `(if that is gone for good, delete ${holder.name})`,
      );
    }
    // By chance, so that two do not go on getting in each other's way.
    await new Promise((resolve) => setTimeout(resolve, 100 * Math.random()));
  }
}
