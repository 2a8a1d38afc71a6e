import { describe, expect, it } from 'vitest';
import type { WorkPart } from '../../src/gpu/kernel.ts';
import { adam } from '../../src/kernels/adam.ts';
import {
  batchnormBackwardInput,
  batchnormBackwardSums,
  batchnormForward,
  batchnormStats,
} from '../../src/kernels/batchnorm.ts';
import { biasAdd, columnSum } from '../../src/kernels/bias.ts';
import { fusedLayers, fusedLayersCpu, fusedTop, fusedTopCpu } from '../../src/kernels/fused.ts';
import { gatherBytes } from '../../src/kernels/gather.ts';
import { labelRowsAdd, labelRowsGrad } from '../../src/kernels/label-rows.ts';
import { correctCount, lossMean } from '../../src/kernels/metrics.ts';
import { reluBackward, reluForward } from '../../src/kernels/relu.ts';
import { softmaxXentBackward, softmaxXentForward } from '../../src/kernels/softmax-xent.ts';
import { squaredErrorGrad } from '../../src/kernels/squared-error.ts';
import { fusedBackprop, fusedSynthetic } from '../../src/train/schedules/fused.ts';
import type { PackedSchedule, Spans } from '../../src/train/schedules/packed.ts';
import type { Extras } from '../../src/train/schedules/params.ts';
import { delayedWave, wave, waveOfOne } from '../../src/train/schedules/wave.ts';
import { fusedArena, type TileRows } from '../support/fused.ts';

// Quads and words are whole, so that nothing is filled up.
const SHAPE = { B: 96, I: 20, F: 24, C: 8, H: 3 };
const { B, I, F, C, H } = SHAPE;
const TILES: TileRows = { stats: 32, sums: 32 };
const OUT = H + 1;

const arenaOf = (schedule: PackedSchedule, tiles: TileRows | undefined = TILES) =>
  fusedArena(3, schedule, SHAPE, { tiles, tick: 4 });

type Numbers = Readonly<Record<string, number>>;
type Parts = (p: Numbers) => readonly WorkPart[];
const SPECS = {
  tiles: { layers: fusedLayers, top: fusedTop },
  columns: { layers: fusedLayersCpu, top: fusedTopCpu },
};

/** What each dispatch of a schedule's turn is credited with. */
const stepOf = (schedule: PackedSchedule, form: keyof typeof SPECS) =>
  arenaOf(schedule, form === 'tiles' ? TILES : undefined).dispatches.map(({ label, kernel, params }) => {
    const spec = SPECS[form][kernel];
    const cost = (of: unknown) => (of as (p: Numbers) => number)(params);
    return {
      label,
      flops: cost(spec.flops),
      bytes: cost(spec.bytes),
      parts: (spec.parts as unknown as Parts)(params),
    };
  });

const ARENA = arenaOf(wave);
/** The parts of a dispatch of some roles. */
const partsOf = (spans: Spans, extras: Extras = { clock: 0 }, of = fusedLayers): readonly WorkPart[] =>
  (of.parts as unknown as Parts)(ARENA.layers(spans, extras).params);

/** The work of one part. */
const workOf = (...args: Parameters<typeof partsOf>) => {
  const [{ flops, bytes }] = partsOf(...args) as [WorkPart];
  return { flops, elements: bytes / 4 };
};

/** Operations of h, made from z. */
const ACTIVATIONS = batchnormForward.flops({ B, F }) + reluForward.flops({ n: B * F });
/** Of a mask with its sums, where xhat is at hand, and of dz: less than in kernels that make xhat for themselves. */
const MASK = reluBackward.flops({ n: B * F }) + 3 * B * F;
const PULLED = 5 * B * F + (4 + 2 * 3) * F;
const NORM = 4 * F;
const SUMS = 3 * 2 * F;

