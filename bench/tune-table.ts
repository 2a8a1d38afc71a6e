import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../src/errors.ts';
import type { AdapterInfo } from '../src/gpu/adapters.ts';
import { committedTiles, type TilesEntry, type TilesTable } from '../src/kernels/tiles.ts';
import { writeWhole } from '../src/report/folder.ts';

/** What stands above the table in its file. */
const HEADER = [
  '// biome-ignore-all format: written by `syngrad tune`, whose next run reads it as JSON',
  '// For each device, what the fused kernels of a schedule were fastest with, and when and how that was measured.',
  'export const tilesTable = ',
].join('\n');

/** The file that the program itself reads: among the sources, or beside what was built from them. */
export const tablePath = (): string =>
  fileURLToPath(new URL(`../src/kernels/tiles-table${extname(import.meta.url)}`, import.meta.url));

/** A table as its file. */
export const tableText = (table: TilesTable): string => `${HEADER}${JSON.stringify(table, null, 2)};\n`;

/**
 * The table that a file holds.
 *
 * @throws InputError when it holds none
 */
export function parseTable(path: string, text: string): TilesTable {
  const refuse = (found: string) =>
    new InputError(`--out ${path}: expected a table that tune has written, found ${found}`);
  const body = /^export const tilesTable = (\{[\s\S]*\});\s*$/m.exec(text)?.[1];
  if (body === undefined) throw refuse('another file');
  let table: TilesTable;
  try {
    table = JSON.parse(body);
  } catch {
    throw refuse('one that is not JSON behind `tilesTable =`');
  }
  if (!Array.isArray(table.devices)) throw refuse('one without devices');
  return table;
}

/** The table that a file holds; where there is none, the one that came with the program. */
export async function readTable(path: string): Promise<TilesTable> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return committedTiles;
    throw new InputError(`--out ${path}: expected a file that can be read, but it cannot (${code})`);
  }
  return parseTable(path, text);
}

const place = ({ schedule, layers, batch, hidden }: TilesEntry): string =>
  [schedule, ...[layers, batch, hidden].map((n) => String(n).padStart(6))].join(' ');

/** A table with new lines for a device, in place of older ones for the same schedule and shape. */
export function withEntries(
  table: TilesTable,
  { name, vendor, architecture }: Pick<AdapterInfo, 'name' | 'vendor' | 'architecture'>,
  entries: readonly TilesEntry[],
): TilesTable {
  const known = table.devices.find((device) => device.name === name)?.entries ?? [];
  const all = new Map([...known, ...entries].map((entry) => [place(entry), entry]));
  const sorted = [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  const others = table.devices.filter((device) => device.name !== name);
  const devices = [...others, { name, vendor, architecture, entries: sorted }];
  return { devices: devices.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/**
 * Puts lines into the table that a file holds. The file is whole at every moment.
 *
 * @throws InputError when the file holds something else, or cannot be written
 */
export async function mergeTable(
  path: string,
  device: AdapterInfo,
  entries: readonly TilesEntry[],
): Promise<void> {
  const table = withEntries(await readTable(path), device, entries);
  try {
    await writeWhole(path, tableText(table));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new InputError(`--out ${path}: expected a file that can be written, but it cannot (${code})`);
  }
}
