import { describe, expect, it, vi } from 'vitest';
import { CheckFailedError } from '../../bench/paper.ts';
import { measurePeaks } from '../../bench/peaks.ts';
import { makeContents, paramsFromShape } from '../../bench/profile-inputs.ts';
import { contentsOf, shapeOf } from '../../bench/suites/kernel-shapes.ts';
import { type KernelAt, measureKernel, measureKernels } from '../../bench/suites/kernels.ts';
import { measureFused } from '../../bench/suites/kernels-fused.ts';
import { kernelsTable } from '../../bench/suites/kernels-table.ts';
import { climb, RUNGS } from '../../bench/suites/ladder.ts';
import { tooLong } from '../../bench/suites/measured.ts';
import { checkClocks, measureOverhead } from '../../bench/suites/overhead.ts';
import { checkReadback, measureOthers } from '../../bench/suites/overhead-others.ts';
import { overheadTable } from '../../bench/suites/overhead-table.ts';
import { timeOf, timePlan } from '../../bench/suites/timing.ts';
import type { KernelSpec } from '../../src/gpu/kernel.ts';
import { Plan } from '../../src/gpu/plan.ts';
import { hasTimestamps, passSeconds } from '../../src/gpu/profile.ts';
import type { Constants } from '../../src/gpu/shader.ts';
import { adam } from '../../src/kernels/adam.ts';
import { biasAdd } from '../../src/kernels/bias.ts';
import { kernels } from '../../src/kernels/index.ts';
import { matmulNT } from '../../src/kernels/matmul.ts';
import { matmulNaive } from '../../src/kernels/matmul-ladder.ts';
import { stepAdvance } from '../../src/kernels/metrics.ts';
import { tick } from '../../src/kernels/overhead.ts';
import { tinySet } from '../support/cli.ts';
import { useDevice } from '../support/device.ts';
import { PEAKS } from '../support/peaks.ts';

const device = useDevice();

const note = () => {};

describe('peaks', () => {
  it('are positive and finite, of kernels that were checked first', async () => {
    const peaks = await measurePeaks(device.gpu, { copyBytes: 2 ** 20 });
    for (const found of [peaks.spread.gflops, peaks.spread.gbs]) {
      expect(found.repeats).toBeGreaterThanOrEqual(5);
      expect(found.p10).toBeGreaterThan(0);
      expect(found.median).toBeGreaterThanOrEqual(found.p10);
      expect(Number.isFinite(found.p90)).toBe(true);
    }
    expect([peaks.gflops, peaks.gbs]).toEqual([peaks.spread.gflops.median, peaks.spread.gbs.median]);
    expect(peaks.copyBytes).toBe(2 ** 20);
    expect(device.gpu.alive.buffers).toBe(0);
  });
});

describe('a plan is timed', () => {
  it('by the host, and by the device around whole passes', async () => {
    const { gpu } = device;
    const plan = new Plan(gpu, 'some ticks');
    try {
      const clock = plan.tensor('clock', [1], 'u32');
      plan.dispatch(tick, { label: 'tick', params: {}, tensors: { clock } });
      const time = await timePlan(gpu, plan, { least: 1e-3, byPass: true });
      expect(time.wall.median).toBeGreaterThan(0);
      // Where kernels run on the processor, nobody asks for it.
      expect((await timePlan(gpu, plan, { least: 1e-3 })).pass).toBeNull();
      if (hasTimestamps(gpu)) {
        const before = new Uint32Array(await gpu.read(clock.buffer))[0]!;
        const seconds = await passSeconds(gpu, plan, 50);
        expect(new Uint32Array(await gpu.read(clock.buffer))[0]).toBe(before + 50);
        expect(seconds).toBeGreaterThan(0);
        expect(timeOf(time)).toBe(time.pass);
        expect(time.pass!.median).toBeGreaterThan(0);
        // The host's clock has all that the device's has.
        expect(time.pass!.p10).toBeLessThan(10 * time.wall.p90);
      } else {
        expect(timeOf(time)).toBe(time.wall);
      }
    } finally {
      plan.destroy();
    }
  });
});

