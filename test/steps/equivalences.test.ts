import { describe, expect, test } from 'vitest';
import { BatchOrder } from '../../src/data/batches.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { hasEvent } from '../../src/train/events.ts';
import { rules } from '../../src/train/rules.ts';
import { LayeredDriver } from '../../src/train/schedules/layered.ts';
import type { StepTable } from '../../src/train/step-table.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { UpdateSchedule } from '../../src/train/update-schedule.ts';
import { useDevice } from '../support/device.ts';
import { randomBytes, readHeld, readPlan } from '../support/steps.ts';
import { type RunOptions, ruleNamed, TwinSchedule } from '../support/twins.ts';

/** The table that a layered step looks things up in. */
function tableOf({ driver }: Trainer): StepTable {
  if (!(driver instanceof LayeredDriver)) throw new Error('expected a layered step');
  return driver.table;
}

const device = useDevice();
const names = [...rules.keys()];
const data = randomBytes(5, { train: 100 }, 13, 5);

/** Small, with draws (seed 4) that leave out every layer now and then, and sometimes all of them. */
const common = { hidden: 7, layers: 3, batchSize: 17, learningRate: 1e-3, seed: 4 };
/** Hidden layers of predictors, for the rules whose predictors have some; the paper's 1024 would only take time. */
const synthetic = { width: 11 };

type Options = Partial<RunOptions>;
type Floats = ReadonlyMap<string, Float32Array>;

const optionsOf = (name: string, options: Options) => ({
  ...common,
  synthetic,
  lrDrops: [6],
  ...options,
  rule: ruleNamed(name),
});

/** Makes a trainer and hands it over; releases it afterwards. */
async function withTrainer<T>(
  name: string,
  options: Options,
  use: (trainer: Trainer, resident: ResidentDataset) => Promise<T>,
): Promise<T> {
  const resident = new ResidentDataset(device.gpu, data);
  const trainer = new Trainer(device.gpu, resident, optionsOf(name, options));
  try {
    await trainer.ready();
    return await use(trainer, resident);
  } finally {
    trainer.destroy();
    resident.destroy();
  }
}

/** All that a trainer holds or has computed: parameters, statistics, moments, activations, gradients. */
async function everything(trainer: Trainer): Promise<Map<string, Float32Array>> {
  return new Map([...(await readPlan(trainer.gpu, trainer.plan)), ...(await readHeld(trainer))]);
}

/** Trains in chunks, all submitted before the first is waited for. */
const train = (name: string, options: Options, chunks: readonly number[]) =>
  withTrainer(name, options, async (trainer) => {
    const losses: (number | undefined)[] = [];
    for (const chunk of chunks.map((count) => trainer.submit(count))) {
      const results = await trainer.results(chunk);
      results.measured.forEach((has, i) => {
        losses.push(has ? results.losses[i] : undefined);
      });
    }
    return { losses, tensors: await everything(trainer), work: trainer.work };
  });

const only = (tensors: Floats, wanted: RegExp): Map<string, Float32Array> => {
  const found = new Map([...tensors].filter(([label]) => wanted.test(label)));
  expect(found.size).toBeGreaterThan(0);
  return found;
};

const HIDDEN_PARAMETERS = /^layer[12]\.(W|gamma|beta)$/;
const PARAMETERS_AND_MOMENTS = /\.(W|gamma|beta|bias|V|U|c)(\.[mv])?$/;

describe('BP(1) is backprop', () => {
  test.each([
    ['cdni', {}],
    ['cdni', { synthetic: { labels: false, output: 'sigmoid' } }],
    ['dni', {}],
    ['bisong', {}],
  ] as const)('%s %j', async (name, options) => {
    // The network's own: parameters, their moments, running statistics.
    const network = /^layer\d+\.((W|gamma|beta|bias)(\.[mv])?|running(Mean|Var))$/;
    const bp = await train('bp', {}, [10]);
    const mixed = await train(name, { ...options, lambda: 1 }, [10]);
    expect(only(mixed.tensors, network)).toEqual(only(bp.tensors, network));
    expect(mixed.losses).toEqual(bp.losses);
    // The models have learned beside it all the same; with less of the true gradient it is another course.
    expect(
      only(mixed.tensors, /^sg1\.V$/)
        .get('sg1.V')!
        .some((x) => x !== 0),
    ).toBe(true);
    const less = await train(name, { ...options, lambda: 0.99 }, [10]);
    expect(less.tensors.get('layer1.W')).not.toEqual(bp.tensors.get('layer1.W'));
  });
});

