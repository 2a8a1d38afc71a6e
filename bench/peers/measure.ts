import { type Spread, spread } from '../suites/suite.ts';
import { type Agreement, CHECK_STEPS, compareLosses, type Tolerance } from './agreement.ts';
import type { Peer } from './peers.ts';
import { type PeerCommand, PeerError, PeerProcess } from './process.ts';
import { alternate, calibrate, firstLosses, type Pair, PeerRunner, type Runner } from './runner.ts';

/** Rates of two runners that took turns. */
export interface Comparison {
  readonly pairs: readonly Pair[];
  /** Steps of one repeat. */
  readonly steps: { readonly ours: number; readonly theirs: number };
  /** Steps a second. */
  readonly ours: Spread;
  readonly theirs: Spread;
  /** syngrad's rate in units of the other's, of each pair. */
  readonly ratio: Spread;
}

/** What became of a peer. Only one whose status is `measured` has a time. */
export interface PeerRow {
  readonly peer: string;
  readonly label: string;
  readonly precision: Peer['precision'];
  /** `missing`: not installed, or nothing here to run it on; `failed`: it crashed; `disagrees`: its losses are others. */
  readonly status: 'measured' | 'missing' | 'failed' | 'disagrees';
  readonly reason: string | null;
  /** Version, device and form, as it says itself. */
  readonly about: Readonly<Record<string, string>> | null;
  readonly agreement: Agreement | null;
  readonly comparison: Comparison | null;
}

/** What peers are measured against. */
export interface Ours {
  readonly runner: Runner;
  /** Steps of one repeat. */
  readonly steps: number;
  /** Losses of the first steps. */
  readonly losses: readonly number[];
}

/** How long and how often. */
export interface MeasureOptions {
  readonly repeats: number;
  /** Seconds that one repeat should take. */
  readonly seconds: number;
  /** Milliseconds of rest before each repeat. */
  readonly settle?: number | undefined;
  readonly tolerance: Tolerance;
  /** Seconds to wait for a peer's set-up, and for a repeat, at most. */
  readonly patience?: { readonly setUp: number; readonly run: number };
}

/** Compilers that try out many kernels (torch.compile at its most thorough) take minutes. */
const PATIENCE = { setUp: 900, run: 300 };

/** Times two runners by turns. */
export async function compareRunners(
  ours: { readonly runner: Runner; readonly steps: number },
  theirs: Runner,
  { repeats, seconds, settle }: Pick<MeasureOptions, 'repeats' | 'seconds' | 'settle'>,
): Promise<Comparison> {
  const steps = await calibrate(theirs, seconds);
  const pairs = await alternate(ours, { runner: theirs, steps }, repeats, settle);
  return {
    pairs,
    steps: { ours: ours.steps, theirs: steps },
    ours: spread(pairs.map((pair) => pair.ours)),
    theirs: spread(pairs.map((pair) => pair.theirs)),
    ratio: spread(pairs.map((pair) => pair.ours / pair.theirs)),
  };
}

/**
 * Starts a peer, compares the losses of its first steps with ours and, if they agree, times it by turns with ours.
 * Whatever goes wrong with the peer is in the row that is returned, and thrown is only what goes wrong with us.
 */
export async function measurePeer(
  peer: Peer,
  command: PeerCommand,
  job: object,
  ours: Ours,
  options: MeasureOptions,
): Promise<PeerRow> {
  const { tolerance, patience = PATIENCE } = options;
  let row: PeerRow = {
    ...{ peer: peer.id, label: peer.label, precision: peer.precision },
    ...{ status: 'failed', reason: null, about: null, agreement: null, comparison: null },
  };
  const process = new PeerProcess(command);
  let graceful = true;
  try {
    const { about } = await process.ask({ ...job, variant: peer.variant }, patience.setUp);
    row = { ...row, about: about as PeerRow['about'] };
    const losses = await firstLosses(process, CHECK_STEPS, patience.run);
    const agreement = compareLosses(ours.losses, losses, tolerance);
    row = { ...row, agreement };
    if (!agreement.agrees) {
      return { ...row, status: 'disagrees', reason: 'its first losses are not those of the same network' };
    }
    const comparison = await compareRunners(ours, new PeerRunner(process, patience.run), options);
    return { ...row, status: 'measured', comparison };
  } catch (error) {
    graceful = false;
    if (!(error instanceof PeerError)) throw error;
    return { ...row, status: error.missing ? 'missing' : 'failed', reason: error.message };
  } finally {
    await process.stop(graceful ? undefined : 0);
  }
}