describe('overhead', () => {
  it('times and counts eight kinds of dispatches, and five other things', async () => {
    const counts = [2, 4, 8];
    const result = await measureOverhead({ gpu: device.gpu, repeats: 5, note }, counts);
    expect(result.dispatches).toHaveLength(8);
    expect(new Set(result.dispatches.map((d) => `${d.kernel} ${d.buffers} ${d.pipelines}`)).size).toBe(8);
    expect(result.others).toHaveLength(5);
    const stamped = hasTimestamps(device.gpu);
    for (const { total } of result.dispatches) expect(total.repeats).toBe(5);
    for (const { device: own } of result.dispatches) if (!stamped) expect(own).toBeNull();
    // Four kinds of ticks, run once to be checked, once to warm up, and five times, the last six once more between two
    // timestamps; the others six times, after 32 of each that are checked.
    const others = 5 * (32 + 6 * (1 + 2 + 4 + 8 + 16 + 32));
    expect(result.counted).toBe(4 * (stamped ? 13 : 7) * (2 + 4 + 8) + others);
    expect(device.gpu.alive.buffers).toBe(0);
    expect(overheadTable(result)).toMatch(/tick, a buffer each, two in turn/);
  });

  it('fails when a dispatch has not run, or has run twice', () => {
    // Submits of 2 and of 4 dispatches, two pipelines in turn: 1, 2, 1, 2.
    checkClocks([2 + 4 + 1 + 2], [2, 4], 2, 'one clock');
    checkClocks([2, 4, 1, 2], [2, 4], 2, 'four clocks');
    expect(() => checkClocks([8], [2, 4], 2, 'one clock')).toThrow(
      /not those that were submitted \(one clock\): counter 0 should stand at 9, and stands at 8$/,
    );
    expect(() => checkClocks([2, 4, 1, 3], [2, 4], 2, 'four')).toThrow(CheckFailedError);
  });

  it('compares what was read back, before it times how long that takes', async () => {
    const { gpu } = device;
    const read = gpu.readStaging.bind(gpu);
    let large = 0;
    const spy = vi.spyOn(gpu, 'readStaging').mockImplementation(async (staging, size) => {
      const bytes = await read(staging, size);
      if (size !== 2 ** 20) return bytes;
      large++;
      new Uint32Array(bytes)[7]! += 1;
      return bytes;
    });
    try {
      const run = measureOthers(gpu, 5);
      await expect(run).rejects.toThrow(CheckFailedError);
      await expect(run).rejects.toThrow(
        /1 MiB read back: word 7 of what came back should be \d+, and is \d+$/,
      );
      // The first of the run that is checked, and none that would have been timed.
      expect(large).toBe(1);
    } finally {
      spy.mockRestore();
    }
    expect(gpu.alive.buffers).toBe(0);
  });

  it('fails when a readback brings too little', () => {
    const words = Uint32Array.of(1, 2);
    checkReadback('two', words.buffer, words);
    expect(() => checkReadback('two', Uint32Array.of(1).buffer, words)).toThrow(
      /^overhead: two: 8 bytes should come back, and 4 came$/,
    );
  });
});