describe("a job's operations are those of the layered kernels, and each of its elements counts once", () => {
  it('FORWARD of the first layer gathers its samples', () => {
    expect(workOf({ forward: [1, 1] })).toEqual({
      flops:
        gatherBytes.flops({ B, I, words: I / 4, scale: 1 }) +
        2 * B * I * F +
        (batchnormStats.flops({ B, F, eps: 0, momentum: 0 }) - 12 * F),
      // Sample numbers, words of pixels; W; z and its tiles' statistics.
      elements: B + (B * I) / 4 + I * F + B * F + SUMS,
    });
  });

  it('FORWARD normalises what the layer below has left, and of the output layer adds the bias', () => {
    expect(workOf({ forward: [2, 2] })).toEqual({
      flops: ACTIVATIONS + 2 * B * F * F + 4 * B * F,
      elements: B * F + NORM + F * F + B * F + SUMS,
    });
    expect(workOf({ forward: [OUT, OUT] })).toEqual({
      flops: ACTIVATIONS + 2 * B * F * C + biasAdd.flops({ B, F: C }),
      elements: B * F + NORM + F * C + C + B * C,
    });
  });

  it('FORWARD that merges reads statistics in place of a norm, and may keep what it has merged', () => {
    const merging = (merge: 'only' | 'keep') => workOf({ forward: [2, 2] }, { clock: 0, merge });
    const plain = workOf({ forward: [2, 2] });
    // gamma and beta, too.
    const only = { flops: plain.flops + (10 * 3 + 12) * F, elements: plain.elements - NORM + SUMS + 2 * F };
    expect(merging('only')).toEqual(only);
    // The norm is stored, and both running averages are read and stored.
    expect(merging('keep')).toEqual({ ...only, elements: only.elements + NORM + 4 * F });
  });

  it('PREDICT', () => {
    expect(workOf({ predict: [2, 2] })).toEqual({
      flops:
        (10 * 3 + 12) * F +
        ACTIVATIONS +
        2 * B * F * F +
        labelRowsAdd.flops({ B, F }) +
        // The activations' normalisation serves the mask, too.
        MASK,
      elements:
        SUMS +
        2 * F +
        NORM +
        4 * F +
        B * F +
        (F + C + 1) * F +
        (B + B / 4) +
        // sg, dn, and its sums.
        (2 * B * F + SUMS),
    });
  });

  it('the loss', () => {
    const part = partsOf({ predict: [OUT, OUT] })[0]!;
    expect(part).toMatchObject({ of: 'loss', role: 'LOSS', shape: '96x8' });
    expect(workOf({ predict: [OUT, OUT] })).toEqual({
      flops:
        softmaxXentForward.flops({ B, C }) +
        softmaxXentBackward.flops({ B, C }) +
        lossMean.flops({ B }) +
        correctCount.flops({ B, C }),
      elements: B * C + (B + B / 4) + B * C + 2,
    });
  });

  it('PULL reads z beside dn, and makes an error for predictors or a masked gradient for layers', () => {
    const product = 2 * B * F * F;
    const read = B * F + B * F + NORM + SUMS + F * F;
    expect(workOf({ pull: [3, 3] })).toEqual({
      flops: PULLED + product + squaredErrorGrad.flops({ n: B * F }),
      elements: read + 2 * B * F,
    });
    expect(workOf({ pull: [3, 3] }, { clock: 0, masks: true })).toEqual({
      flops: PULLED + product + batchnormForward.flops({ B, F }) + MASK,
      // z and norm of the layer below for the mask.
      elements: read + (B * F + NORM) + (B * F + SUMS),
    });
  });

  it('GRAD has Adam of each parameter', () => {
    const adams = (n: number) => adam.flops({ n, scale: 1, beta1: 0, beta2: 0, rate: 1 });
    expect(workOf({ grad: [2, 2] })).toEqual({
      flops: ACTIVATIONS + PULLED + 2 * F * B * F + adams(F * F) + adams(2 * F),
      // p, m and v are read and written; the gradient is not.
      elements: B * F + NORM + (2 * B * F + NORM + SUMS) + 6 * (F * F + 2 * F),
    });
    expect(workOf({ grad: [OUT, OUT] })).toEqual({
      flops: ACTIVATIONS + 2 * F * B * C + columnSum.flops({ B, F: C }) + adams(F * C) + adams(C),
      elements: B * F + NORM + B * C + 6 * (F * C + C),
    });
  });

  it('TEACH', () => {
    const n = (F + C + 1) * F;
    expect(workOf({ teach: [2, 2] })).toEqual({
      flops:
        ACTIVATIONS +
        2 * F * B * F +
        labelRowsGrad.flops({ B, F, C }) +
        columnSum.flops({ B, F }) +
        adam.flops({ n, scale: 1, beta1: 0, beta2: 0, rate: 1 }),
      elements: B * F + NORM + B * F + (B + B / 4) + 6 * n,
    });
  });

  it('whole columns make dz where they make dn, and read no z for it later', () => {
    const work = (spans: Spans, masks = false) => workOf(spans, { clock: 0, masks }, fusedLayersCpu);
    expect(work({ grad: [2, 2] }).flops).toBe(workOf({ grad: [2, 2] }).flops - PULLED);
    expect(work({ grad: [2, 2] }).elements).toBe(
      workOf({ grad: [2, 2] }).elements - B * F - NORM - SUMS + 2 * F,
    );
    expect(work({ pull: [3, 3] }, true).flops).toBe(
      workOf({ pull: [3, 3] }, { clock: 0, masks: true }).flops - PULLED + 5 * B * F + 4 * F,
    );
  });
});

