import {
  computesLess,
  EQUAL,
  isUnlocked as isUnlockedRule,
  SHORT,
  updatesEvery,
  updatesFewer,
} from '../claims.ts';
import { percent, significant } from '../numbers.ts';
import type { Group } from './groups.ts';
import { type Summary, standing } from './statistics.ts';

/** Whether a group's layers are unlocked: with a share of the true gradient mixed in, they wait for it after all. */
export const isUnlocked = (g: Group): boolean => isUnlockedRule(g.method, Number(g.variant.lambda ?? 0));

/** Whether every layer is updated in every step, as far as the counts tell. */
export const updatesAll = (g: Group): boolean => updatesEvery(g.updatesPerStep.mean, g.layers);

/** What is to be said of a difference beside the difference itself. */
export function spreadNote(a: Group, b: Group, of: (g: Group) => Summary): string {
  switch (standing(of(a), of(b))) {
    case 'unknown':
      return 'with a single seed the spread is not known';
    case 'within':
      return "within the seeds' spread";
    default:
      return "beyond the seeds' spread";
  }
}

/** A number in a sentence: three digits, and no zeros behind them. */
export const plain = (value: number): string => {
  const text = significant(value);
  return /^\d*\.\d*$/.test(text) ? String(Number(text)) : text;
};

/** How long `a` takes beside `b`, in words, from the ratio of the times. */
export function slowness(ratio: number): string {
  if (Math.abs(ratio - 1) < EQUAL) return 'takes as long as';
  return ratio > 1 ? `takes ${plain(ratio)} times as long as` : `is ${plain(1 / ratio)} times as fast as`;
}

/** A mean time of `a` over that of `b`. */
export const timeRatio = (a: Group, b: Group, of = (g: Group) => g.secondsPerStep): number =>
  of(a).mean / of(b).mean;

/** Whether a time differs by more than chance, as far as is known. */
export function differs(a: Group, b: Group, of = (g: Group) => g.secondsPerStep): boolean {
  return Math.abs(timeRatio(a, b, of) - 1) >= EQUAL && standing(of(a), of(b)) !== 'within';
}

/** Accuracies side by side: '0.42 points lower (96.10 % against 96.52 %; ...)'. */
export function accuracySentence(
  a: Group,
  b: Group,
  what: string,
  of: (g: Group) => Summary,
): string | undefined {
  const [one, other] = [of(a), of(b)];
  if (one.n === 0 || other.n === 0) return undefined;
  const points = 100 * (one.mean - other.mean);
  const values = `${percent(one.mean)} against ${percent(other.mean)}`;
  const size = Math.abs(points) < 0.005 ? 'the same' : `${Math.abs(points).toFixed(2)} points`;
  const side = size === 'the same' ? '' : points < 0 ? ' lower' : ' higher';
  return `Its ${what} is ${size}${side} ${side ? 'than' : 'as'} that of ${b.title} (${values}; ${spreadNote(a, b, of)}).`;
}

const layersOf = (value: number): string => `${plain(value)} ${plain(value) === '1' ? 'layer' : 'layers'}`;

