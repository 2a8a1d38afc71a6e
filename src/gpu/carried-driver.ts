import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { extract } from 'tar';
import { InputError } from '../errors.ts';
import { makeFolder } from '../files.ts';

/** A Vulkan driver on disk: its manifest (for `VK_DRIVER_FILES`) and the Vulkan loader that came with it. */
export interface CarriedDriver {
  icd: string;
  loader: string;
}

const PACKAGE = '@sparticuz/chromium';
const ICD = 'vk_swiftshader_icd.json';
const LOADER = 'libvulkan.so.1';
const FILES = ['libvk_swiftshader.so', ICD, LOADER];
/** Written last, it holds the size of each file: without it, or with another size, the folder is not used. */
const MARKER = 'unpacked.json';

/** The package's version and its archive of drivers, or undefined where it is not installed or has none. */
async function findArchive(): Promise<{ version: string; archive: string } | undefined> {
  let folder: string;
  try {
    folder = dirname(createRequire(import.meta.url).resolve(PACKAGE));
  } catch {
    return undefined;
  }
  // The package does not export its package.json, so it is looked for upwards from the module it does export.
  for (; folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const found = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
      if (found.name !== PACKAGE) continue;
      const archive = join(folder, 'bin', 'swiftshader.tar.br');
      await stat(archive);
      return { version: String(found.version), archive };
    } catch {
      // No package.json here, or (from version 153 on) no SwiftShader in the package: look further up.
    }
  }
  return undefined;
}

async function isWhole(folder: string): Promise<boolean> {
  try {
    const sizes = JSON.parse(await readFile(join(folder, MARKER), 'utf8'));
    for (const file of FILES) {
      if ((await stat(join(folder, file))).size !== sizes[file]) return false;
    }
    return true;
  } catch {
    return false;
  }
}

/**
 * Unpacks into a folder beside `folder` and moves each file to its place, the marker last. A move replaces a
 * file at once and processes that race bring the same bytes, so whoever sees the marker sees whole files,
 * even while another process repeats the moves or a damaged folder is being mended.
 */
async function unpack(archive: string, folder: string): Promise<void> {
  await makeFolder(folder, 0o700);
  const fresh = `${folder}.${process.pid}-${randomBytes(4).toString('hex')}`;
  await mkdir(fresh);
  try {
    const tar = extract({
      cwd: fresh,
      filter: (path) => FILES.includes(basename(path)),
      preserveOwner: false,
      strict: true,
    });
    await pipeline(createReadStream(archive), createBrotliDecompress(), tar);
    const sizes: Record<string, number> = {};
    for (const file of FILES) sizes[file] = (await stat(join(fresh, file))).size;
    await writeFile(join(fresh, MARKER), JSON.stringify(sizes));
    for (const file of [...FILES, MARKER]) await rename(join(fresh, file), join(folder, file));
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** The user's cache folder; a relative `XDG_CACHE_HOME` counts as not set, as its specification has it. */
function cacheFolder(): string {
  const xdg = process.env.XDG_CACHE_HOME;
  return join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'syngrad');
}

/**
 * A folder for this user under the shared temporary one. Libraries are loaded from it, so a folder of that
 * name made by somebody else, or one that others may write to, is passed over for a new one with a name
 * nobody could foresee.
 */
async function temporaryFolder(): Promise<string> {
  // Not os.userInfo(), which throws for a user without an entry in /etc/passwd, as in containers.
  const uid = process.getuid?.();
  const folder = join(tmpdir(), `syngrad-${uid}`);
  await mkdir(folder, { mode: 0o700 }).catch(() => undefined);
  const found = await lstat(folder).catch(() => undefined);
  if (found?.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0) return folder;
  return mkdtemp(`${folder}-`);
}

/**
 * The SwiftShader driver carried by the optional npm package `@sparticuz/chromium`, unpacked on first use
 * into the user's cache folder, or into the temporary folder where that cannot be written.
 *
 * @returns undefined where the package is not installed or the machine is not an x86-64 Linux
 * @throws InputError when it is there but cannot be unpacked anywhere
 */
export async function carriedDriver(): Promise<CarriedDriver | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  const found = await findArchive();
  if (!found) return undefined;
  const tried: string[] = [];
  for (const place of [cacheFolder, temporaryFolder]) {
    let folder = '';
    try {
      folder = join(await place(), `swiftshader-${found.version}`);
      if (!(await isWhole(folder))) await unpack(found.archive, folder);
      return { icd: join(folder, ICD), loader: join(folder, LOADER) };
    } catch (error) {
      tried.push(`${folder || tmpdir()} (${error instanceof Error ? error.message : error})`);
    }
  }
  throw new InputError(`cannot unpack ${found.archive}: tried ${tried.join(' and ')}`);
}
