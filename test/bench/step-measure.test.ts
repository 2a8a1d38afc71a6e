import { expect, it } from 'vitest';
import { CheckFailedError } from '../../bench/paper.ts';
import { checkVariant, measureSteps } from '../../bench/suites/step.ts';
import type { Bench } from '../../bench/suites/step-cell.ts';
import { agreementOf, measureCell } from '../../bench/suites/step-cell.ts';
import { StepRunner } from '../../bench/suites/step-runner.ts';
import { mapTable, stepTable } from '../../bench/suites/step-table.ts';
import { trainOptions, VARIANTS } from '../../bench/suites/step-variants.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { tinySet } from '../support/cli.ts';
import { useQuickDevice } from '../support/quick-device.ts';

const device = useQuickDevice();

/** A network of a moment. */
const TINY = { hidden: 16, dataset: tinySet(), seconds: 0.005, copyBytes: 2 ** 20 };

// The wave's first losses are compared with those of a layered schedule that is not timed itself.
const variants = VARIANTS.filter(({ name }) => ['bp layered', 'bp fused', 'cdni wave'].includes(name));

it('checks, then measures each schedule by turns, and says where the wave pays', async () => {
  const notes: string[] = [];
  const { gpu } = device;
  const result = await measureSteps(
    { gpu, repeats: 5, quick: true, note: (line) => notes.push(line) },
    { ...TINY, layers: [3], batch: [8, 16], variants },
  );
  expect(gpu.alive.buffers).toBe(0);
  expect(notes[0]).toMatch(/^step: 3 schedules checked, worst error \S+ of its bound$/);
  expect(result.checks.map(({ name, layers }) => [name, layers])).toEqual(
    variants.map(({ name }) => [name, 3]),
  );
  for (const { worst, batch } of result.checks) {
    expect(worst).toBeLessThanOrEqual(1);
    expect(batch).toBe(40);
  }
  expect(result.cells.map(({ layers, batch }) => [layers, batch])).toEqual([
    [3, 8],
    [3, 16],
  ]);
  for (const { runs, waveToBp } of result.cells) {
    expect(runs.map(({ name }) => name)).toEqual(variants.map(({ name }) => name));
    for (const run of runs) {
      if (!('stepsPerSecond' in run)) throw new Error(`${run.name}: ${run.leftOut}`);
      const { stepsPerSecond, layerUpdateSeconds, agreement, chunk, steps } = run;
      expect(stepsPerSecond.repeats).toBe(5);
      expect(stepsPerSecond.p10).toBeLessThanOrEqual(stepsPerSecond.median);
      expect(layerUpdateSeconds.median).toBeCloseTo(1 / stepsPerSecond.median / 3, 12);
      expect(agreement.worst).toBeLessThanOrEqual(agreement.tolerance);
      expect(steps % chunk).toBe(0);
      expect(run.rooflineSeconds).toBeGreaterThan(0);
    }
    // Of the wave's losses only the first two are the serial ones.
    expect(runs.map((run) => 'agreement' in run && run.agreement.steps)).toEqual([4, 4, 2]);
    const [layered, fused, ticks] = runs.map((run) => ('agreement' in run ? run : undefined));
    expect([layered!.dispatchesPerStep, fused!.dispatchesPerStep]).toEqual([38, 5]);
    // Of two hidden layers: a chunk has two ticks more than steps, and so many steps that these are few beside them.
    expect(ticks!.chunk).toBeGreaterThanOrEqual(8);
    expect(ticks!.dispatchesPerStep).toBeCloseTo((3 * (ticks!.chunk + 2)) / ticks!.chunk, 12);
    const macs = runs.map((run) => ('agreement' in run ? run.macsPerStep : Number.NaN));
    expect(macs[1]).toBe(macs[0]);
    expect(macs[2]).toBeGreaterThan(macs[0]!);
    expect(waveToBp!.repeats).toBe(5);
  }
  expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  const text = stepTable(result);
  expect(text).toContain('bp │');
  expect(mapTable(result)).toMatch(/│ +3 │ \d+\.\d\d [+=-] │ \d+\.\d\d [+=-] │/);
}, 120_000);

it('stops where it is told to, before a check or a cell', async () => {
  const { gpu } = device;
  const few = variants.slice(0, 1);
  const afterAsked = async (asked: number) => {
    let left = asked;
    const stopped = () => left-- <= 0;
    const context = { gpu, repeats: 5, quick: true, note: () => {}, stopped };
    const result = await measureSteps(context, { ...TINY, layers: [3], batch: [8, 16], variants: few });
    if (result.cells.length > 0) expect(stepTable(result)).toContain('peaks: ');
    return [result.checks.length, result.cells.length];
  };
  expect(await afterAsked(0)).toEqual([0, 0]);
  expect(await afterAsked(2)).toEqual([1, 1]);
});