describe('kernels', () => {
  it('have a shape at both sizes, or a reason, on both kinds of devices', () => {
    for (const spec of kernels) {
      for (const size of ['network', 'large'] as const) {
        for (const isCpu of [false, true]) {
          const found = shapeOf(spec, size, isCpu, kernels);
          if ('leftOut' in found) expect(found.leftOut).not.toBe('');
          else expect(() => paramsFromShape(spec, found.shape), spec.file).not.toThrow();
        }
      }
      // Every kernel of a training step is measured at the network's shape: the fused ones in their schedules.
      const network = shapeOf(spec, 'network', true, kernels);
      if ('leftOut' in network) {
        expect(`${spec.file}: ${network.leftOut}`).toMatch(
          /rung of the ladder$|overhead measures it$|percentages are of$|^fused_\w+: the rows of the fused/,
        );
      }
    }
  });

  it('have among them the one that copies into the arena and out of it', () => {
    const copyRows = kernels.find(({ file }) => file === 'copy_rows')!;
    expect(shapeOf(copyRows, 'network', true, kernels)).toEqual({ shape: '256x10x1x10x1x12' });
  });

  it.each([
    ['bias_add', '1003x7'],
    ['label_rows_grad', '515x3x10'],
    ['gather_floats', '300x5'],
    ['gather_bytes', '300x5'],
    ['delay_line', '262147x2'],
    ['adam', '300001'],
  ])('contents of a large shape are as long as those made up in full: %s %s', (file, shape) => {
    const spec = kernels.find((candidate) => candidate.file === file)!;
    const params = paramsFromShape(spec, shape);
    const lengths = (contents: object) =>
      Object.entries(contents).map(([name, data]) => [name, data.constructor.name, data.length]);
    expect(lengths(contentsOf(spec, params, 1))).toEqual(lengths(makeContents(spec, params, 1)));
  });

  it('are checked and timed', async () => {
    const options = { repeats: 5, least: 1e-4 };
    const found = await measureKernel(device.gpu, biasAdd as unknown as KernelSpec, '5x7', PEAKS, options);
    expect(found).toMatchObject({ shape: '5x7', flops: 35, bytes: 4 * 77, checked: { shape: '5x7' } });
    expect(found.checked.worst).toBeLessThanOrEqual(1);
    expect(found.gflops).toBeCloseTo(35 / found.time.wall.median / 1e9, 12);
    expect(found.ofPeak.bytes).toBeCloseTo(found.gbs / 10, 12);
    expect(device.gpu.alive.buffers).toBe(0);
  });

  it('are not timed when they are wrong', async () => {
    const wrong = {
      ...biasAdd,
      twin: (p: { B: number; F: number }, t: never, c: Constants) => {
        const { y } = biasAdd.twin(p, t, c);
        return { y: { value: y!.value.map((v) => v + 1), bound: y!.bound } };
      },
    } as unknown as KernelSpec;
    const run = measureKernel(device.gpu, wrong, '5x7', PEAKS, { repeats: 5, least: 1e-4 });
    await expect(run).rejects.toThrow(CheckFailedError);
    await expect(run).rejects.toThrow(/^kernels: bias_add at 5x7: .*35 of 35 elements of y are out of bound/);
    expect(device.gpu.alive.buffers).toBe(0);
  });

  it('that are left out say why, in the record and below the table', async () => {
    const some = [stepAdvance, matmulNaive] as unknown as KernelSpec[];
    const context = { gpu: device.gpu, repeats: 5, quick: true, note };
    const found: KernelAt[] = await measureKernels(context, PEAKS, some);
    expect(found.map((at) => ('leftOut' in at ? at.leftOut : at.shape))).toEqual([
      '1',
      'it is a rung of the ladder',
    ]);
    const text = kernelsTable({ peaks: PEAKS, kernels: found, ladder: [] });
    expect(text).toMatch(/│ step_advance +│ 1 +│/);
    expect(text).toContain('left out, since it is a rung of the ladder: matmul_naive');
  });

  it('that would take long are left out', () => {
    expect(tooLong(1e9, 1e9, 5)).toBeUndefined();
    expect(tooLong(10e9, 1e9, 5)).toBe('by its rate at the smaller shape a run would take 10 s');
  });

  it('with a state are left to run on: an update in place thousands of times', async () => {
    const options = { repeats: 5, least: 1e-3 };
    const found = await measureKernel(device.gpu, adam as unknown as KernelSpec, '65', PEAKS, options);
    expect(found.checked.shape).toBe('65');
  });
});

