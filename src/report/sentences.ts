import type { Staleness } from '../train/schedules/driver.ts';
import { computesLess, EQUAL, isUnlocked, SHORT, updatesEvery } from './claims.ts';
import { count, percent, significant } from './numbers.ts';
import type { BenchRecord, RunRecord } from './record.ts';
import { titleOf, updatesPerStep } from './table.ts';

const speed = (ratio: number): string => {
  if (Math.abs(ratio - 1) < EQUAL) return 'is as fast as';
  return ratio > 1
    ? `is ${significant(ratio)} times as fast as`
    : `takes ${significant(1 / ratio)} times as long as`;
};

/** What comes late, in a phrase. */
function latePhrase({ gradient, target }: Staleness): string {
  const late = (what: string, steps: number) => `${what} ${steps === 1 ? 'one step' : `${steps} steps`} late`;
  return [...(gradient > 0 ? [late('gradients', gradient)] : []), late('targets', target)].join(' and ');
}

/** What two runs are compared by. */
interface Compared {
  readonly bp: RunRecord;
  readonly other: RunRecord;
  /** Other over backprop: steps a second, and layer updates a second. */
  readonly steps: number;
  readonly updates: number;
  readonly macs: number;
  /** Layers in the network. */
  readonly layers: number;
  /** Whether a layer of the other is updated without waiting for those above: pure synthetic gradients. */
  readonly unlocked: boolean;
}

const allUpdated = ({ bp, other, layers }: Compared): boolean =>
  updatesEvery(updatesPerStep(bp), layers) && updatesEvery(updatesPerStep(other), layers);

/** How many layers are updated, where not all are in every step. */
function updatesPhrase(c: Compared): string {
  if (allUpdated(c)) {
    const none = updatesPerStep(c.bp) === c.layers && updatesPerStep(c.other) === c.layers;
    return `and every layer updated in every step by both${none ? '' : ', but for a few'};`;
  }
  const of = (run: RunRecord) => significant(updatesPerStep(run));
  const { bp, other, layers, updates } = c;
  const counts = `and ${of(other)} of ${layers} layers updated a step (${titleOf(bp.method)}: ${of(bp)})`;
  if (!(updates > 0) || !Number.isFinite(updates)) return `${counts};`;
  return `${counts}, so that a layer update ${speed(updates)} one of ${titleOf(bp.method)};`;
}

/** Where a gain in steps comes from, as far as the figures tell. */
function cause(c: Compared): string {
  const { bp, other, steps, updates, macs, unlocked } = c;
  if (Math.min(other.trainSeconds, bp.trainSeconds) < SHORT)
    return `less than ${SHORT} s of training is too short to tell why`;
  if (allUpdated(c)) {
    if (steps < 1 + EQUAL) return unlocked ? 'no speed-up from unlocking here' : 'no speed-up here';
    if (computesLess(macs)) return 'nothing is skipped, and there is less to compute';
    return unlocked
      ? 'the gain is from unlocking, since nothing is skipped'
      : 'the gain is not from skipped updates, since nothing is skipped';
  }
  if (steps < 1 + EQUAL) return 'no speed-up here, though updates are skipped';
  const fewer = 1 - updatesPerStep(other) / updatesPerStep(bp);
  if (fewer <= 0) return 'updates are skipped, so that this is no gain from unlocking alone';
  if (updates < 1 + EQUAL) return 'the gain is from skipped updates';
  return fewer < EQUAL
    ? `the gain is more than ${percent(fewer)} fewer updates explain`
    : 'skipped updates are a part of the gain, and not all of it';
}

/** What the ratio of a method's speed to backprop's means, from the figures alone. */
function ratioSentence(record: BenchRecord, bp: RunRecord, other: RunRecord): string {
  const [title, against] = [titleOf(other.method), titleOf(bp.method)];
  // Two schedules are named, since the ratio is of them as well.
  const named = (run: RunRecord) =>
    bp.schedule === other.schedule ? titleOf(run.method) : `${titleOf(run.method)}, ${run.schedule}`;
  const { layers, lambda = 0 } = record.config;
  const compared: Compared = {
    bp,
    other,
    steps: other.stepsPerSecond / bp.stepsPerSecond,
    updates: other.layerUpdatesPerSecond / bp.layerUpdatesPerSecond,
    macs: other.macsPerStep / bp.macsPerStep,
    layers,
    unlocked: isUnlocked(other.method, lambda),
  };
  const { steps, macs } = compared;
  const parts = [
    `${named(other)} : ${named(bp)} = ${significant(steps)} in steps/s:`,
    `a step of ${title} ${speed(steps)} one of ${against}, with ${significant(macs)} times its multiply-adds`,
    updatesPhrase(compared),
    cause(compared),
  ];
  if (bp.test && other.test) {
    const points = 100 * (other.test.accuracy - bp.test.accuracy);
    const after =
      bp.steps === other.steps ? `after ${count(bp.steps)} steps each` : 'after unequal numbers of steps';
    const late = other.staleness ? `, with ${latePhrase(other.staleness)}` : '';
    parts.push(`(test accuracy ${points < 0 ? '' : '+'}${points.toFixed(2)} points ${after}${late})`);
  }
  const sentence = `${parts.join(' ')}.`;
  return record.device.kind === 'gpu'
    ? sentence
    : `${sentence} On a CPU driver: this says nothing about GPUs.`;
}

/**
 * A sentence for each method that was run beside backprop; none when backprop was not run. A run that failed is left
 * out: its time holds steps that do not count.
 */
export function ratioSentences(record: BenchRecord): string[] {
  const timed = record.runs.filter((run) => run.status !== 'failed' && run.stepsPerSecond > 0);
  const bp = timed.find((run) => run.method === 'bp');
  if (!bp) return [];
  return timed.filter((run) => run !== bp).map((run) => ratioSentence(record, bp, run));
}
