import { describe, expect, type TestContext, test } from 'vitest';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import type { Tensors } from '../../src/reference/network.ts';
import { type Lateness, lateSyntheticStep, WAVE, WAVE_OF_ONE } from '../../src/reference/step-late.ts';
import { LINEAR } from '../../src/reference/step-models.ts';
import { Trainer, type TrainOptions } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { compilesSlowly } from '../support/fused.ts';
import { expectWithin, randomBytes, readHeld, TwinRun, twinBatches, widened } from '../support/steps.ts';
import { type RunOptions, ruleNamed, stepTwin, TwinSchedule } from '../support/twins.ts';

const device = useDevice();

/** A schedule of a rule, what of it is late, and the dispatches of a step at so many hidden layers. */
interface Case {
  readonly rule: string;
  readonly schedule: 'fused' | 'wave';
  readonly waveStages?: 1 | 3;
  readonly late?: Lateness;
  readonly dispatches: (H: number) => number;
}

const CASES: readonly Case[] = [
  { rule: 'bp', schedule: 'fused', dispatches: (H) => 2 * H + 1 },
  { rule: 'cdni', schedule: 'fused', dispatches: (H) => 2 * H + 4 },
  { rule: 'cdni', schedule: 'wave', late: WAVE, dispatches: () => 3 },
  { rule: 'delayed-bp', schedule: 'wave', dispatches: () => 3 },
  // Two ticks are recorded, of one dispatch each.
  { rule: 'cdni', schedule: 'wave', waveStages: 1, late: WAVE_OF_ONE, dispatches: () => 2 },
];

/** Sizes that fit no tile, both ways; the last one has more rows, columns and units than a tile. */
const SIZES = [
  { inputs: 13, hidden: 11, classes: 5, batchSize: 9 },
  { inputs: 5, hidden: 33, classes: 2, batchSize: 2 },
  { inputs: 66, hidden: 62, classes: 11, batchSize: 65 },
];

/** The GPU form merges eight tiles of rows at a time: here are ten, and 37 of the sums by the top's kernel. */
const MANY_ROWS = { inputs: 7, hidden: 9, classes: 3, batchSize: 290 };

const nameOf = ({ rule, schedule, waveStages }: Case) =>
  `${rule}, ${schedule}${waveStages === 1 ? ' of one' : ''}`;

/** A trainer by fused kernels, on data of its own. */
async function withTrainer<T>(
  options: Omit<RunOptions, 'learningRate'> & { inputs: number; classes: number; rule: string },
  use: (trainer: Trainer, data: ReturnType<typeof randomBytes>) => Promise<T>,
): Promise<T> {
  const { inputs, classes, rule, ...rest } = options;
  const data = randomBytes(rest.seed, { train: 4 * rest.batchSize + 7 }, inputs, classes);
  const resident = new ResidentDataset(device.gpu, data);
  const full: TrainOptions = { learningRate: 1e-3, lrDrops: [], ...rest, rule: ruleNamed(rule) };
  const trainer = new Trainer(device.gpu, resident, full);
  try {
    await trainer.ready();
    return await use(trainer, data);
  } finally {
    trainer.destroy();
    resident.destroy();
  }
}

/** Runs a schedule for some uploads beside the twin of the serial step, with what the schedule has late. */
async function expectSerial(
  c: Case,
  sizes: (typeof SIZES)[number],
  layers: number,
  uploads: number[],
  forms: 'gpu' | 'cpu',
) {
  const { rule, schedule, late, waveStages = 3 } = c;
  const options = { ...sizes, layers, seed: 40 + layers, schedule, waveStages, forms, rule };
  await withTrainer(options, async (trainer, data) => {
    expect(trainer.schedule).toBe(schedule);
    expect(trainer.plan.dispatches).toHaveLength(c.dispatches(layers - 1));
    const run = { ...options, learningRate: 1e-3 };
    const twin = late ? lateSyntheticStep(LINEAR, late) : stepTwin(rule, run);
    const constants = new TwinSchedule(rule, run, late?.teach);
    const start: Tensors = widened(await readHeld(trainer));
    const free = new TwinRun(twin, trainer.shape, start, 2);
    const next = twinBatches(data, sizes.batchSize, options.seed);
    let step = 0;
    for (const count of uploads) {
      // At the end of an upload the layers of the wave of one have caught up: there are no older weights.
      if (waveStages === 1) free.forget(/\.old\d$/);
      const { losses, correct } = await trainer.results(trainer.submit(count));
      expect(losses).toHaveLength(count);
      for (let i = 0; i < count; i++) {
        const batch = next();
        free.step(constants.next(), batch);
        const what = `${nameOf(c)}, ${layers} layers, step ${++step}`;
        expectWithin([free.compare('loss.mean', losses.subarray(i, i + 1))], what);
        const { least, most } = free.correct(`layer${layers}.logits`, batch.labels);
        expect(correct[i], what).toBeGreaterThanOrEqual(least);
        expect(correct[i], what).toBeLessThanOrEqual(most);
      }
      const held = await readHeld(trainer);
      const compared = [...held].map(([label, numbers]) => free.compare(label, numbers));
      expectWithin(compared, `${nameOf(c)}, ${layers} layers, after ${step} steps`);
    }
  });
}