describe.each(names)('%s', (name) => {
  test('with an update probability of 1, or draws that are all below it, is as without', async () => {
    const plain = await train(name, {}, [10]);
    expect(await train(name, { updateProbability: 1 }, [10])).toEqual(plain);
    // Drawn, and encoded by its events: every layer is chosen in every step.
    expect(await train(name, { updateProbability: 1 - 1e-12 }, [10])).toEqual(plain);
  });

  test('with updates drawn does not depend on the chunks', async () => {
    const options = { updateProbability: 0.5 };
    const first = await train(name, options, [14]);
    expect(first.losses).toHaveLength(14);
    for (const chunks of [Array(14).fill(1), [5, 9]]) {
      const other = await train(name, options, chunks);
      expect(other, `chunks of ${chunks}`).toEqual(first);
    }
  });

  test('leaves out only what nobody needs', async () => {
    const options = { updateProbability: 0.5, layers: 4, seed: 11 };
    const steps = 12;
    const masked = await train(name, options, [steps]);
    const { tensors, dispatches } = await withTrainer(name, options, async (trainer, resident) => {
      const { gpu, plan, shape } = trainer;
      const table = tableOf(trainer);
      const schedule = new UpdateSchedule(optionsOf(name, options), shape, table.events);
      const order = new BatchOrder(resident.train.count, common.batchSize, options.seed);
      for (let t = 0; t < steps; t++) {
        const step = schedule.next(t);
        table.fill(1, { batch: (out) => order.next(out, 0), update: (event) => step.row(event) });
        gpu.submit('everything but the updates that are not drawn', (encoder) => {
          const pass = encoder.beginComputePass();
          for (const { kernel, bindGroup, grid, role } of plan.dispatches) {
            if (typeof role === 'number' && !hasEvent(step.events, role)) continue;
            pass.setPipeline(kernel.pipeline);
            pass.setBindGroup(0, bindGroup);
            pass.dispatchWorkgroups(grid[0], grid[1]);
          }
          pass.end();
        });
      }
      return { tensors: await everything(trainer), dispatches: plan.dispatches.length };
    });
    const learned = only(tensors, PARAMETERS_AND_MOMENTS);
    expect(only(masked.tensors, PARAMETERS_AND_MOMENTS)).toEqual(learned);
    expect(masked.work.dispatches).toBeLessThan(steps * dispatches);
    expect(masked.work.layerUpdates).toBeGreaterThan(0);
  });

  test.each([2, 3, 5])('records nothing that nobody needs, with %i layers', async (layers) => {
    const { heeds } = ruleNamed(name);
    const variants: Options[] = [{}];
    if (heeds.lambda) variants.push({ lambda: 0.5 });
    if (heeds.synthetic) {
      variants.push({ synthetic: { hidden: 2, width: 3, labels: false, output: 'sigmoid' } });
      variants.push({ synthetic: { hidden: 0, labels: true } });
    }
    for (const options of variants) {
      await withTrainer(name, { layers, ...options }, async ({ plan }) => {
        const needless = plan.dispatches.filter((_, d) => plan.needs[d] === 0n).map(({ label }) => label);
        expect(needless, JSON.stringify(options)).toEqual([]);
      });
    }
  });
});

