import {
  computesLess,
  EQUAL,
  isUnlocked as isUnlockedRule,
  SHORT,
  updatesEvery,
  updatesFewer,
} from '../claims.ts';
import { percent, significant } from '../numbers.ts';
import { type Group, timedTogether } from './groups.ts';
import { type Summary, standing } from './statistics.ts';
import { latePhrase } from './words.ts';

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

/** How many times as much something is: with three digits, as on the console. */
const times = (ratio: number): string => `${significant(ratio)} times`;

/** A count that may be a mean, in a sentence: three digits, and no zeros behind them. */
export const plain = (value: number): string => {
  const text = significant(value);
  return /^\d*\.\d*$/.test(text) ? String(Number(text)) : text;
};

/** How long `a` takes beside `b`, in words, from the ratio of the times. */
export function slowness(ratio: number): string {
  if (Math.abs(ratio - 1) < EQUAL) return 'takes as long as';
  return ratio > 1 ? `takes ${times(ratio)} as long as` : `is ${times(1 / ratio)} as fast as`;
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
  const late = latePhrase(a);
  return `Its ${what} is ${size}${side} ${side ? 'than' : 'as'} that of ${b.title} (${values}; ${spreadNote(a, b, of)})${late ? `; ${late}` : ''}.`;
}

/** So many layers, in words. */
export const layersOf = (value: number): string =>
  `${plain(value)} ${plain(value) === '1' ? 'layer' : 'layers'}`;

/**
 * Whether the schedule alone may be what makes a group faster than backprop. Of fused backprop beside a wave it is not:
 * that is what each can do best with the same kernels.
 */
export const mayBeSchedule = (other: Group, bp: Group): boolean =>
  other.variant.schedule !== bp.variant.schedule &&
  !(bp.variant.schedule === 'fused' && other.variant.schedule!.startsWith('wave'));

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
    if (mayBeSchedule(other, bp))
      return `The schedules are not the same (${other.variant.schedule} and ${bp.variant.schedule}): the gain may be from that, not from unlocking.`;
    if (!isUnlocked(other))
      return 'Every layer is updated in every step by both, and this rule unlocks no layer here: the gain is neither from unlocking nor from skipped updates.';
    if (computesLess(work))
      return `Every layer is updated in every step by both, but with ${times(work)} the multiply-adds: the gain may be from less work, not from unlocking.`;
    return `Every layer is updated in every step by both, with ${times(work)} the multiply-adds: the gain is from unlocking.`;
  }
  const skipped = skipping
    ? `although it updates ${layersOf(mine)} a step and ${name} ${plain(its)}`
    : updatesAll(other) && updatesAll(bp)
      ? 'with every layer updated in every step by both'
      : `with ${plain(mine)} and ${plain(its)} layers updated a step`;
  const gain = `no gain${isUnlocked(other) ? ' from unlocking' : ''} here${
    mayBeSchedule(other, bp)
      ? `, with unlike schedules (${other.variant.schedule} and ${bp.variant.schedule})`
      : ''
  }`;
  return `That is with ${times(work)} the multiply-adds, ${skipped}: ${gain}.`;
}

/** What a method's time and accuracy are beside those of backprop in the same experiment, and why. */
export function againstBackprop(other: Group, bp: Group, names: (g: Group) => string): string {
  const timed = timedTogether([other, bp]);
  const of = (g: Group) => g.secondsPerStep;
  const speed = timed && [
    `${names(other)}: a step ${slowness(timeRatio(...timed))} one of ${names(bp)} (${spreadNote(...timed, of)}).`,
    reason(...timed),
  ];
  const parts = [
    ...(speed ?? [
      `${names(other)}: no record has it beside ${names(bp)}, so that nothing can be said of their speeds.`,
    ]),
    accuracySentence(other, bp, 'test accuracy', (g) => g.testAccuracy),
  ];
  return parts.filter((part) => part !== undefined).join(' ');
}