it('leaves out what a schedule does not cover, and says why', async () => {
  const { gpu } = device;
  const data = new ResidentDataset(gpu, TINY.dataset);
  const fused = VARIANTS.find(({ name }) => name === 'bp fused')!;
  const bench = { gpu, data, repeats: 5, seconds: 0.001, hidden: 16, peaks: { gflops: 1, gbs: 1 } } as Bench;
  // Dropped to a schedule that it does not have.
  const wave = { ...fused, name: 'bp wave', schedule: 'wave' as const };
  try {
    const cell = await measureCell(bench, { layers: 2, batch: 4 }, [VARIANTS[0]!, wave]);
    expect(cell.waveToBp).toBeNull();
    expect(cell.runs[1]).toMatchObject({ name: 'bp wave', leftOut: expect.stringContaining('no wave') });
    const result = {
      cells: [cell],
      grid: { layers: [2], batch: [4] },
      map: { of: 'cdni wave', to: 'bp fused' },
    };
    expect(mapTable(result as never)).toMatch(/│ +2 │ +- +│/);
  } finally {
    data.destroy();
  }
});

it('times nothing whose kernels fail their check, or whose first losses are others', async () => {
  const { gpu } = device;
  const data = new ResidentDataset(gpu, TINY.dataset);
  const layered = VARIANTS[0]!;
  const sizes = { layers: 2, hidden: 16 };
  const kernel = gpu.kernel.bind(gpu);
  try {
    expect(await checkVariant(gpu, data, layered, sizes)).toMatchObject({ name: 'bp layered', layers: 2 });
    // A twin that expects something else.
    gpu.kernel = (spec, constants) => {
      const twin: typeof spec.twin = (...args) =>
        Object.fromEntries(
          Object.entries(spec.twin(...args)).map(([name, found]) => [
            name,
            { value: found!.value.map((x) => x + 1), bound: found!.bound },
          ]),
        );
      return { ...kernel(spec, constants), spec: { ...spec, twin } };
    };
    const failed = await checkVariant(gpu, data, layered, sizes).catch((error) => error);
    expect(failed).toBeInstanceOf(CheckFailedError);
    expect(failed.message).toMatch(
      /^step: the kernels of bp layered with 2 layers fail their check on .*timed:\n/,
    );
  } finally {
    gpu.kernel = kernel;
    data.destroy();
  }
  const shape = { inputs: 64, hidden: 16, layers: 3, classes: 10 };
  const trainer = { shape, options: { batchSize: 8 }, driver: { staleness: undefined } } as never;
  const losses = [2.5, 2.4, 2.3, 2.2];
  expect(agreementOf('cdni fused', trainer, losses, losses)).toMatchObject({ steps: 4, worst: 0 });
  for (const other of [2.2001, Number.NaN]) {
    expect(() => agreementOf('cdni fused', trainer, losses, [2.5, 2.4, 2.3, other])).toThrow(
      /^step: the first losses of cdni fused with 3 layers and batch 8 differ from the layered schedule's by up to /,
    );
  }
  // What the wave's third loss is says nothing.
  const late = {
    shape,
    options: { batchSize: 8 },
    driver: { staleness: { gradient: 0, target: 1 } },
  } as never;
  expect(agreementOf('cdni wave', late, losses, [2.5, 2.4, 9, 9])).toMatchObject({ steps: 2, worst: 0 });
  expect(() => agreementOf('cdni wave', late, losses, [2.5, 9, 9, 9])).toThrow(CheckFailedError);
});

it('runs whole chunks, and knows how much of the time was the host', async () => {
  const { gpu } = device;
  const data = new ResidentDataset(gpu, TINY.dataset);
  const trainer = new Trainer(gpu, data, trainOptions(VARIANTS[0]!, { layers: 2, batch: 4, hidden: 8 }));
  try {
    const runner = new StepRunner(trainer);
    await runner.calibrate(0.01);
    const before = trainer.submitted;
    const { steps, seconds, hostSeconds } = await runner.run();
    expect(steps % runner.chunk).toBe(0);
    // Of many chunks one goes ahead of the clock.
    expect([steps, steps + runner.chunk]).toContain(trainer.submitted - before);
    expect(hostSeconds).toBeGreaterThan(0);
    expect(seconds).toBeGreaterThan(0);
  } finally {
    trainer.destroy();
    data.destroy();
  }
});