describe('steps in which nothing is drawn', () => {
  test.each(['bp', 'cdni', 'dgl', 'no-bp'])('change nothing but the counter with %s', async (name) => {
    const options = { ...common, updateProbability: 0.1 };
    const schedule = new TwinSchedule(name, options);
    await withTrainer(name, options, async (trainer) => {
      let idle = 0;
      let before = await everything(trainer);
      for (let t = 0; t < 20; t++) {
        const nothing = schedule.next().updates!.size === 0;
        const { dispatches } = trainer.work;
        const { measured } = await trainer.results(trainer.submit(1));
        const after = await everything(trainer);
        if (nothing) {
          idle++;
          expect(after, `step ${t + 1}`).toEqual(before);
          expect(measured).toEqual([false]);
        } else expect(after, `step ${t + 1}`).not.toEqual(before);
        // One dispatch: the counter's.
        expect(trainer.work.dispatches - dispatches === 1, `step ${t + 1}`).toBe(nothing);
        expect(new Uint32Array(await trainer.gpu.read(tableOf(trainer).step.buffer))[0]).toBe(1);
        before = after;
      }
      expect(idle).toBeGreaterThan(5);
      expect(idle).toBeLessThan(20);
      expect(trainer.work.idleSteps).toBe(idle);
    });
  });
});

test('no-bp never changes a hidden layer', async () => {
  const start = await train('no-bp', {}, []);
  const end = await train('no-bp', {}, [20]);
  expect(only(end.tensors, HIDDEN_PARAMETERS)).toEqual(only(start.tensors, HIDDEN_PARAMETERS));
  for (const label of ['layer3.W', 'layer3.bias', 'layer2.runningMean']) {
    expect(end.tensors.get(label), label).not.toEqual(start.tensors.get(label));
  }
});

test.each([
  ['cdni', /^sg\d/],
  ['dni', /^sg\d/],
  ['bisong', /^sg\d/],
  ['unlocked', /^(sg|input)\d/],
  ['dgl', /^head\d/],
] as const)('while the models of %s warm up, the hidden layers wait', async (name, models) => {
  const warm = 5;
  await withTrainer(name, { sgWarmup: warm }, async (trainer) => {
    const start = await readHeld(trainer);
    for (let t = 0; t < warm; t++) {
      const before = await readHeld(trainer);
      await trainer.results(trainer.submit(1));
      const after = await readHeld(trainer);
      expect(only(after, HIDDEN_PARAMETERS)).toEqual(only(start, HIDDEN_PARAMETERS));
      // In the first step only the top predictor has a target that is not zero, and it alone answers in the second.
      const learning = [...only(after, models).keys()].filter((l) => /(bias|\.c)$/.test(l));
      if (t >= common.layers) {
        for (const label of [...learning, 'layer3.W']) {
          expect(after.get(label), `${label}, step ${t + 1}`).not.toEqual(before.get(label));
        }
      }
    }
    await trainer.results(trainer.submit(1));
    const after = await readHeld(trainer);
    for (const [label, was] of only(start, HIDDEN_PARAMETERS))
      expect(after.get(label), label).not.toEqual(was);
  });
});

describe('delayed-bp', () => {
  test("begins with backprop's own update of the output layer, and of no other", async () => {
    const start = await train('delayed-bp', {}, []);
    const [bp, late] = [await train('bp', {}, [1]), await train('delayed-bp', {}, [1])];
    const top = /^layer3\.(W|bias)$/;
    expect(only(late.tensors, top)).toEqual(only(bp.tensors, top));
    expect(only(late.tensors, top)).not.toEqual(only(start.tensors, top));
    expect(only(late.tensors, HIDDEN_PARAMETERS)).toEqual(only(start.tensors, HIDDEN_PARAMETERS));
  });

  test.each([undefined, 0.5])(
    'brings each gradient to its layer when it is due, with an update probability of %s',
    async (updateProbability) => {
      const layers = 4;
      await withTrainer('delayed-bp', { layers, updateProbability }, async (trainer) => {
        const seen: Floats[] = [];
        for (let t = 0; t < 16; t++) {
          await trainer.results(trainer.submit(1));
          const now = await everything(trainer);
          seen.push(now);
          for (const i of [1, 2, 3]) {
            const due = t - 2 * (layers - i);
            for (const gradient of ['dW', 'dGamma', 'dBeta']) {
              const label = `layer${i}.${gradient}`;
              const late = now.get(`${label}.late`)!;
              const expected = due < 0 ? new Float32Array(late.length) : seen[due]!.get(label);
              expect(late, `${label}, step ${t + 1}`).toEqual(expected);
              if (due >= 0) expect(late.some((x) => x !== 0)).toBe(true);
            }
          }
        }
      });
    },
  );
});
