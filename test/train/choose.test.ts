import { beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../../src/data/random.ts';
import type { ResidentSamples } from '../../src/data/resident.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { PYTORCH } from '../../src/nn/conventions.ts';
import type { LearningRule, SideModel } from '../../src/train/rule.ts';
import { type Choice, type ChoiceOf, chooseSchedule } from '../../src/train/schedules/choose.ts';
import { syntheticRule } from '../../src/train/synthetic.ts';
import type { TrainOptions } from '../../src/train/trainer.ts';
import { useNullDevice } from '../support/null-device.ts';
import { ruleNamed } from '../support/twins.ts';

const device = useNullDevice();

/** What WebGPU promises of every device. */
const LIMITS = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupStorageSize: 2 ** 14,
  maxComputeWorkgroupsPerDimension: 65_535,
};
type Limits = Partial<typeof LIMITS>;

/** As much of a device as a choice depends on; with lanes one of a CPU driver, 0 being one without subgroups. */
const fakeGpu = (limits: Limits, lanes?: number): Gpu => {
  const cpu = { isCpu: lanes !== undefined, subgroupSize: lanes || undefined };
  return { limits: { ...LIMITS, ...limits }, ...cpu } as unknown as Gpu;
};

/** What is chosen for, where it is not the default. */
interface Asked extends Partial<Omit<TrainOptions, 'rule'>> {
  readonly rule?: string | LearningRule;
  readonly limits?: Limits;
  readonly lanes?: number;
  readonly classes?: number;
  readonly floats?: boolean;
  readonly models?: (made: SideModel[]) => SideModel[];
}

const SIZES = { inputs: 13, hidden: 11, layers: 3 };
const CAPACITY = 256;

function choose({ rule = 'cdni', limits = {}, lanes, classes = 5, floats, models, ...given }: Asked): Choice {
  const named = typeof rule === 'string' ? ruleNamed(rule) : rule;
  const options = { ...SIZES, batchSize: 9, learningRate: 1e-3, lrDrops: [], seed: 1, ...given };
  const shape = { ...SIZES, hidden: options.hidden, layers: options.layers, classes };
  const { synthetic = {}, lambda = 0 } = options;
  const made = named.createModels(
    device.gpu,
    shape,
    { synthetic, lambda, conventions: PYTORCH, batchSize: 9, delay: 'pipelined' as const },
    new Random(1),
  );
  const data = { bytes: floats ? undefined : {} } as unknown as ResidentSamples;
  const of: ChoiceOf = {
    gpu: fakeGpu(limits, lanes),
    options: { schedule: 'wave', ...options, rule: named },
    ...{ shape, data, models: models?.(made) ?? made, capacity: CAPACITY },
  };
  return chooseSchedule(of);
}

test("PipeDream's delay has no wave", () => {
  expect(choose({ rule: 'delayed-bp' })).toMatchObject({ schedule: 'wave' });
  expect(choose({ rule: 'delayed-bp', delay: 'pipedream' })).toEqual({
    schedule: 'layered',
    because: "of the fused kernels: their wave has pipelined backpropagation's delay",
  });
});

describe('the best schedule of a CPU driver', () => {
  test('is a fused one where its subgroups are those that the CPU forms are written for', () => {
    expect(choose({ schedule: 'best', lanes: 8 })).toMatchObject({ schedule: 'wave' });
    expect(choose({ schedule: 'best', lanes: 4, rule: 'bp' })).toMatchObject({ schedule: 'fused' });
  });

  test.each([0, 16])(
    'is layered with subgroups of %i lanes, and says why; a fused one that is asked for is taken',
    (lanes) => {
      const because =
        'without subgroups of 4 or 8 lanes this CPU driver is faster by layered kernels than by fused ones';
      expect(choose({ schedule: 'best', lanes })).toEqual({ schedule: 'layered', because });
      expect(choose({ schedule: 'best', lanes, rule: 'bp' })).toEqual({ schedule: 'layered', because });
      expect(choose({ schedule: 'wave', lanes })).toMatchObject({ schedule: 'wave' });
      // A rule without fused kernels has nothing to tell.
      expect(choose({ schedule: 'best', lanes, rule: 'dgl' })).toEqual({ schedule: 'layered' });
    },
  );
});

const OTHERS = 'they know one predictor of gradients for each hidden layer, and no other models';
const CLASSES = (most: number) => `they cover up to ${most} classes`;

let pixels: LearningRule;
beforeAll(() => {
  // Predictors that are told something else.
  const { createModels } = ruleNamed('cdni');
  const parts = { name: 'mine', title: 'mine', about: 'a test' };
  const context = ({ batch }: { batch: { x: never } }) => batch.x;
  pixels = syntheticRule({ ...parts, createModels, context } as never);
});

