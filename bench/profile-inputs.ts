import { Random } from '../src/data/random.ts';
import { InputError } from '../src/errors.ts';
import type { KernelSpec, Params } from '../src/gpu/kernel.ts';
import { softmaxOf } from '../src/reference/softmax-xent.ts';

// What a kernel is run on alone: its params from a shape on the command line, and made-up contents of its buffers.

/** What a buffer holds. */
export type Content = Float32Array | Uint32Array;

/** Classes, and samples of a data set, where the shape does not say. */
const CLASSES = 10;
const SAMPLES = 1024;

/** Params that are not counted in the shape, as in training. */
const SETTINGS: Params = {
  scale: 1 / 256,
  eps: 1e-5,
  momentum: 0.1,
  beta1: 0.9,
  beta2: 0.999,
  rate: 1,
  lambda: 0.5,
  mu: 0.9,
  a: 0.999,
  b: 0.001,
};

/** Buffers of one element for each feature. */
const OF_FEATURES = new Set(
  'mean rstd gamma beta dGamma dBeta running_mean running_var bias total'.split(' '),
);

/** Buffers of one element for each sample. */
const OF_SAMPLES = new Set(['largest', 'sum', 'loss']);

/** Buffers that are positive, as standard deviations and second moments are. */
const POSITIVE = new Set(['rstd', 'running_var', 'v', 'sum', 'loss']);

/** The params that make up a kernel's shape: whole numbers, but for those that follow from others. */
const shapeNames = (spec: KernelSpec): string[] =>
  Object.keys(spec.params).filter((name) => spec.params[name] === 'u32' && name !== 'words');

/** How a kernel's shape is written: `MxKxN`. */
export const shapeForm = (spec: KernelSpec): string => shapeNames(spec).join('x');

const EXAMPLES: Params = {
  ...{ M: 256, K: 784, N: 256, B: 256, F: 256, I: 784, C: 10, n: 65536, delay: 2 },
  ...{ rows: 256, columns: 10, at: 1, stride: 10, at_y: 1, stride_y: 12 },
};

/** Whether the meaning of its sizes is known, so that a kernel's buffers can be made up for them. */
export const isKnown = (spec: KernelSpec): boolean => shapeNames(spec).every((name) => name in EXAMPLES);

/**
 * A kernel's params from a shape such as `256x784x256`.
 *
 * @throws InputError, which says what the kernel expects.
 */
export function paramsFromShape(spec: KernelSpec, text: string): Params {
  if (!isKnown(spec)) {
    throw new InputError(
      `--shape ${text}: expected the label of a dispatch for ${spec.file}, whose buffers cannot be made up from a few numbers`,
    );
  }
  const names = shapeNames(spec);
  const sizes = text.split('x').map(Number);
  const fits =
    sizes.length === names.length && sizes.every((n) => Number.isInteger(n) && n >= 1 && n < 2 ** 31);
  if (names.length === 0 ? text !== '1' : !fits) {
    const example = names.map((name) => EXAMPLES[name]).join('x');
    const expected =
      names.length === 0 ? '1, since it has no sizes,' : `${names.join('x')}, such as ${example},`;
    throw new InputError(`--shape: expected ${expected} for ${spec.file}, found '${text}'`);
  }
  const shape: Record<string, number> = Object.fromEntries(names.map((name, i) => [name, sizes[i]!]));
  if ('words' in spec.params) shape.words = Math.ceil(shape.I! / 4);
  for (const [name, type] of Object.entries(spec.params))
    if (type === 'f32') shape[name] = SETTINGS[name] ?? 0.5;
  return shape;
}

/** The same params with each size halved, largest first, until the work is no more than `most` operations. */
export function smallerParams(spec: KernelSpec, params: Params, most: number): Params {
  let found = params;
  while (spec.flops(found) > most) {
    const largest = shapeNames(spec).reduce((a, b) => (found[b]! > found[a]! ? b : a));
    if (found[largest] === 1) break;
    found = { ...found, [largest]: Math.ceil(found[largest]! / 2) };
    if ('words' in found) found = { ...found, words: Math.ceil(found.I! / 4) };
  }
  return found;
}

/** Seeded contents of a kernel's buffers for params made by {@link paramsFromShape}. */
export function makeContents(spec: KernelSpec, p: Params, seed: number): Record<string, Content> {
  const random = new Random(seed).fork(spec.file);
  const floats = (n: number) => Float32Array.from({ length: n }, () => random.normal());
  const positive = (n: number) => Float32Array.from({ length: n }, () => 0.5 + random.uniform());
  const whole = (n: number, below: number) => Uint32Array.from({ length: n }, () => random.below(below));
  const { M = 1, K = 1, N = 1, B = 1, I = 1, words = 1 } = p;
  const classes = p.C ?? CLASSES;
  // Elements of a sample: its features, its classes, or itself.
  const wide = p.F ?? p.C ?? 1;

  const special: Readonly<Record<string, () => Content>> = {
    a: () => floats('M' in p ? M * K : p.n!),
    b: () => floats('M' in p ? K * N : p.n!),
    c: () => floats(M * N),
    step: () => new Uint32Array(1),
    flag: () => new Uint32Array(1),
    clock: () => new Uint32Array(1),
    correct: () => new Uint32Array(1),
    losses: () => new Float32Array(1),
    // Step size and epsilon of the only step.
    table: () => Float32Array.of(1e-3, 1e-8),
    ring: () => floats((p.delay! + 1) * p.n!),
    labels: () => (spec.file === 'gather_labels' ? whole(SAMPLES / 4, 2 ** 32) : whole(B, classes)),
    dRows: () => floats(classes * wide),
    bytes: () => whole(SAMPLES * words, 2 ** 32),
    values: () => floats(SAMPLES * I),
    // Of a gather the samples of the batch, of a predictor one row for each label.
    rows: () => (spec.file.startsWith('gather') ? whole(B, SAMPLES) : floats(classes * wide)),
  };
  const content = (name: string): Content => {
    const made = special[name];
    if (made) return made();
    // A matrix that begins somewhere, and whose rows may lie apart.
    if ('stride_y' in p) {
      const [at, stride] = name === 'y' ? [p.at_y!, p.stride_y!] : [p.at!, p.stride!];
      return floats(at + p.rows! * Math.max(stride, p.columns!));
    }
    const n = p.n ?? (OF_FEATURES.has(name) ? p.F! : OF_SAMPLES.has(name) ? B : B * (p.I ?? wide));
    if (spec.file === 'gather_labels') return new Uint32Array(n);
    return POSITIVE.has(name) ? positive(n) : floats(n);
  };
  const contents = Object.fromEntries(Object.keys(spec.buffers).map((name) => [name, content(name)]));
  // Its twin works from the logits, so the rest must be theirs.
  if (spec.file === 'softmax_xent_backward')
    Object.assign(contents, softmaxOf(contents.logits!, { B, C: classes }));
  return contents;
}
