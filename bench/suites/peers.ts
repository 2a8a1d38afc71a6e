import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Dataset } from '../../src/data/dataset.ts';
import { mnistDataset } from '../../src/data/mnist.ts';
import { ResidentDataset } from '../../src/data/resident-dataset.ts';
import { InputError } from '../../src/errors.ts';
import { backprop } from '../../src/train/backprop.ts';
import { SCHEDULES, type ScheduleName } from '../../src/train/schedules/driver.ts';
import type { Trainer } from '../../src/train/trainer.ts';
import { CHECK_STEPS, type Tolerance, toleranceOf } from '../peers/agreement.ts';
import { installPeers, modulesOf } from '../peers/install.ts';
import { type Job, writeJob } from '../peers/job.ts';
import { measurePeer, type PeerRow } from '../peers/measure.ts';
import { compareSchedules, type OwnRow, type OwnStep, prepareOwn } from '../peers/own.ts';
import { commandOf, needsNpm, type Peer, peers, readPeers } from '../peers/peers.ts';
import { presets } from '../presets.ts';
import { packageFolder } from '../provenance.ts';
import { peersTable } from './peers-table.ts';
import type { Suite, SuiteContext } from './suite.ts';

/** What the suite found. */
export interface PeersResult {
  readonly config: {
    readonly batch: number;
    readonly hidden: number;
    readonly layers: number;
    readonly learningRate: number;
    readonly seed: number;
    readonly data: string;
    /** Seconds that a repeat was to take. */
    readonly seconds: number;
  };
  /** The schedule that peers are compared with, and why there is no fused one, if so. */
  readonly schedule: ScheduleName;
  readonly because: string | null;
  readonly deviceKind: 'gpu' | 'cpu';
  /** Steps from equal weights whose losses had to agree, and within what. */
  readonly checked: {
    readonly steps: number;
    readonly tolerance: Tolerance;
    readonly losses: readonly number[];
  };
  readonly own: readonly OwnRow[];
  readonly peers: readonly PeerRow[];
}

/** Seconds of a repeat. Slow peers do one or two steps in that. */
const SECONDS = 2;
const QUICK_SECONDS = 0.3;

/** Without this machine's folders, which a reason may name and which say nothing elsewhere. */
const withoutFolders = (row: PeerRow, folder: string): PeerRow =>
  row.reason === null
    ? row
    : { ...row, reason: row.reason.replaceAll(folder, '.').replaceAll(tmpdir(), '<tmp>') };

/** What may be chosen. */
export interface PeersOptions {
  /** All of them by default. */
  readonly chosen?: readonly Peer[];
  /** 256 by default. */
  readonly batch?: number;
  /** What peers are compared with: by default the faster one of both on this device. */
  readonly schedule?: ScheduleName;
  /** MNIST by default. */
  readonly dataset?: Dataset;
  /** The paper's by default. */
  readonly hidden?: number;
  readonly layers?: number;
  /** Seconds of a repeat. */
  readonly seconds?: number;
  /** Milliseconds of rest before each. */
  readonly settle?: number;
}