describe('layered, since the fused kernels do not cover', () => {
  test.each<[what: string, Asked, because: string]>([
    ['sgd', { optimizer: 'sgd' }, 'they update by adam, not by sgd'],
    ['momentum', { optimizer: 'momentum' }, 'they update by adam, not by momentum'],
    ['updates by chance', { updateProbability: 0.9 }, 'they update every layer in every step'],
    ['a warm-up', { sgWarmup: 1 }, 'they have no warm-up'],
    ['lambda', { lambda: 0.1 }, 'they do not mix the true gradient in'],
    ['samples that are floats', { floats: true }, 'they read samples that are bytes'],
    ['synthetic inputs', { rule: 'unlocked' }, OTHERS],
    ['a predictor too few', { models: (made) => made.slice(1) }, OTHERS],
    ['a predictor too many', { models: (made) => [...made, made[0]!] }, OTHERS],
    ['models of another kind', { models: (made) => made.map(() => ({ parameters: [] })) }, OTHERS],
    ['deeper predictors', { rule: 'dni', synthetic: { width: 3 } }, 'their predictors are linear'],
    ["predictors with the network's layers", { rule: 'bisong' }, 'their predictors are linear'],
    ['sigmoid outputs', { synthetic: { output: 'sigmoid' } }, 'their predictors are linear'],
    ['25 classes', { classes: 25 }, CLASSES(24)],
    ['25 classes on a CPU driver of 4 lanes', { classes: 25, lanes: 4 }, CLASSES(24)],
    ['33 classes on a CPU driver of 8 lanes', { classes: 33, lanes: 8 }, CLASSES(32)],
    [
      'more units than a workgroup has room for',
      { hidden: 417 },
      'they have no room for 417 hidden units on this device',
    ],
    [
      'too much for a workgroup of the top',
      { rule: 'bp', hidden: 1028, classes: 24, limits: { maxComputeWorkgroupStorageSize: 2 ** 16 } },
      'they have no room for 24 classes beside 1028 hidden units on this device',
    ],
    // Two layers, a tile of their products each, two at a time.
    [
      'too many workgroups',
      { limits: { maxComputeWorkgroupsPerDimension: 3 } },
      'they would take more workgroups than this device allows',
    ],
  ])('%s', (_, asked, because) => {
    const reason = `of the fused kernels: ${because}`;
    for (const schedule of ['wave', 'fused', 'best'] as const) {
      if (schedule === 'wave' && asked.rule === 'bp') continue;
      expect(choose({ ...asked, schedule })).toEqual({ schedule: 'layered', because: reason });
    }
    // Nobody who asks for the layered schedule is told why there is no other.
    expect(choose({ ...asked, schedule: 'layered' })).toEqual({ schedule: 'layered' });
  });

  test('predictors that are told something else', () => {
    const because = 'of the fused kernels: their predictors are told the label or nothing';
    expect(choose({ rule: pixels })).toEqual({ schedule: 'layered', because });
  });

  // The largest of the buffers is that of the sample numbers, whose size is known beforehand.
  test.each(['maxStorageBufferBindingSize', 'maxBufferSize'] as const)('an arena larger than %s', (limit) => {
    const [batchSize, lead, events] = [200, 2, 2 * 3 - 1];
    const bytes = 4 * (4 + (CAPACITY + lead) * batchSize + 2 * events * CAPACITY);
    const asked = { batchSize, hidden: 1, layers: 3, lanes: 4 };
    expect(choose({ ...asked, limits: { [limit]: bytes } }).schedule).toBe('wave');
    expect(choose({ ...asked, limits: { [limit]: bytes - 1 } })).toEqual({
      schedule: 'layered',
      because: 'of the fused kernels: they keep all layers in one buffer, which this device cannot hold',
    });
  });
});

describe('what they do cover', () => {
  test.each<[what: string, Asked]>([
    ['the sizes of these tests', {}],
    ['predictors that are not told the label', { synthetic: { labels: false } }],
    ['linear predictors of dni', { rule: 'dni', synthetic: { hidden: 0 } }],
    ['24 classes', { classes: 24 }],
    // Of a CPU driver's own form 16, so that these are in the GPU form, without a word.
    ['24 classes on a CPU driver of 4 lanes', { classes: 24, lanes: 4 }],
    ['32 classes on a CPU driver of 8 lanes', { classes: 32, lanes: 8 }],
    ['as many units as a workgroup has room for', { hidden: 416 }],
    ['more on a CPU driver, whose form keeps none there', { hidden: 417, lanes: 8 }],
    ['as many workgroups as there may be', { limits: { maxComputeWorkgroupsPerDimension: 4 } }],
  ])('%s', (_, asked) => {
    expect(choose(asked)).toEqual({ schedule: 'wave', packed: expect.objectContaining({ usesTop: false }) });
  });
});
