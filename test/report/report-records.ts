import { Random } from '../../src/data/random.ts';
import type { AdapterInfo } from '../../src/gpu/adapters.ts';
import { type Group, groupRuns } from '../../src/report/page/groups.ts';
import {
  type BenchConfig,
  type BenchRecord,
  type RunRecord,
  SCHEMA_VERSION,
} from '../../src/report/record.ts';

// Records that nobody measured, shaped like the papers' runs. For tests of the report alone.

export const GPU: AdapterInfo = {
  kind: 'gpu',
  name: 'Imaginary GPU 9000',
  vendor: 'imaginary',
  architecture: 'test',
  driver: 'imaginary driver 1.2.3',
  backend: 'vulkan',
  origin: 'system',
};

export const CPU: AdapterInfo = { ...GPU, kind: 'cpu', name: 'llvmpipe (imaginary)', driver: 'Mesa 0' };

/** What the made-up methods are like: time of a step, MACs, final error at 4 layers, error that a layer more adds. */
const METHODS: Readonly<
  Record<string, { step: number; macs: number; dispatches: number; error: number; deeper: number }>
> = {
  bp: { step: 5e-4, macs: 205e6, dispatches: 50, error: 0.02, deeper: 0.0002 },
  cdni: { step: 6e-4, macs: 310e6, dispatches: 80, error: 0.0235, deeper: 0.0008 },
  dni: { step: 1.1e-3, macs: 3628e6, dispatches: 131, error: 0.028, deeper: 0.006 },
  bisong: { step: 8e-4, macs: 512e6, dispatches: 110, error: 0.026, deeper: 0.002 },
  'no-bp': { step: 3e-4, macs: 103e6, dispatches: 31, error: 0.075, deeper: 0.012 },
};

/** What of a made-up run is to be other than usual. */
export interface Wanted {
  readonly method: string;
  readonly seed?: number;
  readonly steps?: number;
  readonly layers?: number;
  readonly p?: number;
  readonly device?: AdapterInfo;
  readonly commit?: string | null;
  readonly date?: string;
  readonly diagnose?: boolean;
  readonly config?: Partial<BenchConfig>;
  readonly run?: Partial<RunRecord>;
}

const POINTS = 25;

function runOf(wanted: Required<Pick<Wanted, 'method' | 'seed' | 'steps' | 'layers' | 'p'>>): RunRecord {
  const { method, seed, steps, layers, p } = wanted;
  const random = new Random(seed).fork(`${method} ${layers} ${p}`);
  const like = METHODS[method]!;
  const jitter = () => 1 + 0.04 * (random.uniform() - 0.5);
  const perStep = (like.step * jitter() * (0.25 + 0.75 * p) * layers) / 4;
  const error =
    (like.error + like.deeper * (layers - 4)) *
    jitter() *
    (1 + 0.12 * Math.log(1 / p)) *
    (5e4 / steps) ** 0.15;
  const updates = method === 'no-bp' ? 1 : layers * p;
  const curve = Array.from({ length: POINTS }, (_, i) => {
    const done = (i + 1) / POINTS;
    const wrong = error + 0.11 * Math.exp(-6 * done) * jitter();
    return {
      step: Math.round(steps * done),
      seconds: perStep * steps * done,
      train: { loss: 3 * wrong ** 1.2 * jitter(), accuracy: 1 - 0.8 * wrong },
      validation: { loss: 3.4 * wrong * jitter(), accuracy: 1 - wrong, samples: 5000 },
    };
  });
  return {
    method,
    schedule: 'layered',
    seed,
    status: 'finished',
    error: null,
    steps,
    trainSeconds: perStep * steps,
    stepsPerSecond: 1 / perStep,
    layerUpdatesPerSecond: updates / perStep,
    layerUpdates: updates * steps,
    idleSteps: 0,
    macsPerStep: like.macs * (0.4 + 0.6 * p),
    dispatchesPerStep: like.dispatches * (0.4 + 0.6 * p),
    train: { loss: error / 2, accuracy: 1 - error / 3, samples: 55_000 },
    validation: { loss: 3 * error, accuracy: 1 - error, samples: 5000 },
    test: { loss: 3 * error, accuracy: 1 - error * jitter(), samples: 10_000 },
    curve,
  };
}

