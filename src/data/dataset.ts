import { InputError } from '../errors.ts';

/** Rows of features with their labels. */
export interface Samples {
  /** How many rows. */
  count: number;
  /** How many values a row. */
  features: number;
  /** (count, features), row-major. */
  values: Uint8Array | Float32Array;
  /** What each value is multiplied by before it enters the network: 1/255 for bytes, 1 for floats. */
  scale: number;
  /** (count), each in [0, classes). */
  labels: Uint8Array;
}

/** A classification data set in three parts that share their number of features, kind of values and scale. */
export interface Dataset {
  name: string;
  classes: number;
  features: number;
  train: Samples;
  validation: Samples;
  test: Samples;
}

/** A caller's own rows: `values` (count, features) row-major, `labels` (count). */
export interface SampleArrays {
  values: Uint8Array | Float32Array;
  labels: Uint8Array;
}

/** What {@link makeDataset} takes. */
export interface DatasetInput {
  name: string;
  /** From 2 to 256. */
  classes: number;
  train: SampleArrays;
  /** Left out: the last rows of `train`, as many as {@link validationCountOf} says. */
  validation?: SampleArrays | undefined;
  /**
   * Left out: the last rows of `train`, as many as {@link validationCountOf} says, taken before the
   * validation rows.
   */
  test?: SampleArrays | undefined;
  /** Which rows of `train` the validation rows are, where `validation` is left out; `last` by default. */
  validationRows?: 'first' | 'last' | undefined;
}

/**
 * Makes a data set of a caller's own arrays, which are viewed, not copied. Bytes are scaled by 1/255, floats
 * by 1. The number of features is values / labels. Parts that are left out are the last rows of `train`,
 * which then lose them: shuffle rows that are sorted by class beforehand.
 *
 * @throws InputError if the arrays are not a Uint8Array or Float32Array of values with a Uint8Array of
 *   labels, if sizes do not agree, a part is empty or too small to be divided, a label is not below `classes`
 *   or a float is not finite
 */
export function makeDataset(input: DatasetInput): Dataset {
  const { name, classes } = input;
  if (!Number.isInteger(classes) || classes < 2 || classes > 256) {
    throw new InputError(`data ${name}: expected from 2 to 256 classes, found ${String(classes)}`);
  }
  let train = checked(name, 'train', input.train, classes);
  let test = input.test && checked(name, 'test', input.test, classes);
  let validation = input.validation && checked(name, 'validation', input.validation, classes);
  if (!test) {
    const parts = split(train, validationCountOf(train.count));
    train = parts.train;
    test = parts.validation;
  }
  if (!validation) {
    const parts = split(train, validationCountOf(train.count), input.validationRows);
    train = parts.train;
    validation = parts.validation;
  }
  for (const [part, samples] of Object.entries({ validation, test })) {
    if (samples.features !== train.features) {
      throw new InputError(
        `data ${name}: expected the ${train.features} features of train in ${part}, ` +
          `found ${samples.features}`,
      );
    }
    if (samples.scale !== train.scale) {
      throw new InputError(
        `data ${name}: expected the ${kind(train.values)} values of train in ${part}, ` +
          `found ${kind(samples.values)}`,
      );
    }
  }
  return { name, classes, features: train.features, train, validation, test };
}

/**
 * How many rows of a training file are held out: the last twelfth, rounded down, at least 1 (5,000 of MNIST's
 * 60,000).
 */
export function validationCountOf(count: number): number {
  return Math.max(1, Math.floor(count / 12));
}

/**
 * Carves the last rows (or the first) off for validation: 60,000 samples and a count of 5,000 give 55,000 and 5,000. Both
 * parts are views of the same arrays.
 *
 * @param samples rows in file order
 * @param validationCount how many rows to carve off, from 1 to samples.count - 1
 * @throws InputError if validationCount is out of that range
 */
export function split(
  samples: Samples,
  validationCount: number,
  from: 'first' | 'last' = 'last',
): { train: Samples; validation: Samples } {
  const { count } = samples;
  if (!Number.isInteger(validationCount) || validationCount < 1 || validationCount >= count) {
    throw new InputError(
      `validation split: expected to hold out at least 1 sample of ${count} and leave at least 1, ` +
        `found a count of ${String(validationCount)}`,
    );
  }
  if (from === 'first')
    return { train: rows(samples, validationCount, count), validation: rows(samples, 0, validationCount) };
  const first = count - validationCount;
  return { train: rows(samples, 0, first), validation: rows(samples, first, count) };
}

/**
 * A caller's numbers as the kinds that are used: bytes or float32. A Uint8ClampedArray is seen as the bytes that it holds;
 * other kinds would have to be rounded or scaled by a guess.
 *
 * @throws InputError that names what was expected and found
 */
export function exactly(what: string, values: unknown): Uint8Array | Float32Array {
  if (values instanceof Uint8ClampedArray)
    return new Uint8Array(values.buffer, values.byteOffset, values.length);
  if (values instanceof Uint8Array || values instanceof Float32Array) return values;
  throw new InputError(`${what}: expected values in a Uint8Array or Float32Array, found ${kind(values)}`);
}

function rows(samples: Samples, begin: number, end: number): Samples {
  const { features, values, scale, labels } = samples;
  return {
    count: end - begin,
    features,
    values: values.subarray(begin * features, end * features),
    scale,
    labels: labels.subarray(begin, end),
  };
}

function checked(name: string, part: string, arrays: SampleArrays, classes: number): Samples {
  const { labels } = arrays;
  const values =
    arrays.values instanceof Uint8ClampedArray ? exactly('values', arrays.values) : arrays.values;
  const fail = (expected: string, found: string): never => {
    throw new InputError(`data ${name}, ${part}: expected ${expected}, found ${found}`);
  };
  // The types say so already, but a caller in plain JavaScript has no types.
  if (!(values instanceof Uint8Array || values instanceof Float32Array)) {
    fail('values in a Uint8Array or Float32Array', kind(values));
  }
  if (!(labels instanceof Uint8Array)) fail('labels in a Uint8Array', kind(labels));
  const count = labels.length;
  if (count === 0) fail('at least one label', 'none');
  if (values.length === 0 || values.length % count !== 0) {
    fail(`a multiple of ${count} values, one row for each label`, `${values.length}`);
  }
  const badLabel = labels.findIndex((label) => label >= classes);
  if (badLabel >= 0)
    fail(`labels from 0 to ${classes - 1}`, `label ${labels[badLabel]} at index ${badLabel}`);
  const features = values.length / count;
  const isFloat = values instanceof Float32Array;
  if (isFloat) {
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      fail('finite values', `${values[bad]} at row ${Math.floor(bad / features)}, column ${bad % features}`);
    }
  }
  return { count, features, values, scale: isFloat ? 1 : 1 / 255, labels };
}

function kind(array: unknown): string {
  return Object.prototype.toString.call(array).slice('[object '.length, -1);
}
