import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkMethod, recordChecked } from '../../bench/checks.ts';
import { benchmark, optionsOf } from '../../bench/paper.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { openDevice } from '../../src/gpu/open.ts';
import { curvesCsv } from '../../src/report/record.ts';
import { rules } from '../../src/train/rules.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { expectRecord, tinyConfig, tinySet } from '../support/cli.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openDevice({ adapter: 'carried', fast: true });
});
afterAll(() => gpu.destroy());

const AXES = {
  optimizer: 'momentum',
  updateProbability: 0.5,
  lambda: 0.25,
  sgHidden: 1,
  sgWidth: 6,
  sgLabels: false,
  sgOutput: 'sigmoid',
  sgLr: 2e-3,
  sgWarmup: 2,
  diagnose: 3,
} as const;

/** A benchmark of a moment, whose record, as it is written, keeps to the schema. */
async function recordOf(part: Parameters<typeof tinyConfig>[0]) {
  const { record, error } = await benchmark(gpu, tinySet(), tinyConfig(part));
  expect(error).toBeUndefined();
  return expectRecord(JSON.parse(JSON.stringify(record)));
}

describe('what a rule is trained with', () => {
  const config = tinyConfig(AXES);
  const optionsFor = (method: string) => optionsOf(rules.get(method)!, config);

  it('is all of the axes for a rule that heeds them', () => {
    expect(optionsFor('cdni')).toMatchObject({
      optimizer: 'momentum',
      updateProbability: 0.5,
      lambda: 0.25,
      synthetic: { hidden: 1, width: 6, labels: false, output: 'sigmoid' },
      sgLearningRate: 2e-3,
      sgWarmup: 2,
    });
  });

  it('is what it heeds for any other', () => {
    for (const method of ['bp', 'no-bp', 'fa']) {
      const options = optionsFor(method);
      expect(options).toMatchObject({ optimizer: 'momentum', updateProbability: 0.5, lambda: 0 });
      // Else its hidden layers would wait for models that it has not.
      expect([options.sgWarmup, options.sgLearningRate]).toEqual([undefined, undefined]);
    }
    expect(optionsFor('dgl')).toMatchObject({ lambda: 0, sgLearningRate: 2e-3, sgWarmup: 2 });
    expect(optionsFor('unlocked')).toMatchObject({ lambda: 0, synthetic: { hidden: 1 }, sgWarmup: 2 });
  });

  it('is the same with a configuration that is older than the axes', () => {
    expect(optionsOf(rules.get('cdni')!, tinyConfig())).toMatchObject({
      ...{ optimizer: 'adam', updateProbability: 1, lambda: 0, sgWarmup: 0 },
      synthetic: { hidden: undefined, width: undefined, labels: undefined, output: undefined },
    });
  });
});

it('the record tells what was asked for, and what each run really did', async () => {
  const steps = 40;
  const { config, runs, checks } = await recordOf({
    ...AXES,
    steps,
    evalEvery: 20,
    methods: ['bp', 'cdni', 'no-bp'],
  });
  expect(config).toMatchObject(AXES);
  const [bp, cdni, noBp] = runs;
  // Drawn from the same stream: what cdni's hidden layers miss while its predictors warm up, bp's had.
  expect(bp!.layerUpdates).toBeGreaterThan(cdni!.layerUpdates!);
  for (const [run, layers] of [
    [bp!, 4],
    [cdni!, 4],
    [noBp!, 1],
  ] as const) {
    const { layerUpdates, idleSteps } = run;
    // Five standard deviations of as many draws, and the steps of the warm-up.
    const [mean, deviation] = [(layers * steps) / 2, Math.sqrt(layers * steps) / 2];
    expect(Math.abs(layerUpdates! - mean)).toBeLessThan(5 * deviation + 3 * 2);
    expect(layerUpdates! + idleSteps! * layers).toBeLessThanOrEqual(layers * steps);
    expect(run.layerUpdatesPerSecond).toBeCloseTo((run.stepsPerSecond * layerUpdates!) / steps, 6);
    const whole = checks.find(({ method }) => method === run.method)!.dispatches;
    expect(run.dispatchesPerStep).toBeLessThan(whole);
    expect(run.macsPerStep).toBeGreaterThan(0);
  }
  // One layer that is drawn with 1/2, and nothing else: a step is idle, or updates it.
  expect(noBp!.idleSteps).toBe(steps - noBp!.layerUpdates!);
});