describe('the ladder', () => {
  it('has every rung checked and timed at every shape', async () => {
    const shapes = [
      { M: 12, K: 8, N: 20 },
      { M: 130, K: 140, N: 132 },
    ];
    // Patient: on a busy machine a rung would be left out by its rate at the first shape.
    const options = { gpu: device.gpu, peaks: PEAKS, repeats: 5, least: 1e-4, note, patient: true };
    const found = await climb(options, shapes);
    expect(found).toHaveLength(2 * RUNGS.length);
    for (const at of found) {
      expect(at, at.rung).toHaveProperty('checked');
      const { M, N } = at.shape === '12x8x20' ? shapes[0]! : shapes[1]!;
      if ('checked' in at) expect(at.checked.elements).toBe(M * N);
    }
    expect(device.gpu.alive.buffers).toBe(0);
  });

  it('leaves out a rung that would take long, unless there is all the time in the world', async () => {
    const shapes = [
      { M: 12, K: 8, N: 20 },
      { M: 16, K: 8, N: 20 },
    ];
    // So much work at the second product that its rate at the first one forbids it.
    const { spec } = RUNGS[0]!;
    const rung = { ...RUNGS[0]!, spec: { ...spec, flops: ({ M }: { M: number }) => (M === 12 ? 1 : 1e15) } };
    const options = { gpu: device.gpu, peaks: PEAKS, repeats: 5, least: 1e-4, note };
    const hurried = await climb(options, shapes, [rung]);
    expect(hurried.map((at) => 'leftOut' in at)).toEqual([false, true]);
    expect(hurried[1]).toMatchObject({
      leftOut: expect.stringContaining('by its rate at the smaller shape'),
    });
    const patient = await climb({ ...options, patient: true }, shapes, [rung]);
    expect(patient.map((at) => 'leftOut' in at)).toEqual([false, false]);
  });

  it('stops before the next rung or kernel when told to', async () => {
    const afterAsked = (times: number) => () => times-- <= 0;
    const options = { gpu: device.gpu, peaks: PEAKS, repeats: 5, least: 1e-4, note };
    const shapes = [{ M: 12, K: 8, N: 20 }];
    // Asked before the product, and before each rung.
    const found = await climb({ ...options, stopped: afterAsked(3) }, shapes);
    expect(found.map(({ rung }) => rung)).toEqual(RUNGS.slice(0, 2).map(({ name }) => name));
    const context = { gpu: device.gpu, repeats: 5, quick: true, note };
    const measured = await measureKernels({ ...context, stopped: afterAsked(1) }, PEAKS, [
      stepAdvance,
      biasAdd,
    ]);
    expect(measured.map(({ kernel }) => kernel)).toEqual([stepAdvance.file]);
    expect(await measureFused({ ...context, stopped: afterAsked(0) }, PEAKS, { dataset: tinySet() })).toEqual(
      [],
    );
    expect(device.gpu.alive.buffers).toBe(0);
    // A table of nothing but these.
    expect(kernelsTable({ peaks: PEAKS, kernels: measured, fused: [], ladder: [] })).toContain('peaks: ');
  });

  it('does not time a rung that computes something else', async () => {
    const wrong = { ...RUNGS[0]!, name: 'transposed', spec: matmulNT };
    const options = { gpu: device.gpu, peaks: PEAKS, repeats: 5, least: 1e-4, note };
    const run = climb(options, [{ M: 12, K: 12, N: 12 }], [wrong]);
    await expect(run).rejects.toThrow(CheckFailedError);
    await expect(run).rejects.toThrow(/^ladder: transposed at 12x12x12: C\[0, 0\] should be /);
    expect(device.gpu.alive.buffers).toBe(0);
  });

  it('of a large product compares an element of each block, and the corners', async () => {
    const { expectedOf, checkProduct } = await import('../../bench/suites/ladder.ts');
    const shape = { M: 300, K: 1024, N: 260 };
    const a = new Float32Array(shape.M * shape.K).fill(1);
    const b = new Float32Array(shape.K * shape.N).fill(1);
    const expected = expectedOf(a, b, shape);
    expect(expected).toHaveLength(5 * 5 + 4);
    const blocks = new Set(expected.map(({ m, n }) => `${m >> 6} ${n >> 6}`));
    expect(blocks.size).toBe(25);
    const c = new Float32Array(shape.M * shape.N).fill(1024);
    expect(checkProduct('ones', c, shape, expected)).toMatchObject({ elements: 29 });
    c[c.length - 1] = 1025;
    expect(() => checkProduct('ones', c, shape, expected)).toThrow(
      /^ladder: ones: C\[299, 259\] should be 1024, within [\d.e-]+, and is 1025$/,
    );
  });
});