describe('what two jobs of a dispatch share', () => {
  it('counts for the first of them', () => {
    const [grad, pull] = partsOf({ grad: [2, 2], pull: [2, 2] }) as [WorkPart, WorkPart];
    expect(grad).toEqual(partsOf({ grad: [2, 2] })[0]);
    // dz_2, what it is made of, and W_2 are GRAD's already.
    const alone = partsOf({ pull: [2, 2] })[0]!;
    expect(pull.flops).toBe(alone.flops - PULLED);
    expect(pull.bytes).toBe(alone.bytes - 4 * (2 * B * F + NORM + SUMS + F * F));
  });

  it('is nothing where a wave has them on different batches', () => {
    // FORWARD 2 makes h_1 of an earlier batch than TEACH 1.
    const both = partsOf({ forward: [2, 2], teach: [1, 1] });
    expect(both).toEqual([...partsOf({ forward: [2, 2] }), ...partsOf({ teach: [1, 1] })]);
  });
});

describe('the parts of a dispatch', () => {
  it.each([
    ['bp', fusedBackprop],
    ['cdni', fusedSynthetic],
    ['wave', wave],
    ['wave of one', waveOfOne],
    ['delayed wave', delayedWave],
  ] as const)('of %s sum up to the whole, in both forms', (_, schedule) => {
    for (const form of ['tiles', 'columns'] as const) {
      for (const { flops, bytes, parts } of stepOf(schedule, form)) {
        const sum = (of: (part: WorkPart) => number) => parts.reduce((all, part) => all + of(part), 0);
        expect([sum((part) => part.flops), sum((part) => part.bytes)]).toEqual([flops, bytes]);
        expect(parts.every((part) => part.flops > 0 && part.bytes > 0)).toBe(true);
      }
    }
  });

  it('are named as the layered schedule names its dispatches', () => {
    const named = Object.fromEntries(
      stepOf(fusedBackprop, 'tiles').map(({ label, parts }) => [
        label,
        parts.map(({ of, role }) => `${of} ${role}`),
      ]),
    );
    expect(named).toEqual({
      'layer1.forward': ['layer1 FORWARD'],
      'layer2.forward': ['layer2 FORWARD'],
      'layer3.forward': ['layer3 FORWARD'],
      'top.loss': ['layer4 FORWARD', 'loss LOSS', 'layer4 PULL'],
      'layer3.backward': ['layer4 GRAD', 'layer3 PULL'],
      'layer2.backward': ['layer3 GRAD', 'layer2 PULL'],
      'layer1.backward': ['layer1 GRAD', 'layer2 GRAD'],
    });
    const forward = stepOf(wave, 'tiles')[0]!.parts;
    expect(forward.map(({ of, role, shape }) => `${of} ${role} ${shape}`)).toEqual([
      'layer1 FORWARD 96x20x24',
      'layer2 FORWARD 96x24x24',
      'layer3 FORWARD 96x24x24',
      'layer4 FORWARD 96x24x8',
      'sg1 TEACH 33x96x24',
      'sg2 TEACH 33x96x24',
      'sg3 TEACH 33x96x24',
    ]);
  });

  it('of the top leave out logits, which stay inside', () => {
    const [forward, loss, pull] = stepOf(fusedBackprop, 'tiles').find(({ label }) => label === 'top.loss')!
      .parts as [WorkPart, WorkPart, WorkPart];
    expect(forward.bytes / 4).toBe(SUMS + 2 * F + NORM + 4 * F + B * F + F * C + C);
    expect(loss.bytes / 4).toBe(B + B / 4 + B * C + 2);
    expect(pull.bytes / 4).toBe(B * F + SUMS);
    expect(pull.flops).toBe(2 * B * C * F + MASK);
  });
});

it('a fused step has the operations of the layered one, but for activations that are made again', () => {
  const p = { B, F };
  const n = B * F;
  const hidden = (inputs: number) =>
    3 * 2 * B * inputs * F +
    batchnormStats.flops({ ...p, eps: 0, momentum: 0 }) +
    ACTIVATIONS +
    reluBackward.flops({ n }) +
    batchnormBackwardSums.flops(p) +
    batchnormBackwardInput.flops(p) +
    13 * (inputs * F + 2 * F);
  const layered =
    gatherBytes.flops({ B, I, words: I / 4, scale: 1 }) +
    (hidden(I) - 2 * B * I * F) +
    2 * hidden(F) +
    3 * 2 * B * F * C +
    2 * B * C +
    13 * (F * C + C) +
    softmaxXentForward.flops({ B, C }) +
    softmaxXentBackward.flops({ B, C }) +
    lossMean.flops({ B }) +
    correctCount.flops({ B, C });
  for (const form of ['tiles', 'columns'] as const) {
    const fused = stepOf(fusedBackprop, form).reduce((sum, { flops }) => sum + flops, 0);
    expect(fused / layered).toBeGreaterThan(0.98);
    expect(fused / layered).toBeLessThan(1.1);
  }
});
