import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { backprop } from '../../src/train/backprop.ts';
import { cdni } from '../../src/train/cdni.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { run } from '../../src/train/run.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { useDevice } from '../support/device.ts';
import { randomBytes } from '../support/steps.ts';

const device = useDevice();

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** Bytes that JavaScript holds, those of typed arrays among them, when all that may go has gone. */
async function heldByHost(): Promise<number> {
  // What Dawn's objects hold goes when they have been finalised, a while after they were collected.
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test.each([{ rule: backprop }, { rule: cdni }])(
  '$rule.name needs no more GPU memory in the long run',
  async ({ rule }) => {
    const { gpu } = device;
    const start = { ...gpu.alive };
    const resident = new ResidentDataset(gpu, randomBytes(2, { train: 60, test: 521 }, 11, 3));
    const options = { rule, hidden: 7, layers: 3, batchSize: 8, learningRate: 1e-3, lrDrops: [], seed: 1 };
    const trainer = new Trainer(gpu, resident, options);
    const evaluator = new Evaluator(gpu, trainer.net, resident.test);
    await trainer.ready();

    /** Two chunks under way at any time, as in training. */
    const train = async (chunks: number) => {
      let under = trainer.submit(5);
      for (let i = 1; i < chunks; i++) {
        const next = trainer.submit(5);
        await trainer.results(under);
        under = next;
      }
      await trainer.results(under);
      await evaluator.score();
    };
    await train(2);
    const after10 = { ...gpu.alive };
    expect(after10.bytes).toBeGreaterThan(start.bytes);
    for (let i = 0; i < 5; i++) await train(4);
    expect(trainer.submitted).toBe(110);
    expect(gpu.alive).toEqual(after10);

    // Evaluators that come and go leave nothing behind either.
    for (const limit of [1, 500, 521]) {
      const other = new Evaluator(gpu, trainer.net, resident.test, limit);
      await other.score();
      expect(gpu.alive.buffers).toBeGreaterThan(after10.buffers);
      other.destroy();
      expect(gpu.alive).toEqual(after10);
    }

    evaluator.destroy();
    trainer.destroy();
    resident.destroy();
    expect(gpu.alive).toEqual(start);
  },
);

/** Steps of a long run, those of them that find everything used for the first time, and those of an upload. */
const LONG = { steps: 3000, first: 600, upload: 3 };

test.each([
  { rule: backprop, schedule: 'fused' },
  { rule: cdni, schedule: 'wave' },
] as const)('a run of $rule.name, $schedule, of a thousand uploads keeps nothing', async (how) => {
  const { gpu } = device;
  const start = { ...gpu.alive };
  const resident = new ResidentDataset(gpu, randomBytes(2, { train: 60, test: 21 }, 5, 3));
  const options = { hidden: 4, layers: 3, batchSize: 4, learningRate: 1e-3, lrDrops: [], seed: 1 };
  const trainer = new Trainer(gpu, resident, { ...options, ...how });
  const alive: (typeof start)[] = [];
  let before = 0;
  // What each upload makes: its numbers going up, the way back, and the results.
  const made: WeakRef<object>[] = [];
  const submit = trainer.submit.bind(trainer);
  trainer.submit = (count) => {
    const chunk = submit(count);
    for (const part of [chunk, chunk.rows, chunk.events, chunk.readback]) made.push(new WeakRef(part));
    return chunk;
  };
  const results = trainer.results.bind(trainer);
  trainer.results = async (chunk) => {
    const found = await results(chunk);
    for (const part of [found, found.losses, found.correct]) made.push(new WeakRef(part));
    return found;
  };
  // The loop that every training has, which waits at each pause until nothing is under way.
  const { status } = await run(trainer, resident, {
    ...{ steps: LONG.steps, evalEvery: 500 },
    pause: {
      every: LONG.upload,
      at: async (step) => {
        if (step === LONG.first) before = await heldByHost();
        if (step >= LONG.first) alive.push({ ...gpu.alive });
      },
    },
  });
  const uploads = (LONG.steps - LONG.first) / LONG.upload;
  const grown = (await heldByHost()) - before;
  // All but what the last upload may have left in somebody's hands.
  expect(made.length).toBeGreaterThan(7 * uploads);
  expect(made.filter((ref) => ref.deref() !== undefined).length).toBeLessThanOrEqual(7);
  expect(status).toBe('finished');
  expect(trainer.schedule).toBe(how.schedule);
  expect(alive).toHaveLength(uploads + 1);
  expect(new Set(alive.map(({ buffers, bytes }) => `${buffers} buffers, ${bytes} bytes`)).size).toBe(1);
  // The heap is some 250 kB larger or smaller from one look to the next: coarse, beside the two exact tests around it.
  expect(grown).toBeLessThan(2 ** 20);
  trainer.destroy();
  resident.destroy();
  expect(gpu.alive).toEqual(start);
});

test('a wait for the device leaves nothing behind', async () => {
  const wait = async (times: number) => {
    for (let i = 0; i < times; i++) await device.gpu.until(Promise.resolve());
    return heldByHost();
  };
  const before = await wait(1000);
  // What a promise takes that is not let go is 300 bytes; so many waits make that more than the noise of the heap.
  expect(((await wait(10_000)) - before) / 10_000).toBeLessThan(128);
});
