import { count, significant } from './numbers.ts';
import type { BenchRecord, RunRecord } from './record.ts';
import { titleOf } from './table.ts';

/** Ratios closer to 1 than this are called equal: runs on a busy machine differ by more. */
const EQUAL = 0.03;

/** Seconds of training below which start-up and chance weigh more than what is compared. */
const SHORT = 1;

const speed = (ratio: number): string => {
  if (Math.abs(ratio - 1) < EQUAL) return 'is as fast as';
  return ratio > 1
    ? `is ${significant(ratio)} times as fast as`
    : `takes ${significant(1 / ratio)} times as long as`;
};

/** What the ratio of a method's speed to backprop's means, from the figures alone. */
function ratioSentence(record: BenchRecord, bp: RunRecord, other: RunRecord): string {
  const [title, against] = [titleOf(other.method), titleOf(bp.method)];
  const ratio = other.stepsPerSecond / bp.stepsPerSecond;
  const macs = other.macsPerStep / bp.macsPerStep;
  const parts = [
    `${title} : ${against} = ${significant(ratio)} in steps/s:`,
    `a step of ${title} ${speed(ratio)} one of ${against}, with ${significant(macs)} times its multiply-adds`,
    'and every layer updated in every step by both;',
  ];
  if (Math.min(other.trainSeconds, bp.trainSeconds) < SHORT)
    parts.push(`less than ${SHORT} s of training is too short to tell why`);
  else if (ratio < 1 + EQUAL) parts.push('no speed-up from unlocking here');
  else parts.push('the gain is from unlocking, since nothing is skipped');
  if (bp.test && other.test) {
    const points = 100 * (other.test.accuracy - bp.test.accuracy);
    const steps =
      bp.steps === other.steps ? `after ${count(bp.steps)} steps each` : 'after unequal numbers of steps';
    parts.push(`(test accuracy ${points < 0 ? '' : '+'}${points.toFixed(2)} points ${steps})`);
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
