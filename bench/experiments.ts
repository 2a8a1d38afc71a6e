/** An experiment of the papers: a grid over one protocol. `syngrad sweep --experiment` takes its name. */
export interface Experiment {
  /** What it shows, in a phrase. */
  readonly about: string;
  /** The preset whose steps, batch, learning rate and drops it keeps. */
  readonly preset: string;
  readonly methods: readonly string[];
  /** Axes as `--set` takes them. */
  readonly set: readonly string[];
  readonly seeds: readonly number[];
}

const SEEDS = [1, 2, 3];

/** All experiments, by the name that `--experiment` takes. */
export const experiments: Readonly<Record<string, Experiment>> = {
  'bisong-50k': {
    about: 'Bisong 2017, table 1: time, training and test accuracy after 50,000 steps',
    preset: 'bisong-50k',
    methods: ['bp', 'cdni', 'bisong'],
    set: [],
    seeds: SEEDS,
  },
  'bisong-100k': {
    about: 'Bisong 2017, table 2: time, training and test accuracy after 100,000 steps',
    preset: 'bisong-100k',
    methods: ['bp', 'cdni', 'bisong'],
    set: [],
    seeds: SEEDS,
  },
  'paper-500k': {
    about: 'the whole schedule of both papers: 500,000 steps, two learning-rate drops',
    preset: 'paper-500k',
    methods: ['bp', 'cdni', 'bisong'],
    set: [],
    seeds: SEEDS,
  },
  'jaderberg-depth': {
    about:
      'Jaderberg et al. 2016: test error at 3 to 6 layers, with and without labels, beside both controls',
    preset: 'paper-500k',
    methods: ['no-bp', 'bp', 'dni', 'cdni'],
    set: ['layers=3,4,5,6'],
    seeds: SEEDS,
  },
  'jaderberg-async': {
    about: 'Jaderberg et al. 2016: each layer is updated in a step with a probability only',
    preset: 'paper-500k',
    methods: ['cdni', 'bp'],
    set: ['update-probability=1,0.5,0.2,0.1,0.05'],
    seeds: SEEDS,
  },
  'jaderberg-unlock': {
    about: 'Jaderberg et al. 2016: forward passes unlocked too, by synthetic inputs',
    preset: 'paper-500k',
    methods: ['bp', 'cdni', 'unlocked'],
    set: [],
    seeds: SEEDS,
  },
  confound: {
    about:
      'is a gain from unlocking or from skipped updates: every method with all updates and with one in five',
    preset: 'bisong-100k',
    methods: ['bp', 'cdni', 'bisong'],
    set: ['update-probability=1,0.2'],
    seeds: SEEDS,
  },
};
