import { PYTORCH } from '../src/nn/conventions.ts';
import type { BenchConfig, RuleAxes } from '../src/report/record.ts';

/** A ready-made configuration: what `--preset` names. Any part of it can be set by an option of its own. */
export type Preset = Omit<BenchConfig, 'preset' | 'data'>;

/** What combines with the rules, as long as nothing else is asked for: every rule as it is in its paper. */
export const AXES: RuleAxes = {
  optimizer: 'adam',
  conventions: PYTORCH,
  updateProbability: 1,
  lambda: 0,
  sgHidden: null,
  sgWidth: null,
  sgLabels: null,
  sgOutput: null,
  sgLr: null,
  sgWarmup: 0,
  diagnose: null,
  schedule: 'layered',
  waveStages: 3,
  delay: 'pipelined',
};

/** The network, batch, and optimiser of Bisong 2017, section 3. */
const PAPER = {
  methods: ['bp', 'cdni'],
  batch: 256,
  hidden: 256,
  layers: 4,
  lr: 3e-5,
  lrDrops: [300_000, 400_000],
  seed: 1,
  trainSamples: 55_000,
} as const;

/** All presets, shortest first. */
export const presets: Readonly<Record<string, Preset>> = {
  smoke: {
    ...PAPER,
    steps: 30,
    lr: 1e-3,
    evalEvery: 15,
    trainSamples: 5_000,
    presetNote: "a sign of life: the paper's network and batch, 30 steps, learning rate 1e-3 instead of 3e-5",
  },
  quick: {
    ...PAPER,
    steps: 300,
    lr: 1e-3,
    evalEvery: 75,
    presetNote:
      "the paper's network and batch, but 300 steps and learning rate 1e-3 instead of 50,000 and 3e-5",
  },
  'bisong-50k': {
    ...PAPER,
    methods: ['bp', 'cdni', 'bisong'],
    steps: 50_000,
    evalEvery: 1_000,
    presetNote: 'Bisong 2017, table 1: 50,000 steps',
  },
  'bisong-100k': {
    ...PAPER,
    methods: ['bp', 'cdni', 'bisong'],
    steps: 100_000,
    evalEvery: 2_000,
    presetNote: 'Bisong 2017, table 2: 100,000 steps',
  },
  'paper-500k': {
    ...PAPER,
    methods: ['bp', 'cdni', 'bisong'],
    steps: 500_000,
    evalEvery: 5_000,
    presetNote:
      'the whole schedule of Bisong 2017 and Jaderberg et al. 2016: 500,000 steps, two learning-rate drops',
  },
};
