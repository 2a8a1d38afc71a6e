import { existsSync } from 'node:fs';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { InputError } from '../../src/errors.ts';
import { makeFolder, removeEmpty } from '../../src/files.ts';
import type { AdapterInfo } from '../../src/gpu/adapters.ts';
import type { provenance } from '../provenance.ts';
import { writeDurably } from '../sweep-folder.ts';
import type { SuiteResult } from './suite.ts';

/** Version of the format. Fields are added under the same number, and none is renamed or removed. */
export const SUITES_VERSION = 1;

/** What a machine is busy with. */
export interface HostLoad {
  readonly cpus: number;
  /** Processes that wanted to run, on average over the minute before; 0 where the system does not tell. */
  readonly load: number;
}

/** The machine as it is now. */
export const hostLoad = (): HostLoad => ({ cpus: availableParallelism(), load: loadavg()[0]! });

/** Share of its processors from which on a machine counts as busy. */
const BUSY = 0.25;

/** Whether other work will be seen in the times. */
export const isBusy = ({ cpus, load }: HostLoad): boolean => load > BUSY * cpus;

/** By which versions something was made, and on what machine. */
export type Made = ReturnType<typeof provenance> & { readonly host: HostLoad };

/** What one suite found, and by which versions: the suites of a record may be of different days. */
export interface SuitePart<R extends SuiteResult = SuiteResult> {
  /** When it began, ISO 8601. */
  readonly date: string;
  readonly device: AdapterInfo;
  /** Version of the npm package `webgpu`, which is Dawn. */
  readonly dawn: string;
  readonly node: string;
  /** Of syngrad. */
  readonly version: string;
  /** Git commit of the checkout, `-dirty` behind it when files differ; null outside a checkout. */
  readonly commit: string | null;
  /** The machine as the suite found it: on one that is busy with other things, times are too long and scatter. */
  readonly host: HostLoad;
  /** Repeats behind each median, at least. */
  readonly repeats: number;
  /** True when it was asked for its shortest form, whose figures are not to be quoted. */
  readonly quick: boolean;
  /** Seconds that the suite took, checks included. */
  readonly seconds: number;
  /** True when it was stopped before its end, so that measurements are missing. */
  readonly interrupted?: true;
  readonly result: R;
}

/** All suites of one device: `bench/results/<device>.json`. */
export interface SuitesRecord {
  readonly suitesVersion: typeof SUITES_VERSION;
  /** The device's name, as its driver spells it; driver and versions are in each part. */
  readonly device: string;
  readonly suites: Readonly<Record<string, SuitePart>>;
}

/** The name of a device's file: known drivers by what everybody calls them, others by their own name. */
export function deviceSlug({ name, driver }: Pick<AdapterInfo, 'name' | 'driver'>): string {
  const text = `${name} ${driver}`.toLowerCase();
  if (/llvmpipe|lavapipe/.test(text)) return 'lavapipe';
  if (text.includes('swiftshader')) return 'swiftshader';
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '') || 'device'
  );
}

/** Where a device's record goes unless `--out` says otherwise. */
export const defaultPath = (device: AdapterInfo): string => join('runs', `suites-${deviceSlug(device)}.json`);

/** What every part begins with. */
export function partOf<R extends SuiteResult>(
  device: AdapterInfo,
  date: Date,
  made: Made,
  { repeats, quick }: { repeats: number; quick: boolean },
  result: R,
): SuitePart<R> {
  const seconds = (Date.now() - date.getTime()) / 1e3;
  return { date: date.toISOString(), device, ...made, repeats, quick, seconds, result };
}

/**
 * The record that a file holds; undefined where there is none.
 *
 * @throws InputError when it is no such record, or that of another device
 */
export async function readSuites(path: string, device?: AdapterInfo): Promise<SuitesRecord | undefined> {
  const refuse = (found: string) =>
    new InputError(
      `--out ${path}: expected a record of suites${device ? ` of ${device.name}` : ''}, found ${found}`,
    );
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw refuse(code === 'EISDIR' ? 'a folder' : `a file that cannot be read (${code})`);
  }
  let record: SuitesRecord;
  try {
    record = JSON.parse(text);
  } catch {
    throw refuse('a file that is not JSON');
  }
  if (record?.suitesVersion !== SUITES_VERSION || typeof record.suites !== 'object' || record.suites === null)
    throw refuse('another file');
  if (device && record.device !== device.name) throw refuse(`that of ${record.device}`);
  return record;
}

/** Seconds after which a lock was left behind by a process that died: it is held for the time of one small write. */
const STALE = 10;

/** Calls `use` while no other process does so for this file. */
async function alone<T>(path: string, use: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  const until = Date.now() + 2e3 * STALE;
  for (;;) {
    try {
      await (await open(lock, 'wx')).close();
      break;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST')
        throw new InputError(
          `--out ${path}: expected a file that can be written, but its folder cannot (${code})`,
        );
      const taken = await stat(lock)
        .then(({ mtimeMs }) => mtimeMs)
        .catch(() => Date.now());
      if (Date.now() - taken > 1e3 * STALE) await rm(lock, { force: true });
      else if (Date.now() > until)
        throw new InputError(
          `--out ${path}: expected a file that nobody else writes, but ${lock} stays there`,
        );
      await new Promise((resolve) => setTimeout(resolve, 10 + 20 * Math.random()));
    }
  }
  try {
    return await use();
  } finally {
    await rm(lock, { force: true });
  }
}

/**
 * Makes sure, before anything is measured for it, that a record can be written: its folder is there, and what the
 * file holds is a record of this device.
 *
 * @returns removes again the folders that this has made, unless something has been written into them
 * @throws InputError when it is not so
 */
export async function prepareRecord(path: string, device: AdapterInfo): Promise<() => void> {
  let made: readonly string[];
  try {
    made = await makeFolder(dirname(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(
      `--out ${path}: expected a file in a folder, but the folder cannot be made (${code})`,
    );
  }
  await alone(path, () => readSuites(path, device));
  return () => removeEmpty(made);
}

/** Whether a part was broken off, and would take the place of one that is whole. */
const isLess = (part: SuitePart, before: SuitePart | undefined): boolean =>
  part.interrupted === true && before !== undefined && before.interrupted !== true;

/**
 * Puts one suite's part into a device's record and leaves the other suites' parts as they are. The file is whole at
 * every moment, and two processes that finish at the same time both get their parts in. A part that was broken off does
 * not take the place of a whole one.
 */
export async function mergePart(path: string, suite: string, part: SuitePart): Promise<SuitesRecord> {
  return alone(path, async () => {
    const before = existsSync(path) ? await readSuites(path, part.device) : undefined;
    if (before && isLess(part, before.suites[suite])) return before;
    const record: SuitesRecord = {
      suitesVersion: SUITES_VERSION,
      device: part.device.name,
      suites: { ...before?.suites, [suite]: part },
    };
    await writeDurably(path, record);
    return record;
  });
}
