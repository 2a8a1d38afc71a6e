import type { ResidentDataset } from '../data/resident-dataset.ts';
import { Plan } from '../gpu/plan.ts';
import * as record from '../kernels/record.ts';
import type { HiddenState } from '../nn/hidden-layer.ts';
import type { GradientModel } from '../nn/synthetic-gradient.ts';
import { createTensor, type Tensor, tensorFrom } from '../tensor.ts';
import type { Trainer } from './trainer.ts';

/** How a hidden layer's synthetic gradient compares with its true one, over all elements of a batch. */
export interface LayerDiagnosis {
  /** Number of the layer, counted from 1 as in tensors' labels. */
  readonly layer: number;
  /** Cosine of the angle between the two, as vectors; null when either is zero. */
  readonly cosine: number | null;
  /** Share of the true gradient's nonzero elements whose sign is met; null when either is zero. */
  readonly signAgreement: number | null;
  /** ||SG - dH|| / ||dH||; null when the true gradient is zero. */
  readonly relativeError: number | null;
  readonly sgNorm: number;
  readonly trueNorm: number;
  /** Share of the layer's units that are 0 for every sample of the batch. */
  readonly deadUnits: number;
}

/** What was found at one step, from the lowest hidden layer to the highest. */
export interface Diagnosis {
  /** Steps done. */
  readonly step: number;
  readonly layers: readonly LayerDiagnosis[];
}

/** A hidden layer's activations, its synthetic gradient and its true one, each (B, units). */
interface Compared<T> {
  readonly h: T;
  readonly sg: T;
  readonly dH: T;
}

/** A tensor that the run goes on with, and a copy of it. */
interface Kept {
  readonly tensor: Tensor;
  readonly copy: Tensor;
}

/** Compares in float64; `units` is the width of the layer. */
export function compareGradients(
  layer: number,
  { h, sg, dH }: Compared<ArrayLike<number>>,
  units: number,
): LayerDiagnosis {
  let [product, sgSquares, trueSquares, errorSquares, met, nonzero] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < dH.length; i++) {
    const [guess, truth] = [sg[i]!, dH[i]!];
    product += guess * truth;
    sgSquares += guess * guess;
    trueSquares += truth * truth;
    errorSquares += (guess - truth) ** 2;
    if (truth === 0) continue;
    nonzero++;
    if (Math.sign(guess) === Math.sign(truth)) met++;
  }
  const alive = new Set<number>();
  for (let i = 0; i < h.length; i++) if (h[i] !== 0) alive.add(i % units);
  const [sgNorm, trueNorm] = [Math.sqrt(sgSquares), Math.sqrt(trueSquares)];
  const both = sgNorm > 0 && trueNorm > 0;
  return {
    layer,
    cosine: both ? product / (sgNorm * trueNorm) : null,
    signAgreement: both ? met / nonzero : null,
    relativeError: trueNorm > 0 ? Math.sqrt(errorSquares) / trueNorm : null,
    sgNorm,
    trueNorm,
    deadUnits: 1 - alive.size / units,
  };
}

/** Records forward, synthetic gradients and plain backpropagation, all at the same weights. */
function recordCompared(
  plan: Plan,
  { net, models, options }: Trainer,
  { train }: ResidentDataset,
): Compared<Tensor>[] {
  const B = options.batchSize;
  const first = Uint32Array.from({ length: B }, (_, i) => i);
  const rows = plan.own(tensorFrom(plan.gpu, 'diagnose.rows', [1, B], first));
  const batch = train.gather(plan, B, { rows, step: plan.tensor('diagnose.step', [1], 'u32') });

  const states: HiddenState[] = [];
  let h = batch.x;
  for (const layer of net.hidden) {
    // With momentum 0 the running statistics stay as they are.
    const state = layer.forward(plan, h, undefined, 0);
    states.push(state);
    h = state.h;
  }
  const logits = net.output.forward(plan, h);
  const softmax = record.softmaxXentForward(plan, 'loss', logits, batch.labels);
  const dLogits = record.softmaxXentBackward(plan, 'loss.dLogits', logits, batch.labels, softmax);

  const context = options.rule.context?.({ plan, net, batch }) ?? batch.labels;
  const compared: Compared<Tensor>[] = [];
  let dH = net.output.pullBack(plan, dLogits);
  for (let i = net.hidden.length - 1; i >= 0; i--) {
    const layer = net.hidden[i]!;
    // Of a rule with synthetic gradients the first models are theirs, one for each hidden layer.
    const model = models[i] as GradientModel;
    const sg = model.predict(plan, states[i]!.h, context).gradient;
    compared.unshift({ h: states[i]!.h, sg, dH });
    if (i > 0) dH = layer.pullBack(plan, layer.backward(plan, states[i]!, dH));
  }
  return compared;
}

/**
 * Looks at the synthetic gradients of a run from outside: compares them with the true gradients at the current weights,
 * on the first training samples, always the same ones. It leaves no trace: what the run goes on with is put back.
 */
export class Diagnoser {
  readonly #trainer: Trainer;
  readonly #plan: Plan;
  readonly #compared: readonly Compared<Tensor>[];
  readonly #kept: readonly Kept[];

  /** @throws Error for a rule without synthetic gradients. */
  constructor(trainer: Trainer, data: ResidentDataset) {
    const { gpu, options, plan: step } = trainer;
    if (!options.rule.heeds.synthetic)
      throw new Error(`${options.rule.name} has no synthetic gradients to look at`);
    this.#trainer = trainer;
    const parts = gpu.allOrNothing(() => {
      const plan = new Plan(gpu, 'diagnose');
      const compared = recordCompared(plan, trainer, data);
      // Whatever both plans know is the run's: gradients, and running statistics of models that have some.
      const known = new Set(step.dispatches.flatMap((d) => Object.values(d.tensors).map((t) => t.buffer)));
      const written = new Map<Tensor['buffer'], Tensor>();
      for (const { kernel, tensors } of plan.dispatches) {
        for (const [name, access] of Object.entries(kernel.spec.buffers)) {
          const tensor = tensors[name]!;
          if (access === 'read_write' && known.has(tensor.buffer)) written.set(tensor.buffer, tensor);
        }
      }
      const kept = [...written.values()].map((tensor) => ({
        tensor,
        copy: plan.own(createTensor(gpu, `${tensor.label}.kept`, tensor.shape, tensor.dtype)),
      }));
      return { plan, compared, kept };
    });
    this.#plan = parts.plan;
    this.#compared = parts.compared;
    this.#kept = parts.kept;
  }

  /** Waits for the device; not to be called while a training chunk is under way. */
  async look(): Promise<Diagnosis> {
    const { gpu } = this.#trainer;
    await this.#plan.ready();
    gpu.submit('diagnose', (encoder) => {
      for (const { tensor, copy } of this.#kept)
        encoder.copyBufferToBuffer(tensor.buffer, 0, copy.buffer, 0, tensor.buffer.size);
      this.#plan.encode(encoder);
      for (const { tensor, copy } of this.#kept)
        encoder.copyBufferToBuffer(copy.buffer, 0, tensor.buffer, 0, tensor.buffer.size);
    });
    const read = async (tensor: Tensor) => new Float32Array(await gpu.read(tensor.buffer));
    const layers: LayerDiagnosis[] = [];
    for (const [i, { h, sg, dH }] of this.#compared.entries()) {
      const numbers = { h: await read(h), sg: await read(sg), dH: await read(dH) };
      layers.push(compareGradients(i + 1, numbers, h.shape[1]!));
    }
    return { step: this.#trainer.submitted, layers };
  }

  destroy(): void {
    this.#plan.destroy();
  }
}
