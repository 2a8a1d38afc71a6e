import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { readIdx, readIdxImages, readIdxLabels } from '../../src/data/idx.ts';
import { expectInputError, idx, ramp, withFolder } from './files.ts';

const images = idx([2, 3, 4], ramp(24));
const labels = idx([5], ramp(5));

/** Writes `bytes` to a file, reads it and expects the message, in which FILE stands for the path. */
async function refuses(
  bytes: Uint8Array,
  message: string,
  read: (path: string) => Promise<unknown> = readIdxImages,
): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, 'some-file.gz');
    await writeFile(path, bytes);
    await expectInputError(() => read(path), message.replace('FILE', path));
  });
}

test('reads images, labels and other ranks', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'f');
    await writeFile(path, images);
    const read = await readIdxImages(path);
    expect(read).toMatchObject({ path, count: 2, rows: 3, columns: 4 });
    expect(Array.from(read.bytes)).toEqual(Array.from(ramp(24)));
    expect(Array.from(read.file)).toEqual(Array.from(images));

    await writeFile(path, labels);
    expect(await readIdxLabels(path)).toMatchObject({ count: 5, labels: Uint8Array.of(0, 1, 2, 3, 4) });

    await writeFile(path, idx([2, 3], ramp(6)));
    expect(await readIdx(path)).toMatchObject({ dims: [2, 3], data: ramp(6) });
  });
});

test('knows gzip by its bytes, not by its name', async () => {
  await withFolder(async (folder) => {
    const plain = join(folder, 'plain.gz');
    const packed = join(folder, 'packed');
    const members = join(folder, 'members.gz');
    await writeFile(plain, images);
    await writeFile(packed, gzipSync(images));
    // Two members in a row are one gzip file.
    await writeFile(
      members,
      Buffer.concat([gzipSync(images.subarray(0, 20)), gzipSync(images.subarray(20))]),
    );
    for (const path of [plain, packed, members]) {
      const read = await readIdxImages(path);
      expect(Array.from(read.bytes)).toEqual(Array.from(ramp(24)));
      expect(Array.from(read.file)).toEqual(Array.from(images));
    }
  });
});

test('a path that is no readable file', async () => {
  await withFolder(async (folder) => {
    const at = (name: string) => join(folder, name);
    await mkdir(at('sub'));
    await writeFile(at('file'), images);
    await symlink(at('loop'), at('loop'));
    execFileSync('mkfifo', [at('pipe')]);
    const cases: [string, string][] = [
      [at('none'), 'no such file'],
      [at('file/inside'), 'no such file'],
      [at('sub'), 'a folder'],
      [at('loop'), 'one that cannot be read (ELOOP)'],
      [at('pipe'), 'something that is not a regular file'],
    ];
    for (const [path, found] of cases) {
      await expectInputError(() => readIdx(path), `${path}: expected an IDX file, found ${found}`);
    }
  });
});

test('too short for a header', async () => {
  await refuses(new Uint8Array(0), 'FILE: expected an IDX file of more than 4 bytes, found 0 bytes');
  await refuses(images.subarray(0, 3), 'FILE: expected an IDX file of more than 4 bytes, found 3 bytes');
  await refuses(
    images.subarray(0, 15),
    'FILE: expected an IDX header of 16 bytes, found a truncated file of 15 bytes',
  );
});

test('truncated and over-long', async () => {
  const expected = 'FILE: expected 40 bytes (a header of 16 and 2 x 3 x 4), found a file';
  await refuses(images.subarray(0, 16), `${expected} truncated at 16 bytes`);
  await refuses(images.subarray(0, 39), `${expected} truncated at 39 bytes`);
  await refuses(Buffer.concat([images, Buffer.of(0)]), `${expected} over-long at 41 bytes`);
  await refuses(gzipSync(images.subarray(0, 39)), `${expected} truncated at 39 bytes`);
  await refuses(
    idx([2 ** 31, 2 ** 31, 2 ** 31], []),
    'FILE: expected 9.903520314283042e+27 bytes (a header of 16 and ' +
      '2147483648 x 2147483648 x 2147483648), found a file truncated at 16 bytes',
  );
});

test('not IDX', async () => {
  await refuses(
    new TextEncoder().encode('<!doctype html>'),
    'FILE: expected an IDX file (first bytes 00 00 08, or 1f 8b if gzipped), found first bytes 3c 21 64 6f',
  );
});

test('another type of element', async () => {
  await refuses(
    idx([2, 3, 4], ramp(96), 13),
    'FILE: expected IDX type 0x08 (unsigned byte), found type 0x0d (float32)',
  );
  await refuses(
    idx([2, 3, 4], ramp(24), 7),
    'FILE: expected IDX type 0x08 (unsigned byte), found type 0x07 (unknown)',
  );
});

test('images for labels, labels for images, neither', async () => {
  const i = 'an images file (IDX magic 0x00000803)';
  const l = 'a labels file (IDX magic 0x00000801)';
  await refuses(images, `FILE: expected ${l}, found ${i}`, readIdxLabels);
  await refuses(labels, `FILE: expected ${i}, found ${l}`, readIdxImages);
  await refuses(
    idx([2, 3], ramp(6)),
    `FILE: expected ${i}, found a file of 2 dimensions (IDX magic 0x00000802)`,
  );
  await refuses(
    idx([], [0]),
    'FILE: expected an IDX file of at least one dimension, ' +
      'found a file of 0 dimensions (IDX magic 0x00000800)',
    readIdx,
  );
});

test('a label out of range', async () => {
  const bad = idx([5], [0, 9, 3, 10, 11]);
  await refuses(bad, 'FILE: expected labels from 0 to 9, found label 10 at index 3', readIdxLabels);
  await refuses(bad, 'FILE: expected labels from 0 to 8, found label 9 at index 1', (path) =>
    readIdxLabels(path, 9),
  );
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'f'), bad);
    expect((await readIdxLabels(join(folder, 'f'), 12)).count).toBe(5);
  });
});

test('zero items', async () => {
  await refuses(
    idx([0, 28, 28], []),
    'FILE: expected at least one item, found none (its header says 0 x 28 x 28)',
  );
  await refuses(
    idx([5, 0, 28], []),
    'FILE: expected at least one item, found none (its header says 5 x 0 x 28)',
  );
  await refuses(
    idx([0], []),
    'FILE: expected at least one item, found none (its header says 0)',
    readIdxLabels,
  );
});

test('damaged gzip', async () => {
  const packed = gzipSync(images);
  const damaged = 'FILE: expected complete gzip data, found damaged or truncated data';
  for (const length of [2, 5, 12, packed.length - 1]) {
    await refuses(packed.subarray(0, length), `${damaged} (unexpected end of file)`);
  }
  const flipped = Buffer.from(packed);
  flipped[packed.length - 6] ^= 1; // in the checksum
  await refuses(flipped, `${damaged} (incorrect data check)`);
  for (const extra of ['junk', '\0\0\0', '\x1f']) {
    await refuses(
      Buffer.concat([packed, Buffer.from(extra)]),
      extra === '\x1f'
        ? `${damaged} (unexpected end of file)` // the beginning of another member
        : 'FILE: expected nothing after the gzip data, found more bytes',
    );
  }
});