it('looks at the synthetic gradients every so many steps, of the methods that have some', async () => {
  const { runs } = await recordOf({ methods: ['bp', 'cdni'], steps: 7, evalEvery: 7, diagnose: 3 });
  const [bp, cdni] = runs;
  expect(bp!.diagnostics).toBeUndefined();
  expect(cdni!.diagnostics!.map(({ step }) => step)).toEqual([3, 6]);
  for (const { layers } of cdni!.diagnostics!) {
    expect(layers.map(({ layer }) => layer)).toEqual([1, 2, 3]);
    for (const { cosine } of layers) expect(Math.abs(cosine!)).toBeGreaterThan(0);
  }
  const off = await recordOf({ methods: ['cdni'], steps: 7, evalEvery: 7 });
  expect('diagnostics' in off.runs[0]!).toBe(false);
  // Times apart, the run is the same.
  const untimed = ({ curve, ...run }: (typeof runs)[number]) => [
    ...[run.train, run.validation, run.test, run.layerUpdates],
    curve.map(({ step, train, validation }) => [step, train, validation]),
  ];
  expect(untimed(cdni!)).toEqual(untimed(off.runs[0]!));
  expect(gpu.alive).toEqual({ buffers: 0, bytes: 0 });
});

it('has no training loss where no step needed one', async () => {
  // With so small a probability none of these draws updates anything.
  const { runs } = await recordOf({ methods: ['bp'], steps: 2, evalEvery: 1, updateProbability: 1e-6 });
  const [run] = runs;
  expect(run).toMatchObject({ layerUpdates: 0, idleSteps: 2, layerUpdatesPerSecond: 0, macsPerStep: 0 });
  expect(run!.curve.map(({ train }) => train)).toEqual([
    { loss: null, accuracy: null },
    { loss: null, accuracy: null },
  ]);
  expect(run!.curve[1]!.validation.loss).toBeGreaterThan(0);
  const nan = run!.curve.map((point) => ({ ...point, train: { loss: Number.NaN, accuracy: Number.NaN } }));
  expect(curvesCsv([{ ...run!, curve: nan }])).not.toContain('NaN');
});

describe('the check', () => {
  async function checked(method: string, part: Parameters<typeof tinyConfig>[0]) {
    const data = new ResidentDataset(gpu, tinySet());
    try {
      return await checkMethod(gpu, data, optionsOf(rules.get(method)!, tinyConfig(part)));
    } finally {
      data.destroy();
    }
  }

  it('is of the step that is run, with all its parts at work', async () => {
    const plain = await checked('cdni', {});
    const asked = await checked('cdni', AXES);
    expect([plain.passed, asked.passed]).toEqual([true, true]);
    expect(asked.dispatches).not.toBe(plain.dispatches);
    expect(asked.shape).toEqual({ batch: 32, hidden: 16, layers: 4 });
    // Momentum has one moment for each parameter, Adam two, and sgd none.
    const tensors = async (optimizer: 'adam' | 'sgd' | 'momentum') =>
      (await checked('bp', { optimizer })).tensors;
    const parameters = 3 * 3 + 2;
    const [adam, momentum, sgd] = [await tensors('adam'), await tensors('momentum'), await tensors('sgd')];
    expect([adam - momentum, momentum - sgd]).toEqual([parameters, parameters]);
  });

  it.each([
    ['cdni', { schedule: 'best', updateProbability: 0.5 }, 'layered'],
    ['cdni', { schedule: 'best', sgWarmup: 2 }, 'layered'],
    ['cdni', { schedule: 'best' }, 'wave'],
    ['cdni', { schedule: 'wave', waveStages: 1 }, 'wave'],
    ['cdni', { schedule: 'fused' }, 'fused'],
    ['cdni', { schedule: 'fused', sgWarmup: 2 }, 'layered'],
    ['bp', { schedule: 'wave' }, 'fused'],
    ['bp', { schedule: 'best', updateProbability: 0.5 }, 'layered'],
    ['delayed-bp', { schedule: 'best' }, 'wave'],
    // Above what is checked at full size.
    ['cdni', { schedule: 'best', hidden: 512, batch: 256, updateProbability: 0.5 }, 'layered'],
    ['cdni', { schedule: 'best', hidden: 512, batch: 256 }, 'wave'],
  ] as const)('of %s with %j is of the schedule that is run, %s', (method, part, schedule) => {
    const data = new ResidentDataset(gpu, tinySet());
    const options = optionsOf(rules.get(method)!, tinyConfig(part));
    const run = new Trainer(gpu, data, options);
    const checked = recordChecked(gpu, data, options).trainer;
    try {
      expect([run.schedule, checked.schedule]).toEqual([schedule, schedule]);
      const labels = ({ plan }: Trainer) => plan.dispatches.map((dispatch) => dispatch.label);
      expect(labels(checked)).toEqual(labels(run));
    } finally {
      for (const each of [run, checked, data]) each.destroy();
    }
  });

  it('is smaller where predictors are large, and tells at what sizes', async () => {
    const dni = await checked('dni', { hidden: 256, batch: 256 });
    // 2 x 1024 at batch 256 would be 3.6 thousand million multiply-adds.
    expect(dni).toMatchObject({ passed: true, shape: { batch: 64, hidden: 256, layers: 4, sgWidth: 256 } });
    expect(gpu.alive).toEqual({ buffers: 0, bytes: 0 });
  });

  it('of late gradients waits until they have come', async () => {
    const late = await checked('delayed-bp', { layers: 3, batch: 16 });
    expect(late).toMatchObject({ passed: true, shape: { batch: 16, hidden: 16, layers: 3 } });
  });
});