/** Measures the chosen peers, one behind the other, each by turns with syngrad. */
export async function measurePeers(
  { gpu, repeats, quick, note }: Pick<SuiteContext, 'gpu' | 'repeats' | 'quick' | 'note'>,
  asked: PeersOptions = {},
): Promise<PeersResult> {
  const folder = packageFolder();
  if (!existsSync(join(folder, 'bench', 'peers', 'package.json'))) {
    throw new InputError(
      'peers: expected a checkout of syngrad with its bench/peers, found the built package alone',
    );
  }
  const { lr: learningRate, seed, ...paper } = presets['bisong-50k']!;
  const { chosen = peers, batch = paper.batch, hidden = paper.hidden, layers = paper.layers } = asked;
  const { seconds = quick ? QUICK_SECONDS : SECONDS, dataset = await mnistDataset(), settle } = asked;
  const data = new ResidentDataset(gpu, dataset);
  const trainers: Trainer[] = [];
  let removeJob = async () => {};
  try {
    const options = { rule: backprop, hidden, layers, batchSize: batch, learningRate, lrDrops: [], seed };
    const prepare = async (schedule: ScheduleName): Promise<OwnStep> => {
      const step = await prepareOwn(gpu, data, { ...options, schedule }, seconds);
      trainers.push(step.runner.trainer);
      const { dispatches } = step.check;
      note(`checked bp, ${step.schedule}: what its ${dispatches} dispatches write agrees with float64 twins`);
      return step;
    };
    const first = await prepare(asked.schedule ?? 'fused');
    const second = first.schedule === 'layered' ? undefined : await prepare('layered');
    const { shape } = first.runner.trainer;
    const tolerance = toleranceOf(shape, batch, 'float32');
    const own = await compareSchedules(first, second, tolerance, { repeats, seconds, settle });
    const rate = (row: OwnRow | undefined) => row?.stepsPerSecond?.median ?? 0;
    const main = second && asked.schedule === undefined && rate(own[1]) > rate(own[0]) ? second : first;

    const written = await writeJob(gpu, dataset, { hidden, layers, batch, learningRate, seed });
    removeJob = written.remove;
    const job: Job & Record<string, unknown> = {
      ...written.job,
      modules: modulesOf(folder),
      adapter: gpu.info.name,
    };
    const lacking = chosen.some(needsNpm) ? await installPeers(folder, note) : undefined;
    const rows: PeerRow[] = [];
    for (const peer of chosen) {
      const missing = needsNpm(peer) ? lacking : undefined;
      const found: PeerRow =
        missing === undefined
          ? await measurePeer(peer, commandOf(peer, folder), job, main, {
              ...{ repeats, seconds, settle },
              tolerance: toleranceOf(shape, batch, peer.precision),
            })
          : {
              ...{
                peer: peer.id,
                label: peer.label,
                precision: peer.precision,
                status: 'missing',
                reason: missing,
              },
              ...{ about: null, agreement: null, comparison: null },
            };
      const row = withoutFolders(found, folder);
      rows.push(row);
      note(progressOf(row));
    }
    return {
      config: { batch, hidden, layers, learningRate, seed, data: dataset.name, seconds },
      ...{ schedule: main.schedule, because: first.because },
      deviceKind: gpu.info.kind,
      checked: { steps: CHECK_STEPS, tolerance, losses: main.losses },
      own,
      peers: rows,
    };
  } finally {
    await removeJob();
    for (const trainer of trainers) trainer.destroy();
    data.destroy();
  }
}

function progressOf({ label, status, reason, agreement, comparison }: PeerRow): string {
  if (!comparison) return `${label}: ${status}, ${reason}`;
  const { worst, tolerance } = agreement!;
  return (
    `${label}: losses agree within ${worst.toExponential(1)} (allowed ${tolerance.value.toExponential(1)}); ` +
    `${comparison.theirs.median.toPrecision(3)} steps/s beside our ${comparison.ours.median.toPrecision(3)}`
  );
}

/** `syngrad bench peers`. */
export const peersSuite: Suite<PeersResult> = {
  name: 'peers',
  about: 'the same training step in jax-js, tfjs, PyTorch and JAX, by turns with syngrad on one machine',
  options: [
    {
      flags: '--peers <list>',
      about: 'which, by group (jax-js, tfjs, torch, jax) or one by one',
      read: readPeers,
    },
    {
      flags: '--seconds <n>',
      about: `seconds of a repeat; ${SECONDS} by default`,
      read: readSeconds,
    },
    { flags: '--batch <n>', about: 'samples a step; 256 by default', read: readBatch },
    {
      flags: '--schedule <name>',
      about: 'the schedule of bp that peers are compared with; the faster one by default',
      read: readSchedule,
    },
  ],
  run(context) {
    const { peers: ids, ...own } = (context.options ?? {}) as { peers?: readonly string[] } & PeersOptions;
    const chosen = ids === undefined ? peers : peers.filter((peer) => ids.includes(peer.id));
    const { batch, schedule, seconds } = own;
    return measurePeers(context, {
      chosen,
      ...(batch && { batch }),
      ...(schedule && { schedule }),
      ...(seconds && { seconds }),
    });
  },
  table: peersTable,
};

/** Reads a batch size, which batch norm's statistics need two samples for. */
function readBatch(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < 2 || value > 55_000) {
    throw new InputError(`--batch: expected a whole number from 2 to 55000, found '${text}'`);
  }
  return value;
}

function readSeconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0.1 && value <= 60)) {
    throw new InputError(`--seconds: expected seconds from 0.1 to 60, found '${text}'`);
  }
  return value;
}

function readSchedule(text: string): ScheduleName {
  // bp has no wave: its layers wait for each other.
  const found = SCHEDULES.find((name) => name === text && name !== 'wave');
  if (found === undefined) throw new InputError(`--schedule: expected layered or fused, found '${text}'`);
  return found;
}
