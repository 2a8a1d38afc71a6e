import type { ResidentSamples } from '../data/resident.ts';
import { NoResultError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Plan } from '../gpu/plan.ts';
import type { Mlp } from '../nn/mlp.ts';
import { type Tensor, tensorFrom, writeTensor } from '../tensor.ts';
import { recordAdvance, recordLoss } from './loss.ts';

/** How well a network does on some samples. */
export interface Score {
  /** Mean cross-entropy. */
  readonly loss: number;
  /** Share classified correctly, 0 to 1. */
  readonly accuracy: number;
  /** How many samples were looked at. */
  readonly samples: number;
}

/** Samples evaluated at a time. */
const BATCH = 500;

/** Batches in one submit, so that an evaluation can be interrupted and never keeps the device busy for long. */
const BATCHES_A_SUBMIT = 10;

interface Pass {
  readonly plan: Plan;
  readonly batch: number;
  readonly times: number;
  readonly step: Tensor;
  readonly losses: Tensor;
  readonly correct: Tensor;
}

/** Evaluates a network on fixed samples, as often as wanted, with batch norm's running statistics. */
export class Evaluator {
  readonly samples: number;
  readonly #gpu: Gpu;
  readonly #net: Mlp;
  readonly #inTraining: boolean;
  readonly #passes: Pass[];

  /**
   * On the first `limit` samples, or on all.
   *
   * @param inTraining whether it is the training's own, which has the network already
   */
  constructor(gpu: Gpu, net: Mlp, data: ResidentSamples, limit = data.count, inTraining = false) {
    this.#gpu = gpu;
    this.#net = net;
    this.#inTraining = inTraining;
    this.samples = Math.min(limit, data.count);
    const whole = Math.floor(this.samples / BATCH);
    const rest = this.samples % BATCH;
    const cuts = [
      { first: 0, batch: BATCH, times: whole },
      { first: whole * BATCH, batch: rest, times: Math.min(1, rest) },
    ];
    this.#passes = gpu.allOrNothing(() =>
      cuts.filter(({ times }) => times > 0).map((cut) => recordPass(gpu, net, data, cut)),
    );
  }

  /**
   * Waits for the device.
   *
   * @throws InputError where the network is in a training; NoResultError where a loss is not finite: no accuracy is one then
   */
  async score(): Promise<Score> {
    const giveBack = this.#inTraining ? () => {} : this.#net.take('evaluation');
    try {
      return await this.#score();
    } finally {
      giveBack();
    }
  }

  async #score(): Promise<Score> {
    let loss = 0;
    let correct = 0;
    for (const pass of this.#passes) {
      await pass.plan.ready();
      writeTensor(this.#gpu, pass.step, Uint32Array.of(0));
      for (let done = 0; done < pass.times; done += BATCHES_A_SUBMIT) {
        const count = Math.min(BATCHES_A_SUBMIT, pass.times - done);
        pass.plan.submit(count);
        await this.#gpu.idle();
      }
      // A batch's row holds its mean loss, so it counts as often as it has samples.
      for (const mean of new Float32Array(await this.#gpu.read(pass.losses.buffer)))
        loss += mean * pass.batch;
      for (const n of new Uint32Array(await this.#gpu.read(pass.correct.buffer))) correct += n;
    }
    if (!Number.isFinite(loss)) {
      throw new NoResultError(
        `evaluation: expected losses that are finite, found an infinity or a NaN among ${this.samples} samples (a lower --lr may help)`,
      );
    }
    return { loss: loss / this.samples, accuracy: correct / this.samples, samples: this.samples };
  }

  destroy(): void {
    for (const { plan } of this.#passes) plan.destroy();
    this.#passes.length = 0;
  }
}

/** Records the evaluation of `times` batches of neighbouring samples. */
function recordPass(
  gpu: Gpu,
  net: Mlp,
  data: ResidentSamples,
  { first, batch, times }: { first: number; batch: number; times: number },
): Pass {
  const plan = new Plan(gpu, 'evaluate');
  const step = plan.tensor('evaluate.step', [1], 'u32');
  const flag = plan.tensor('evaluate.flag', [1], 'u32');
  const losses = plan.tensor('evaluate.losses', [times]);
  const correct = plan.tensor('evaluate.correct', [times], 'u32');
  const rows = plan.own(
    tensorFrom(
      gpu,
      'evaluate.rows',
      [times, batch],
      Uint32Array.from({ length: times * batch }, (_, i) => first + i),
    ),
  );
  const gathered = data.gather(plan, batch, { rows, step });
  const metrics = { step, flag, losses, correct };
  recordLoss(plan, net.evaluate(plan, gathered.x), gathered, metrics);
  // Each batch counts, even after one whose loss was not finite, so the advance looks at a flag nobody raises.
  const calm = plan.tensor('evaluate.calm', [1], 'u32');
  recordAdvance(plan, { ...metrics, flag: calm });
  return { plan, batch, times, step, losses, correct };
}
