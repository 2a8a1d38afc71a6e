import { readFile, stat } from 'node:fs/promises';
import { gunzip, type Zlib } from 'node:zlib';
import { InputError } from '../errors.ts';

/** The longest file, packed or unpacked, that is read: a guard against a wrong file or a gzip bomb. */
const MAX_BYTES = 2 ** 30;

const TYPES: Readonly<Record<number, string>> = {
  8: 'unsigned byte',
  9: 'signed byte',
  11: 'int16',
  12: 'int32',
  13: 'float32',
  14: 'float64',
};

/** An IDX file of unsigned bytes. */
export interface Idx {
  /** Sizes, slowest first: (count, rows, columns) for images, (count) for labels. All are at least 1. */
  dims: number[];
  /** The elements, row-major: a view into `file`. */
  data: Uint8Array;
  /** The whole file, header included, unpacked if it was gzipped. */
  file: Uint8Array;
}

/** Greyscale images: `bytes` is (count, rows, columns) row-major, one byte a pixel, a view into `file`. */
export interface IdxImages {
  path: string;
  count: number;
  rows: number;
  columns: number;
  bytes: Uint8Array;
  file: Uint8Array;
}

/** Labels: `labels` is (count), each in [0, classes), a view into `file`. */
export interface IdxLabels {
  path: string;
  count: number;
  labels: Uint8Array;
  file: Uint8Array;
}

/**
 * Reads an IDX file of unsigned bytes, of any number of dimensions. A gzipped file is recognised by its first
 * two bytes, whatever its name.
 *
 * @param path the file
 * @throws InputError if the file is missing, a folder or unreadable, if its gzip data is damaged, cut short
 *   or followed by more, or if it is not an IDX file of unsigned bytes with exactly as many as its header
 *   says
 */
export async function readIdx(path: string): Promise<Idx> {
  return parse(path, await readBytes(path), undefined);
}

/**
 * Reads an IDX file of images (three dimensions, magic 0x00000803).
 *
 * @param path the file, gzipped or not
 * @throws InputError as {@link readIdx}, and if it is a labels file
 */
export async function readIdxImages(path: string): Promise<IdxImages> {
  const { dims, data, file } = parse(path, await readBytes(path), 3);
  return { path, count: dims[0], rows: dims[1], columns: dims[2], bytes: data, file };
}

/**
 * Reads an IDX file of labels (one dimension, magic 0x00000801).
 *
 * @param path the file, gzipped or not
 * @param classes how many classes there are; each label must be below it
 * @throws InputError as {@link readIdx}, and if it is an images file or a label is out of range
 */
export async function readIdxLabels(path: string, classes = 10): Promise<IdxLabels> {
  const { dims, data, file } = parse(path, await readBytes(path), 1);
  const bad = data.findIndex((label) => label >= classes);
  if (bad >= 0) throw fault(path, `labels from 0 to ${classes - 1}`, `label ${data[bad]} at index ${bad}`);
  return { path, count: dims[0], labels: data, file };
}

function fault(path: string, expected: string, found: string): InputError {
  return new InputError(`${path}: expected ${expected}, found ${found}`);
}

async function readBytes(path: string): Promise<Uint8Array> {
  const packed = await readWhole(path);
  return packed[0] === 0x1f && packed[1] === 0x8b ? unpack(path, packed) : packed;
}

async function readWhole(path: string): Promise<Uint8Array> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) throw fault(path, 'an IDX file', 'a folder');
    // A pipe or a terminal would block here, and /dev/zero would never end.
    if (!info.isFile()) throw fault(path, 'an IDX file', 'something that is not a regular file');
    if (info.size > MAX_BYTES) throw fault(path, `at most ${MAX_BYTES} bytes`, `${info.size}`);
    const buffer = await readFile(path);
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  } catch (error) {
    if (error instanceof InputError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const missing = code === 'ENOENT' || code === 'ENOTDIR';
    throw fault(path, 'an IDX file', missing ? 'no such file' : `one that cannot be read (${code})`);
  }
}

function unpack(path: string, packed: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    gunzip(packed, { info: true, maxOutputLength: MAX_BYTES }, (error, result) => {
      const trailing = () => fault(path, 'nothing after the gzip data', 'more bytes');
      if (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code === 'ERR_BUFFER_TOO_LARGE') {
          reject(fault(path, `gzip data that unpacks to at most ${MAX_BYTES} bytes`, 'more'));
        } else if (message === 'incorrect header check') {
          // The file's own first bytes are right: this is about bytes at the end, tried as another member.
          reject(trailing());
        } else {
          reject(fault(path, 'complete gzip data', `damaged or truncated data (${message})`));
        }
        return;
      }
      // With `info` the callback gets the engine too, which the type declarations do not say.
      const { buffer, engine } = result as unknown as { buffer: Buffer; engine: Zlib };
      // Node passes over zero bytes at the end; only the count of bytes taken in gives them away.
      if (engine.bytesWritten < packed.length) reject(trailing());
      else resolve(new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength));
    });
  });
}

function parse(path: string, file: Uint8Array, wantedRank: number | undefined): Idx {
  if (file.length < 4) throw fault(path, 'an IDX file of more than 4 bytes', `${file.length} bytes`);
  if (file[0] !== 0 || file[1] !== 0) {
    const first = Array.from(file.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw fault(path, 'an IDX file (first bytes 00 00 08, or 1f 8b if gzipped)', `first bytes ${first}`);
  }
  const type = file[2];
  if (type !== 8) {
    const name = TYPES[type] ?? 'unknown';
    throw fault(
      path,
      'IDX type 0x08 (unsigned byte)',
      `type 0x${type.toString(16).padStart(2, '0')} (${name})`,
    );
  }
  const rank = file[3];
  if (wantedRank !== undefined && rank !== wantedRank) throw fault(path, kind(wantedRank), kind(rank));
  if (rank === 0) throw fault(path, 'an IDX file of at least one dimension', kind(rank));

  const headerBytes = 4 + 4 * rank;
  if (file.length < headerBytes) {
    throw fault(path, `an IDX header of ${headerBytes} bytes`, `a truncated file of ${file.length} bytes`);
  }
  const header = new DataView(file.buffer, file.byteOffset, headerBytes);
  const dims = Array.from({ length: rank }, (_, i) => header.getUint32(4 + 4 * i)); // big-endian
  const shape = dims.join(' x ');
  if (dims.includes(0)) throw fault(path, 'at least one item', `none (its header says ${shape})`);
  const total = dims.reduce((product, size) => product * size, 1) + headerBytes;
  if (file.length !== total) {
    const how = file.length < total ? 'truncated' : 'over-long';
    throw fault(
      path,
      `${total} bytes (a header of ${headerBytes} and ${shape})`,
      `a file ${how} at ${file.length} bytes`,
    );
  }
  return { dims, data: file.subarray(headerBytes), file };
}

function kind(rank: number): string {
  const magic = `IDX magic 0x${(0x0800 + rank).toString(16).padStart(8, '0')}`;
  if (rank === 3) return `an images file (${magic})`;
  if (rank === 1) return `a labels file (${magic})`;
  return `a file of ${rank} dimensions (${magic})`;
}
