import { describe, expect, it } from 'vitest';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { asComputed, type Store, type Tensors } from '../../src/reference/network.ts';
import { bpStep, syntheticStep } from '../../src/reference/step-rules.ts';
import { writeTensor } from '../../src/tensor.ts';
import { compareGradients, Diagnoser, type LayerDiagnosis } from '../../src/train/diagnose.ts';
import { rules } from '../../src/train/rules.ts';
import { run } from '../../src/train/run.ts';
import { Trainer, type TrainOptions } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { Random } from '../support/kernel.ts';
import { constantsAt, randomBytes, readPlan, twinBatch, widened, worstStore } from '../support/steps.ts';

const device = useDevice();

const [inputs, hidden, classes, batchSize] = [21, 13, 5, 17];
const dataset = randomBytes(41, { train: 90, test: 20 }, inputs, classes);
const common = { hidden, layers: 4, batchSize, learningRate: 3e-3, lrDrops: [], seed: 4 };

/** A rule with its predictors as small as the network. */
const optionsOf = (method: string, part: Partial<TrainOptions> = {}): TrainOptions => ({
  ...common,
  rule: rules.get(method)!,
  synthetic: { width: 7 },
  ...part,
});

const CASES: readonly (readonly [string, Partial<TrainOptions>])[] = [
  ['cdni', {}],
  ['dni', {}],
  ['cdni', { lambda: 0.5, synthetic: { hidden: 1, width: 7, output: 'sigmoid' } }],
  ['unlocked', { synthetic: { hidden: 1, width: 7 } }],
];

/** A trainer of these options, and what makes it look; both are released afterwards. */
async function withTrainer(
  options: TrainOptions,
  use: (trainer: Trainer, data: ResidentDataset) => Promise<void>,
): Promise<void> {
  const data = new ResidentDataset(device.gpu, dataset);
  const trainer = new Trainer(device.gpu, data, options);
  try {
    await trainer.ready();
    await use(trainer, data);
  } finally {
    trainer.destroy();
    data.destroy();
  }
}

/** Trains, looking every few steps or never; returns all that the step's tensors hold at the end, and the curve. */
async function trained(options: TrainOptions, every?: number) {
  let held: ReadonlyMap<string, Float32Array> | undefined;
  let curve: readonly unknown[] = [];
  const looks: number[] = [];
  await withTrainer(options, async (trainer, data) => {
    const diagnoser = every === undefined ? undefined : new Diagnoser(trainer, data);
    const at = async (step: number) => {
      const found = await diagnoser!.look();
      expect(found.step).toBe(step);
      looks.push(step);
    };
    const pause = every === undefined ? undefined : { every, at };
    const result = await run(trainer, data, { steps: 10, evalEvery: 4, pause });
    expect(result.error).toBeUndefined();
    curve = result.curve.map(({ step, train, validation }) => ({ step, train, validation }));
    held = await readPlan(device.gpu, trainer.plan);
    diagnoser?.destroy();
  });
  return { held: held!, curve, looks };
}

describe.each(CASES)('%s, %j', (method, part) => {
  const options = optionsOf(method, part);

  it('looking changes nothing that the run holds, bit for bit', async () => {
    await withTrainer(options, async (trainer, data) => {
      await trainer.results(trainer.submit(2));
      const before = await readPlan(device.gpu, trainer.plan);
      const running = [...before.keys()].filter((label) => /running(Mean|Var)$/.test(label));
      const ofModels = part.synthetic?.hidden ?? (method === 'dni' ? 2 : 0);
      expect(running).toHaveLength(2 * 3 * (1 + ofModels));
      const diagnoser = new Diagnoser(trainer, data);
      await diagnoser.look();
      expect(await readPlan(device.gpu, trainer.plan)).toEqual(before);
      diagnoser.destroy();
    });
  });

  it('a run with diagnostics is a run without, bit for bit', async () => {
    const [with3, without] = [await trained(options, 3), await trained(options)];
    expect(with3.looks).toEqual([3, 6, 9]);
    expect(with3.curve).toEqual(without.curve);
    expect(with3.held).toEqual(without.held);
    expect(with3.curve).toHaveLength(3);
  });
});

/** What the comparison gives in float64, with every kernel as exact, or as wrong, as the store makes it. */
function expectedAt(before: Tensors, predictor: Parameters<typeof syntheticStep>[0], store: Store) {
  const sizes = { inputs, hidden, layers: 4, classes };
  const batch = twinBatch(
    dataset.train,
    Array.from({ length: batchSize }, (_, i) => i),
  );
  const args = [before, sizes, constantsAt(0, 1e-3, batchSize), batch, store] as const;
  const [plain, synthetic] = [bpStep(...args), syntheticStep(predictor)(...args)];
  return [1, 2, 3].map((i) => ({
    h: plain.get(`layer${i}.h`)!,
    sg: synthetic.get(`sg${i}.sg`)!,
    dH: plain.get(`layer${i + 1}.dX`)!,
  }));
}

