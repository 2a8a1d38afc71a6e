import { existsSync, rmdirSync } from 'node:fs';
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { InputError } from '../src/errors.ts';
import { makeFolder } from '../src/files.ts';
import { prepareFolder } from '../src/report/folder.ts';
import { problemOf } from '../src/report/page/read.ts';
import type { BenchRecord } from '../src/report/record.ts';
import type { SweepCell } from './sweep-grid.ts';
import { isAlive, lockFolder } from './sweep-lock.ts';
import { differenceOf, parseManifest, type SweepManifest } from './sweep-manifest.ts';

const MANIFEST = 'sweep.json';
const CELLS = 'cells';

/** Ends the name of a record that cannot be used. */
const ASIDE = '.damaged';

/** As it comes back from a file. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/**
 * Writes a file whole or not at all, whatever happens to the process or the machine: it is on the disk before it gets
 * its name.
 */
export async function writeDurably(path: string, value: unknown): Promise<void> {
  const beside = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(beside, 'w');
    try {
      await file.writeFile(`${JSON.stringify(value, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(`${path}: expected a file that can be written, found that it cannot (${code})`);
  }
  try {
    const folder = await open(dirname(path), 'r');
    await folder.sync().finally(() => folder.close());
  } catch {
    // Some systems cannot do this with a folder, and need not.
  }
}

/** What is wrong with the content of a cell's file, in a phrase; undefined if it is that cell's record. */
function faultOf(content: unknown, cell: SweepCell): string | undefined {
  const problem = problemOf(content);
  if (problem) return problem;
  const { config, runs } = content as BenchRecord;
  if (!isDeepStrictEqual(config, asJson(cell.config))) return 'its configuration is not that of the cell';
  const [run] = runs;
  if (!run || runs.length > 1) return `expected one run, found ${runs.length}`;
  if (run.method !== cell.method || run.seed !== cell.seed)
    return `expected a run of ${cell.method} with seed ${cell.seed}, found ${run.method} with seed ${run.seed}`;
  if (run.status !== 'finished' && run.status !== 'failed')
    return `expected a run that has ended, found status '${run.status}'`;
  return undefined;
}

/** The folder of a sweep, held by this process alone: `sweep.json`, and `cells/<id>.json` for each finished cell. */
export class SweepFolder {
  readonly path: string;
  /** As it was found; undefined in a folder that holds no sweep yet. */
  readonly manifest: SweepManifest | undefined;
  readonly #leave: () => void;

  private constructor(path: string, manifest: SweepManifest | undefined, leave: () => void) {
    this.path = path;
    this.manifest = manifest;
    this.#leave = leave;
  }

  /**
   * Makes the folder, or takes the one there is.
   *
   * @throws InputError when it cannot be written, is held by another process, or holds something else or a damaged
   *   `sweep.json`; what this has made is removed again
   */
  static async open(path: string): Promise<SweepFolder> {
    const removeUnused = await prepareFolder(path);
    let unlock = () => {};
    const leave = () => {
      unlock();
      try {
        // Only if it is empty.
        rmdirSync(join(path, CELLS));
      } catch {}
      removeUnused();
    };
    try {
      unlock = await lockFolder(path);
      return new SweepFolder(path, await readManifest(path), leave);
    } catch (error) {
      leave();
      throw error;
    }
  }

  /**
   * The sweep that is here, or else the one that is wanted.
   *
   * @throws InputError when there is one made by other options
   */
  take(wanted: SweepManifest): SweepManifest {
    if (!this.manifest) return wanted;
    const difference = differenceOf(this.manifest, asJson(wanted) as SweepManifest);
    if (!difference) return this.manifest;
    throw new InputError(
      `--out ${this.path}: expected the options that its ${MANIFEST} was made by, but ${difference}`,
    );
  }

  /** Makes ready for records; a new folder gets its manifest. */
  async begin(manifest: SweepManifest): Promise<void> {
    if (!this.manifest) await writeDurably(join(this.path, MANIFEST), manifest);
    await makeFolder(join(this.path, CELLS));
  }

  /**
   * The records of the cells that are done. What a killed process left half-written is removed. A file that is not its cell's record is told of in a sentence and renamed,
   * so that the cell is run again and nothing is lost.
   */
  async records(
    cells: readonly SweepCell[],
    tell: (line: string) => void,
  ): Promise<Map<string, BenchRecord>> {
    await removeLeftovers(this.path);
    const found = new Map<string, BenchRecord>();
    const byId = new Map(cells.map((cell) => [cell.id, cell]));
    const folder = join(this.path, CELLS);
    const names = existsSync(folder) ? await readdir(folder) : [];
    for (const name of names.filter((each) => each.endsWith('.json')).sort()) {
      const id = basename(name, '.json');
      const cell = byId.get(id);
      let fault = cell ? undefined : 'the sweep has no such cell';
      if (cell) {
        try {
          const content = JSON.parse(await readFile(join(folder, name), 'utf8')) as unknown;
          fault = faultOf(content, cell);
          if (!fault) found.set(id, content as BenchRecord);
        } catch (error) {
          fault =
            error instanceof SyntaxError
              ? 'it is not JSON, or only a part of it'
              : `it cannot be read (${codeOf(error)})`;
        }
      }
      if (!fault) continue;
      const aside = freeName(folder, `${name}${ASIDE}`);
      await rename(join(folder, name), join(folder, aside));
      const then = cell ? ', and the cell is run again' : '';
      tell(`${join(folder, name)}: not a record of this sweep: ${fault}; it is kept as ${aside}${then}`);
    }
    return found;
  }

  /** Keeps the record of a finished cell. */
  async keep(cell: SweepCell, record: BenchRecord): Promise<void> {
    await writeDurably(join(this.path, CELLS, `${cell.id}.json`), record);
  }

  /** Gives the folder back, and removes it if it was made in vain. May be called twice. */
  leave(): void {
    this.#leave();
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

/** Temporary files of processes that were killed; those of one that only looks whether it can write here stay. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const at of [folder, join(folder, CELLS)]) {
    const names = existsSync(at) ? await readdir(at) : [];
    for (const name of names) {
      const [, whole, pid] = /^(.+\.json)?\.(\d+)\.tmp$/.exec(name) ?? [];
      if (pid === undefined || (whole === undefined && isAlive(Number(pid)))) continue;
      await rm(join(at, name), { force: true });
    }
  }
}

function freeName(folder: string, name: string): string {
  let free = name;
  for (let n = 2; existsSync(join(folder, free)); n++) free = `${name}.${n}`;
  return free;
}

async function readManifest(folder: string): Promise<SweepManifest | undefined> {
  const path = join(folder, MANIFEST);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') {
      throw new InputError(
        `${path}: expected the manifest of a sweep, found one that cannot be read (${codeOf(error)})`,
      );
    }
    // Without it nobody knows what the records are of.
    if (existsSync(join(folder, CELLS)) && (await readdir(join(folder, CELLS))).length > 0)
      throw new InputError(`${path}: expected the manifest of the cells beside it, found none`);
    return undefined;
  }
  return parseManifest(path, text);
}
