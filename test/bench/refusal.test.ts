import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { benchmark, CheckFailedError } from '../../bench/paper.ts';
import { InputError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { openDevice } from '../../src/gpu/open.ts';
import { recorder, tinyConfig, tinySet } from '../support/cli.ts';

// A twin that only synthetic gradients use says that every element should be larger by 1.
vi.mock('../../src/reference/label-rows.ts', async (original) => {
  const twin = await original<typeof import('../../src/reference/label-rows.ts')>();
  return {
    ...twin,
    labelRowsAdd: (...args: Parameters<typeof twin.labelRowsAdd>) => {
      const { value, bound } = twin.labelRowsAdd(...args);
      return { value: value.map((x) => x + 1), bound };
    },
  };
});

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openDevice({ adapter: 'carried', fast: true });
});
afterAll(() => gpu.destroy());

it('one wrong kernel of one method: nothing is timed, of no method', async () => {
  const { heard, listener } = recorder();
  const refused = benchmark(gpu, tinySet(), tinyConfig(), listener);
  await expect(refused).rejects.toThrow(CheckFailedError);
  await expect(refused).rejects.toThrow(
    /^kernels fail their check on SwiftShader .*, so that nothing was timed:\nsg1\.sg\S* \(label_rows_add\): 512 of 512 elements/,
  );
  expect(heard).toEqual(['start', 'check bp']);
  expect(gpu.alive).toEqual({ buffers: 0, bytes: 0 });
});

it('a method that does not use the kernel is not concerned', async () => {
  const { record, error } = await benchmark(gpu, tinySet(), tinyConfig({ methods: ['bp'] }));
  expect(error).toBeUndefined();
  expect(record.checks.map((check) => [check.method, check.passed])).toEqual([['bp', true]]);
  expect(record.runs.map((run) => run.status)).toEqual(['finished']);
});

it('refuses what does not suit the data or the device before it says or checks anything', async () => {
  const { heard, listener } = recorder();
  const refused = async (part: Parameters<typeof tinyConfig>[0], message: RegExp) => {
    const outcome = benchmark(gpu, tinySet(), tinyConfig(part), listener);
    await expect(outcome).rejects.toThrow(InputError);
    await expect(outcome).rejects.toThrow(message);
  };
  await refused(
    { methods: ['bp', 'magic'] },
    /^unknown method 'magic': there are bp, dni, cdni, .*, delayed-bp$/,
  );
  await refused(
    { batch: 287 },
    /--batch\): expected at most the 286 training samples of the data, found 287$/,
  );
  await refused(
    { methods: ['bp', 'cdni'], schedule: 'best', waveStages: 1, sgWarmup: 2 },
    /^--wave-stages 1: expected a method that runs the wave .*, found bp, which runs fused; cdni, which runs layered$/,
  );
  await refused(
    { hidden: 100_000 },
    /^--hidden 100000 needs .* the limit \w+ of .* is \d+ bytes: at most \d+ fits$/,
  );
  // A check would be smaller and pass; only cdni has a matrix of hidden x hidden here.
  await refused({ hidden: 20_000, layers: 2, batch: 2 }, /the limit \w+ of SwiftShader .* is /);
  expect(heard).toEqual([]);
});