/**
 * CPU drivers take their own form, and check it in full; SwiftShader checks the GPU form in full as well. Mesa's compiler
 * for the processor takes minutes for all its dispatches, so that there the tests of the kernels must do.
 */
function skipWhereSlow(context: TestContext, forms: 'gpu' | 'cpu'): void {
  if (forms === 'gpu' && compilesSlowly(device.gpu)) {
    context.skip('this driver takes too long to compile the GPU form');
  }
}

describe.each(['gpu', 'cpu'] as const)('fused kernels in their %s form', (forms) => {
  describe.each(CASES.map((c) => [nameOf(c), c] as const))('%s', (_, c) => {
    // The wave of one lets its layers catch up at the end of an upload: what waits for the next one must be kept. Of
    // delayed backprop the lowest layer, too, is to be updated once or twice.
    const uploadsAt = (layers: number) =>
      c.waveStages === 1 ? [5, 3] : c.rule === 'delayed-bp' ? [2, 2 * (layers - 1)] : [1, 1, 2];
    test.for([2, 3, 4, 5, 6, 7, 8])(
      'equals the serial step, with what it has late, at %i layers',
      (layers, context) => {
        skipWhereSlow(context, forms);
        return expectSerial(c, SIZES[0]!, layers, uploadsAt(layers), forms);
      },
    );
    test.for(SIZES.slice(forms === 'cpu' ? 1 : 2))(
      'at $inputs-$hidden-$classes, batch $batchSize',
      (sizes, context) => {
        skipWhereSlow(context, forms);
        return expectSerial(c, sizes, 3, uploadsAt(3), forms);
      },
    );
  });

  // Between them, the two have all that merges.
  test.for([CASES[0]!, CASES[2]!])('$rule, $schedule: a batch of many tiles', (c, context) => {
    skipWhereSlow(context, forms);
    return expectSerial(c, MANY_ROWS, 3, [1, 2], forms);
  });

  test.for(CASES.filter(({ waveStages }) => waveStages !== 1))(
    '$rule, $schedule: the same bits however steps are cut into uploads',
    async (c, context) => {
      skipWhereSlow(context, forms);
      const held = async (uploads: number[]) => {
        const options = { ...SIZES[0]!, layers: 4, seed: 3, schedule: c.schedule, forms, rule: c.rule };
        return withTrainer(options, async (trainer) => {
          const losses: number[] = [];
          for (const count of uploads) losses.push(...(await trainer.results(trainer.submit(count))).losses);
          return [losses, await readHeld(trainer)] as const;
        });
      };
      const whole = await held([9]);
      expect(await held([1, 2, 6])).toEqual(whole);
      expect(await held(Array(9).fill(1))).toEqual(whole);
    },
  );
});

describe('what fused kernels do not cover', () => {
  const sizes = { ...SIZES[0]!, layers: 3, seed: 1 };
  const because = (options: Partial<TrainOptions>, rule = 'cdni') =>
    withTrainer({ ...sizes, schedule: 'wave', ...options, rule }, async ({ schedule, because }) => {
      return `${schedule}: ${because}`;
    });

  test.each([
    [{ optimizer: 'sgd' }, 'cdni', 'layered: of the fused kernels: they update by adam, not by sgd'],
    [
      { updateProbability: 0.5 },
      'cdni',
      'layered: of the fused kernels: they update every layer in every step',
    ],
    [{ sgWarmup: 2 }, 'cdni', 'layered: of the fused kernels: they have no warm-up'],
    [{ lambda: 0.5 }, 'cdni', 'layered: of the fused kernels: they do not mix the true gradient in'],
    [
      { synthetic: { hidden: 1, width: 3 } },
      'cdni',
      'layered: of the fused kernels: their predictors are linear',
    ],
    [{}, 'dgl', 'layered: dgl has no fused kernels'],
    [{}, 'bp', 'fused: bp has no wave: its layers wait for each other'],
    [{ schedule: 'best' }, 'dgl', 'layered: undefined'],
    [{ synthetic: { labels: false } }, 'cdni', 'wave: undefined'],
  ] as [Partial<TrainOptions>, string, string][])('%o with %s: %s', async (options, rule, expected) => {
    expect(await because(options, rule)).toBe(expected);
  });

  test('the best is the last that a rule has', async () => {
    expect(await because({ schedule: 'best' }, 'bp')).toBe('fused: undefined');
    expect(await because({ schedule: 'best' }, 'cdni')).toBe('wave: undefined');
  });

  test('too many hidden units for the memory of a workgroup', async () => {
    // 16 bytes a feature, in steps of a slice, beside the slices.
    const most = 32 * Math.floor((device.gpu.limits.maxComputeWorkgroupStorageSize - 9232) / (16 * 32));
    const hidden = most + 1;
    const found = await withTrainer(
      { ...sizes, hidden, schedule: 'fused', forms: 'gpu', rule: 'bp' },
      async (t) => [t.schedule, t.because],
    );
    expect(found).toEqual([
      'layered',
      `of the fused kernels: they have no room for ${hidden} hidden units on this device`,
    ]);
  });
});