const diagnosticsOf = (
  { method, seed, steps, curve }: RunRecord,
  layers: number,
): RunRecord['diagnostics'] => {
  const random = new Random(seed).fork(`look ${method}`);
  const good = method === 'cdni' ? 0.9 : 0.45;
  return curve
    .filter((_, i) => i % 4 === 0 || i === POINTS - 1)
    .map(({ step }) => ({
      step,
      layers: Array.from({ length: layers - 1 }, (_, i) => {
        const cosine =
          good * (1 - Math.exp((-8 * step) / steps)) * (0.55 + (0.45 * (i + 1)) / (layers - 1)) +
          0.04 * random.uniform();
        return {
          layer: i + 1,
          cosine,
          signAgreement: 0.5 + cosine / 2.4,
          relativeError: Math.sqrt(1 - cosine ** 2),
          sgNorm: 0.1 * cosine,
          trueNorm: 0.1,
          deadUnits: 0.01 * i,
        };
      }),
    }));
};

/** A record of one made-up run. */
export function made(wanted: Wanted): BenchRecord {
  const { method, seed = 1, steps = 50_000, layers = 4, p = 1, device = GPU, diagnose = false } = wanted;
  const run = { ...runOf({ method, seed, steps, layers, p }), ...wanted.run };
  return {
    schemaVersion: SCHEMA_VERSION,
    date: wanted.date ?? `2026-01-0${seed}T10:00:00.000Z`,
    device,
    dawn: '0.6.2',
    node: 'v20.20.0',
    version: '0.1.0',
    commit: wanted.commit === undefined ? '0123456789abcdef0123456789abcdef01234567' : wanted.commit,
    config: {
      preset: 'bisong-50k',
      presetNote: 'made up for a test',
      methods: [method],
      steps,
      batch: 256,
      hidden: 256,
      layers,
      lr: 3e-5,
      lrDrops: [300_000, 400_000],
      seed,
      evalEvery: steps / POINTS,
      trainSamples: 55_000,
      data: { name: 'MNIST', train: 55_000, validation: 5_000, test: 10_000 },
      updateProbability: p,
      optimizer: 'adam',
      lambda: 0,
      ...wanted.config,
    },
    checks: [],
    runs: [{ ...run, ...(diagnose && { diagnostics: diagnosticsOf(run, layers)! }) }],
    interrupted: false,
  };
}

const grid = (all: Partial<Record<keyof Wanted, readonly unknown[]>>): Wanted[] =>
  Object.entries(all).reduce(
    (found, [name, values]) => found.flatMap((one) => values.map((value) => ({ ...one, [name]: value }))),
    [{} as Wanted],
  );

/** Everything that the papers' experiments would leave behind. */
export const everything = (device = GPU): BenchRecord[] => {
  const seed = [1, 2, 3];
  return [
    ...grid({ method: ['bp', 'cdni', 'bisong'], steps: [50_000], seed, diagnose: [true] }).map((w) => ({
      ...w,
      diagnose: w.method !== 'bp',
    })),
    ...grid({ method: ['bp', 'cdni', 'bisong'], steps: [100_000], p: [1, 0.2], seed }),
    ...grid({ method: ['no-bp', 'bp', 'dni', 'cdni'], steps: [500_000], layers: [3, 4, 5, 6], seed }),
    ...grid({ method: ['cdni', 'bp'], steps: [500_000], p: [0.5, 0.2, 0.1, 0.05], seed }),
  ].map((wanted) => made({ ...wanted, device }));
};

/** Records as they are read from files, of one sweep: cells that ran in turn. */
export const found = (records: readonly BenchRecord[]) =>
  records.map((record, i) => ({ path: `sweep/cells/${i}.json`, record }));

/** The runs of some records, as the report groups them. */
export const grouped = (records: readonly BenchRecord[]) =>
  groupRuns(found(records).flatMap(({ path, record }) => record.runs.map((run) => ({ run, record, path }))));

/** A group with one run for each time of a step. */
export function group(
  method: string,
  secondsPerStep: readonly number[],
  other: Omit<Wanted, 'method' | 'seed'> & { accuracy?: readonly number[]; updates?: number } = {},
): Group {
  const { accuracy = secondsPerStep.map(() => 0.97), updates = 4 * (other.p ?? 1), ...wanted } = other;
  const steps = 50_000;
  const records = secondsPerStep.map((seconds, i) =>
    made({
      ...wanted,
      method,
      seed: i + 1,
      run: {
        stepsPerSecond: 1 / seconds,
        trainSeconds: seconds * steps,
        layerUpdatesPerSecond: updates / seconds,
        test: { loss: 0.1, accuracy: accuracy[i]!, samples: 10_000 },
        ...wanted.run,
      },
    }),
  );
  return grouped(records).groups[0]!;
}

/** How a group is called in sentences. */
export const name = (g: Group): string => g.title;
