import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { Plan } from '../../src/gpu/plan.ts';
import { encodeProfiled } from '../../src/gpu/profile.ts';
import { adam } from '../../src/kernels/adam.ts';
import { stepAdvance } from '../../src/kernels/metrics.ts';
import * as record from '../../src/kernels/record.ts';
import { type Tensor, tensorFrom } from '../../src/tensor.ts';
import { useDevice } from '../support/device.ts';
import { labels, normals, Random } from '../support/kernel.ts';

const device = useDevice();
const STEPS = 7;

/** A little training step whose state changes with every run: a linear layer, its loss, its gradient, Adam. */
async function step(gpu: Gpu): Promise<{ plan: Plan; state: readonly Tensor[] }> {
  const [B, I, C] = [17, 13, 5];
  const random = new Random(99);
  const plan = new Plan(gpu, 'little step');
  const floats = (label: string, shape: number[], data: Float32Array) =>
    plan.own(tensorFrom(gpu, label, shape, data));
  const x = floats('x', [B, I], normals(random, B * I));
  const w = floats('w', [I, C], normals(random, I * C));
  const y = plan.own(tensorFrom(gpu, 'y', [B], labels(random, B, C)));
  const dW = plan.tensor('dW', [I, C]);
  const [m, v] = [plan.tensor('m', [I, C]), plan.tensor('v', [I, C])];
  const [counter, flag] = [plan.tensor('step', [1], 'u32'), plan.tensor('flag', [1], 'u32')];
  const table = floats('table', [STEPS + 1, 2], normals(random, 2 * STEPS + 2).map(Math.abs));

  const logits = record.matmulNN(plan, 'logits', x, w);
  const { loss, ...softmax } = record.softmaxXentForward(plan, 'loss', logits, y);
  const dLogits = record.softmaxXentBackward(plan, 'dLogits', logits, y, softmax);
  record.matmulTN(plan, x, dLogits, dW);
  plan.dispatch(adam, {
    label: 'w.adam',
    params: { n: I * C, scale: 1 / B, beta1: 0.9, beta2: 0.999, rate: 1 },
    tensors: { dP: dW, table, step: counter, flag, p: w, m, v },
  });
  plan.dispatch(stepAdvance, { label: 'advance', params: {}, tensors: { flag, step: counter } });
  await plan.ready();
  return { plan, state: [w, m, v, counter, loss, dW] };
}

/** What the state holds after `run`, as bits. */
async function bitsAfter(run: (plan: Plan) => unknown): Promise<Uint32Array[]> {
  const { plan, state } = await step(device.gpu);
  try {
    await run(plan);
    const bits: Uint32Array[] = [];
    for (const tensor of state) bits.push(new Uint32Array(await device.gpu.read(tensor.buffer)));
    return bits;
  } finally {
    plan.destroy();
  }
}

const separately = (plan: Plan) => {
  for (let i = 0; i < STEPS; i++) plan.submit();
};

describe(`${STEPS} runs of a plan, seed 99`, () => {
  it('in one pass equal as many submits, bit for bit, and change what they should', async () => {
    const [none, one, together, apart] = [
      await bitsAfter(() => {}),
      await bitsAfter((plan) => plan.submit()),
      await bitsAfter((plan) => plan.submit(STEPS)),
      await bitsAfter(separately),
    ];
    expect(together).toEqual(apart);
    expect(together[3]).toEqual(Uint32Array.of(STEPS));
    for (const i of [0, 1, 2, 3, 4, 5]) expect(together[i], `tensor ${i}`).not.toEqual(none[i]);
    for (const i of [0, 1, 2, 3, 4, 5]) expect(together[i], `tensor ${i}`).not.toEqual(one[i]);
  });

  it('encoded by the caller, in several passes of one submit, too', async () => {
    const several = (plan: Plan) => {
      const encoder = device.gpu.device.createCommandEncoder();
      plan.encode(encoder, 3);
      plan.encode(encoder);
      plan.encode(encoder, STEPS - 4);
      device.gpu.device.queue.submit([encoder.finish()]);
    };
    expect(await bitsAfter(several)).toEqual(await bitsAfter(separately));
  });

  it('checked one dispatch at a time leave the same bits, and are right', async () => {
    const reports: boolean[] = [];
    const checked = async (plan: Plan) => {
      for (let i = 0; i < STEPS; i++) {
        const report = await plan.encodeChecked();
        reports.push(report.passed);
        expect(report.failures).toEqual([]);
        // matmul, largest, sum and loss, dLogits, dW, p m v, counter
        expect(report.tensors).toHaveLength(10);
      }
    };
    expect(await bitsAfter(checked)).toEqual(await bitsAfter(separately));
    expect(reports).toEqual(new Array(STEPS).fill(true));
  });

  it('profiled leave the same bits', async () => {
    if (!device.gpu.device.features.has('timestamp-query')) {
      await expect(
        bitsAfter((plan) => plan.encodeProfiled(device.gpu.device.createCommandEncoder())),
      ).rejects.toThrow(InputError);
      return;
    }
    const profiled = async (plan: Plan) => {
      for (let i = 0; i < STEPS; i++) {
        const encoder = device.gpu.device.createCommandEncoder();
        const profile = plan.encodeProfiled(encoder);
        device.gpu.device.queue.submit([encoder.finish()]);
        const rows = await profile.read();
        expect(rows.map(({ label, kernel }) => `${label} ${kernel}`)).toEqual(
          plan.dispatches.map((d) => `${d.label} ${d.kernel.spec.file}`),
        );
        rows.forEach(({ nanoseconds, flops, bytes }, j) => {
          const { kernel, params } = plan.dispatches[j]!;
          expect({ flops, bytes }).toEqual({
            flops: kernel.spec.flops(params),
            bytes: kernel.spec.bytes(params),
          });
          if (nanoseconds !== undefined) expect(nanoseconds).toBeGreaterThanOrEqual(0);
        });
        expect(rows.reduce((sum, row) => sum + row.flops, 0)).toBe(plan.flops());
      }
    };
    const before = { ...device.gpu.alive };
    expect(await bitsAfter(profiled)).toEqual(await bitsAfter(separately));
    expect(device.gpu.alive).toEqual(before);
  });
});

describe('a profile', () => {
  /** A device that says what it has and does nothing. */
  const pretend = (features: string[]) => {
    const fake = { features: new Set(features), lost: new Promise(() => {}), limits: {} };
    return new Gpu(fake as unknown as GPUDevice, device.gpu.info);
  };

  it('is an InputError on a device without timestamps', () => {
    expect(() => encodeProfiled(pretend([]), [], {} as GPUCommandEncoder)).toThrow(InputError);
    expect(() => encodeProfiled(pretend([]), [], {} as GPUCommandEncoder)).toThrow(
      `${device.gpu.info.name} has no timestamp-query`,
    );
  });

  it('is an InputError for more dispatches than a query set holds', () => {
    const many = new Array(2049).fill({});
    const gpu = pretend(['timestamp-query']);
    expect(() => encodeProfiled(gpu, many, {} as GPUCommandEncoder)).toThrow(
      'a profiled plan has at most 2048 dispatches, got 2049',
    );
  });
});
