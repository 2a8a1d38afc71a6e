import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatchOrder } from '../../src/data/batches.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { InputError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { PYTORCH } from '../../src/nn/conventions.ts';
import { Mlp, type MlpShape } from '../../src/nn/mlp.ts';
import { ADAM } from '../../src/train/optimizer.ts';

/** What a peer is to train, all of it: the first line it is sent. The files hold numbers and nothing else. */
export interface Job {
  readonly shape: MlpShape;
  readonly batch: number;
  /** Rows of training data. */
  readonly samples: number;
  /** What a byte of an image is multiplied by. */
  readonly scale: number;
  /** Batches in the table of rows, gone through again and again. */
  readonly table: number;
  readonly batchnorm: { readonly eps: number; readonly momentum: number };
  readonly adam: {
    readonly learningRate: number;
    readonly beta1: number;
    readonly beta2: number;
    readonly eps: number;
  };
  readonly files: {
    /** (samples, inputs), bytes. */
    readonly images: string;
    /** (samples), bytes. */
    readonly labels: string;
    /** (table, batch), u32. */
    readonly rows: string;
    /** f32: W (in, out), gamma and beta of each hidden layer; W (in, out) and bias of the output. */
    readonly parameters: string;
  };
}

/** What the job is made of. */
export interface JobOptions {
  readonly hidden: number;
  readonly layers: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
}

/** Batches in the table of rows. Few enough that the rows they name fit into one buffer of any device, as floats. */
const TABLE = 128;

/**
 * Writes syngrad's own initial weights, its order of batches and the training data into a temporary folder, for peers
 * to begin from. `remove` deletes it.
 *
 * @throws InputError for data that are not bytes
 */
export async function writeJob(
  gpu: Gpu,
  dataset: Dataset,
  { hidden, layers, batch, learningRate, seed }: JobOptions,
): Promise<{ readonly job: Job; readonly remove: () => Promise<void> }> {
  const { train, classes, features: inputs } = dataset;
  if (!(train.values instanceof Uint8Array)) {
    throw new InputError(`peers: expected a data set of bytes, found floats in ${dataset.name}`);
  }
  const shape = { inputs, hidden, layers, classes };
  const order = new BatchOrder(train.count, batch, seed);
  const rows = new Uint32Array(TABLE * batch);
  for (let i = 0; i < TABLE; i++) order.next(rows, i * batch);
  const net = new Mlp(gpu, shape, seed);
  const folder = await mkdtemp(join(tmpdir(), 'syngrad-peers-'));
  const signals = ['SIGINT', 'SIGTERM'] as const;
  // Whoever stops the suite should not be left with a copy of the data; then the signal does what it always does.
  const onSignal = (signal: NodeJS.Signals) => {
    rmSync(folder, { recursive: true, force: true });
    process.kill(process.pid, signal);
  };
  for (const signal of signals) process.once(signal, onSignal);
  const remove = async () => {
    for (const signal of signals) process.off(signal, onSignal);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const parameters: Uint8Array[] = [];
    for (const { value } of net.parameters) parameters.push(new Uint8Array(await gpu.read(value.buffer)));
    const files = {
      images: join(folder, 'images.u8'),
      labels: join(folder, 'labels.u8'),
      rows: join(folder, 'rows.u32'),
      parameters: join(folder, 'parameters.f32'),
    };
    await writeFile(files.images, train.values);
    await writeFile(files.labels, train.labels);
    await writeFile(files.rows, rows);
    await writeFile(files.parameters, Buffer.concat(parameters));
    const job: Job = {
      shape,
      batch,
      samples: train.count,
      scale: train.scale,
      table: TABLE,
      batchnorm: { eps: PYTORCH.bnEps, momentum: PYTORCH.bnMomentum },
      adam: { learningRate, ...ADAM },
      files,
    };
    return { job, remove };
  } catch (error) {
    await remove();
    throw error;
  } finally {
    net.destroy();
  }
}