it.each([
  ['cdni', { hidden: 0, width: 7, labels: true, output: 'linear' }],
  ['dni', { hidden: 2, width: 7, labels: false, output: 'linear' }],
  ['bisong', { hidden: 1, width: 5, labels: true, output: 'sigmoid' }],
] as const)(
  '%s: the values are those of float64 twins, as far as float32 allows',
  async (method, predictor) => {
    await withTrainer(optionsOf(method, { synthetic: predictor }), async (trainer, data) => {
      await trainer.results(trainer.submit(3));
      // Two units of the second layer that never rise above zero.
      const { beta } = trainer.net.hidden[1]!;
      const shut = Float32Array.from({ length: hidden }, (_, f) => (f === 3 || f === 8 ? -100 : 0.01 * f));
      writeTensor(device.gpu, beta.value, shut);
      const before = widened(await readPlan(device.gpu, trainer.plan));
      const diagnoser = new Diagnoser(trainer, data);
      const { step, layers } = await diagnoser.look();
      diagnoser.destroy();
      expect(step).toBe(3);
      expect(layers.map(({ layer }) => layer)).toEqual([1, 2, 3]);
      expect(layers.map(({ deadUnits }) => Math.round(deadUnits * hidden))).toEqual([0, 2, 0]);

      const exact = expectedAt(before, predictor, asComputed);
      const random = new Random(77);
      const stores = [0, 1, 2].flatMap((i) => ([1, -1] as const).map((s) => worstStore(random.fork(i), s)));
      const draws = stores.map((store) => expectedAt(before, predictor, store));
      for (const [i, got] of layers.entries()) {
        const want = compareGradients(i + 1, exact[i]!, hidden);
        const drawn = draws.map((draw) => compareGradients(i + 1, draw[i]!, hidden));
        for (const name of ['cosine', 'relativeError', 'sgNorm', 'trueNorm'] as const) {
          const off = (other: LayerDiagnosis) => Math.abs(other[name]! - want[name]!);
          expect(off(got), `${name} of layer ${i + 1}`).toBeLessThanOrEqual(2 * Math.max(...drawn.map(off)));
          expect(want[name]).not.toBe(0);
        }
        // Only elements that are zero within tolerance may have another sign.
        const { sg, dH } = exact[i]!;
        const unsure = (name: 'sg' | 'dH', e: number) =>
          Math.abs(exact[i]![name][e]!) <=
          2 * Math.max(...draws.map((draw) => Math.abs(draw[i]![name][e]! - exact[i]![name][e]!)));
        const tied = [...dH.keys()].filter((e) => unsure('sg', e) || unsure('dH', e)).length;
        expect(tied / dH.length).toBeLessThan(0.02);
        const differ = Math.abs(got.signAgreement! - want.signAgreement!) * sg.length;
        expect(differ).toBeLessThanOrEqual(tied + 1e-6);
      }
    });
  },
);

it('before the first step the synthetic gradients are zero, and have no direction', async () => {
  await withTrainer(optionsOf('cdni'), async (trainer, data) => {
    const diagnoser = new Diagnoser(trainer, data);
    const { step, layers } = await diagnoser.look();
    expect(step).toBe(0);
    expect(layers).toHaveLength(3);
    for (const { trueNorm, ...rest } of layers) {
      expect(trueNorm).toBeGreaterThan(0);
      expect(rest).toMatchObject({
        cosine: null,
        signAgreement: null,
        relativeError: 1,
        sgNorm: 0,
        deadUnits: 0,
      });
    }
    diagnoser.destroy();
  });
});

it('a rule without synthetic gradients has none to look at', async () => {
  const { gpu } = device;
  await withTrainer(optionsOf('dgl'), async (trainer, data) => {
    const { buffers } = gpu.alive;
    expect(() => new Diagnoser(trainer, data)).toThrow('dgl has no synthetic gradients to look at');
    expect(gpu.alive.buffers).toBe(buffers);
  });
  await withTrainer(optionsOf('dni'), async (trainer, data) => {
    const { buffers } = gpu.alive;
    const diagnoser = new Diagnoser(trainer, data);
    expect(gpu.alive.buffers).toBeGreaterThan(buffers);
    diagnoser.destroy();
    expect(gpu.alive.buffers).toBe(buffers);
  });
});

describe('the comparison of two gradients', () => {
  const alive = [1, 1, 1, 1];
  const compare = (sg: readonly number[], dH: readonly number[], h = alive) =>
    compareGradients(2, { h, sg, dH }, 2);

  it('of one and its multiples', () => {
    expect(compare([2, 4, -6, 8], [1, 2, -3, 4])).toMatchObject({
      layer: 2,
      signAgreement: 1,
      relativeError: 1,
    });
    expect(compare([2, 4, -6, 8], [1, 2, -3, 4]).cosine).toBeCloseTo(1, 14);
    expect(compare([-1, -2, 3, -4], [1, 2, -3, 4])).toMatchObject({ signAgreement: 0, relativeError: 2 });
    expect(compare([-1, -2, 3, -4], [1, 2, -3, 4]).cosine).toBeCloseTo(-1, 14);
  });

  it('of two that are orthogonal', () => {
    expect(compare([3, 0, 0, 0], [0, 4, 0, 0])).toEqual({
      ...{ layer: 2, cosine: 0, signAgreement: 0, relativeError: 1.25, sgNorm: 3, trueNorm: 4, deadUnits: 0 },
    });
  });

  it('counts no sign where the true gradient is zero, and none as met where the synthetic one is', () => {
    expect(compare([1, 1, 0, -1], [2, 0, 5, 3]).signAgreement).toBe(1 / 3);
  });

  it('of zeros', () => {
    const none = { cosine: null, signAgreement: null };
    expect(compare([1, 0, 0, 0], [0, 0, 0, 0])).toMatchObject({ ...none, relativeError: null, trueNorm: 0 });
    expect(compare([0, 0, 0, 0], [1, 0, 0, 0])).toMatchObject({ ...none, relativeError: 1, sgNorm: 0 });
  });

  it('counts units that are zero for every sample', () => {
    expect(compare(alive, alive, [0, 1, 0, 0]).deadUnits).toBe(0.5);
    expect(compare(alive, alive, [0, 0, 0, 0]).deadUnits).toBe(1);
    expect(compare(alive, alive, [0, 1, 2, 0]).deadUnits).toBe(0);
  });
});