/** Where a difference in the time of a step comes from, as far as the counts tell. */
function reason(other: Group, bp: Group): string {
  const name = bp.title;
  const shortest = Math.min(other.trainSeconds.min, bp.trainSeconds.min);
  const ratio = timeRatio(other, bp);
  const work = other.macsPerStep.mean / bp.macsPerStep.mean;
  const [mine, its] = [other.updatesPerStep.mean, bp.updatesPerStep.mean];
  if (shortest < SHORT) return `Less than ${SHORT} s of training is too short to tell why.`;
  const skipping = updatesFewer(mine, its);
  if (ratio < 1 && differs(other, bp)) {
    if (skipping) {
      const each = slowness(timeRatio(other, bp, (g) => g.secondsPerLayerUpdate));
      return (
        `It updates ${layersOf(mine)} a step, ${name} ${plain(its)}: gained by skipped updates; ` +
        `a layer update of it ${each} one of ${name}.`
      );
    }
    if (!updatesAll(other) || !updatesAll(bp))
      return `Both skip updates (${plain(mine)} and ${plain(its)} layers a step are updated), so the gain is not from skipping more.`;
    if (!isUnlocked(other))
      return 'Every layer is updated in every step by both, and this rule unlocks no layer here: the gain is neither from unlocking nor from skipped updates.';
    if (computesLess(work))
      return `Every layer is updated in every step by both, but with ${plain(work)} times the multiply-adds: the gain may be from less work, not from unlocking.`;
    return `Every layer is updated in every step by both, with ${plain(work)} times the multiply-adds: the gain is from unlocking.`;
  }
  const skipped = skipping
    ? `although it updates ${layersOf(mine)} a step and ${name} ${plain(its)}`
    : updatesAll(other) && updatesAll(bp)
      ? 'with every layer updated in every step by both'
      : `with ${plain(mine)} and ${plain(its)} layers updated a step`;
  const gain = isUnlocked(other) ? 'no gain from unlocking here' : 'no gain here';
  return `That is with ${plain(work)} times the multiply-adds, ${skipped}: ${gain}.`;
}

/** What a method's time and accuracy are beside those of backprop in the same experiment, and why. */
export function againstBackprop(other: Group, bp: Group, names: (g: Group) => string): string {
  const ratio = timeRatio(other, bp);
  const of = (g: Group) => g.secondsPerStep;
  const parts = [
    `${names(other)}: a step ${slowness(ratio)} one of ${names(bp)} (${spreadNote(other, bp, of)}).`,
    reason(other, bp),
    accuracySentence(other, bp, 'test accuracy', (g) => g.testAccuracy),
  ];
  return parts.filter((part) => part !== undefined).join(' ');
}

/**
 * Takes the step from backprop to a rule with skipped updates apart: what the rule itself costs or gains with every
 * layer updated, and what skipping does, to the rule and to backprop.
 */
export function confoundSentence(bp: Group, bpSkipping: Group, sg: Group, sgSkipping: Group): string {
  const p = `p = ${sgSkipping.p}`;
  const whole = timeRatio(sgSkipping, bp);
  const rule = timeRatio(sg, bp);
  const skipped = timeRatio(sgSkipping, sg);
  const backprop = timeRatio(bpSkipping, bp);
  const each = timeRatio(sgSkipping, bp, (g) => g.secondsPerLayerUpdate);
  const factor = (ratio: number) => plain(1 / ratio);
  const own = differs(sg, bp);
  const clean = isUnlocked(sg) && updatesAll(sg) && updatesAll(bp);
  const verdict = !own
    ? 'no difference to speak of'
    : rule > 1
      ? 'a loss'
      : clean
        ? 'a gain with nothing skipped, from unlocking'
        : 'a gain';
  const conclusion = !differs(sgSkipping, bp)
    ? "Even with skipped updates there is no difference beyond the seeds' spread."
    : whole >= 1
      ? 'Even with skipped updates there is no gain.'
      : own && rule < 1
        ? "So a part of the gain is the rule's own and a part is from skipped updates."
        : 'So all of the gain is from skipped updates, and none from unlocking.';
  const idle =
    sgSkipping.idleShare.n > 0 && sgSkipping.idleShare.mean > 0
      ? ` In ${percent(sgSkipping.idleShare.mean)} of the steps at ${p} nothing is updated at all.`
      : '';
  return (
    `${sg.title} at ${p} does ${factor(whole)} times the steps a second of ${bp.title} at p = ${bp.p}. ` +
    `This factor is ${factor(rule)} × ${factor(skipped)}: ${factor(rule)} is the rule's own (both at p = ${sg.p}: ${verdict}), ` +
    `${factor(skipped)} comes from skipped updates (p = ${sgSkipping.p} against p = ${sg.p}). ${conclusion} ` +
    `Skipping alike, ${bp.title} does ${factor(backprop)} times its steps. ` +
    `A layer update of ${sg.title} at ${p} ${slowness(each)} one of ${bp.title} at p = ${bp.p}.${idle}`
  );
}
