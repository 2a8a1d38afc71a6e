/**
 * Where frameworks part without a word: constants and readings that a paper leaves to its framework. One table of them,
 * with what each does and where it is from, is in docs/16-conventions.md.
 */
export interface Conventions {
  /**
   * How weights begin: `he`, normal of variance 2 / inputs (He et al. 2015, equation 10); `glorot`, uniform within
   * sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010, equation 16); `pytorch`, weights and biases uniform within
   * 1 / sqrt(inputs). With the first two biases begin at 0.
   */
  readonly init: 'he' | 'glorot' | 'pytorch';
  /** Batch norm: what is added to a variance before its root is taken. */
  readonly bnEps: number;
  /** Batch norm: how far the running statistics move towards each batch's; TensorFlow's `momentum` is 1 minus this. */
  readonly bnMomentum: number;
  /** Batch norm: the running variance follows the batch's with the divisor B - 1, or B. */
  readonly bnVariance: 'unbiased' | 'biased';
  /**
   * Batch norm in training: normalises by the batch's own statistics, or by the running ones, which then never move, as
   * a TensorFlow layer does that is not told that it is training.
   */
  readonly bnMode: 'batch' | 'frozen';
  /** Whether hidden layers add a bias before batch norm; one that normalises by the batch takes it off again. */
  readonly bnBias: boolean;
  /**
   * Adam's epsilon: `exact` is Kingma and Ba 2015, algorithm 1; `hat` adds it to sqrt(v) uncorrected, the "epsilon hat"
   * of the form just before the paper's section 2.1.
   */
  readonly adamEps: 'exact' | 'hat';
  readonly adamEpsSize: number;
  /**
   * The loss that models beside the network learn by squared error: `sum` over the features of a sample, towards the
   * gradient of the batch's summed loss; or `mean` over features and batch, towards the gradient of the batch's mean loss.
   */
  readonly sgLoss: 'sum' | 'mean';
  /** Which rows of the training file are held out for validation. */
  readonly validation: 'first' | 'last';
}

/** As this program was made, and PyTorch in all but `init`: the default. */
export const PYTORCH: Conventions = {
  init: 'he',
  bnEps: 1e-5,
  bnMomentum: 0.1,
  bnVariance: 'unbiased',
  bnMode: 'batch',
  bnBias: false,
  adamEps: 'exact',
  adamEpsSize: 1e-8,
  sgLoss: 'sum',
  validation: 'last',
};

/**
 * What TensorFlow 1 did in 2017 by default, with batch norm told that it is training. A bias before batch norm has no
 * effect then, so it is left out; with `bnMode=frozen` it is there.
 */
export const TF1: Conventions = {
  init: 'glorot',
  bnEps: 1e-3,
  bnMomentum: 0.01,
  bnVariance: 'biased',
  bnMode: 'batch',
  bnBias: false,
  adamEps: 'hat',
  adamEpsSize: 1e-8,
  sgLoss: 'mean',
  validation: 'first',
};

/** As on `--conventions`. */
export const CONVENTIONS: Readonly<Record<'pytorch' | 'tf1', Conventions>> = { pytorch: PYTORCH, tf1: TF1 };

/**
 * One of {@link CONVENTIONS} with some in place of its own. TensorFlow's layer has a bias, which batch norm takes off
 * again unless it is frozen: so tf1 has one then.
 */
export function conventionsOf(name: keyof typeof CONVENTIONS, given: Partial<Conventions>): Conventions {
  const bias = name === 'tf1' && given.bnMode === 'frozen' ? { bnBias: true } : {};
  return { ...CONVENTIONS[name], ...bias, ...given };
}

/** The conventions that a network is made with; the others are those of a training. */
export const OF_NETWORK = ['init', 'bnEps', 'bnMomentum', 'bnVariance', 'bnMode', 'bnBias'] as const;

/** Values of the conventions that are words. */
export const WORDS = {
  init: ['he', 'glorot', 'pytorch'],
  bnVariance: ['unbiased', 'biased'],
  bnMode: ['batch', 'frozen'],
  adamEps: ['exact', 'hat'],
  sgLoss: ['sum', 'mean'],
  validation: ['first', 'last'],
} as const satisfies { readonly [K in keyof Conventions]?: readonly Conventions[K][] };

/** What is wrong with a value of a convention, as what was expected; undefined for one that is right. */
export function conventionRefuses(name: string, value: unknown): string | undefined {
  if (!Object.hasOwn(PYTORCH, name)) return `one of ${Object.keys(PYTORCH).join(', ')}`;
  if (name === 'bnBias') return typeof value === 'boolean' ? undefined : 'yes or no';
  if (Object.hasOwn(WORDS, name)) {
    const words: readonly unknown[] = WORDS[name as keyof typeof WORDS];
    return words.includes(value) ? undefined : words.join(' or ');
  }
  const seen = typeof value === 'number' ? Math.fround(value) : Number.NaN;
  if (name === 'bnMomentum') return seen >= 0 && seen <= 1 ? undefined : 'a number from 0 to 1';
  return seen > 0 && Number.isFinite(seen) ? undefined : 'a positive number that float32 can hold';
}

/** The preset with the fewest differences, and those, as `--conventions` takes them: `tf1,bnMode=frozen`. */
export function conventionsText(conventions: Conventions): string {
  const texts = (Object.keys(CONVENTIONS) as (keyof typeof CONVENTIONS)[]).map((name) => {
    const base = { ...conventionsOf(name, { bnMode: conventions.bnMode }), bnMode: CONVENTIONS[name].bnMode };
    const differing = (Object.keys(PYTORCH) as (keyof Conventions)[]).filter(
      (key) => conventions[key] !== base[key],
    );
    const shown = (key: keyof Conventions) =>
      key === 'bnBias' ? (conventions[key] ? 'yes' : 'no') : String(conventions[key]);
    return {
      count: differing.length,
      text: [name, ...differing.map((key) => `${key}=${shown(key)}`)].join(','),
    };
  });
  return texts.reduce((a, b) => (b.count < a.count ? b : a)).text;
}
