import { hasSyntheticGradients, SHORT } from '../claims.ts';
import { percent, significant } from '../numbers.ts';
import { differs, isUnlocked, mayBeSchedule, slowness, timeRatio, updatesAll } from './compare.ts';
import { type Group, isOneSession, ruleOf, sibling, splitBy, timedTogether } from './groups.ts';
import { type Block, caveats, experiments, fileName, headline, type namer, type Section } from './section.ts';
import { GOAL } from './statistics.ts';
import { groupTable } from './tables.ts';
import { labels, lateSentences } from './words.ts';

/** The schedule of a run beside that of another, where they are not the same: 'layered instead of wave'. */
const moved = (to: Group, from: Group): string | undefined =>
  to.variant.schedule === from.variant.schedule
    ? undefined
    : `${to.variant.schedule} instead of ${from.variant.schedule}`;

/** Whether the rule itself gains, with every layer updated. */
function verdictOf(sg: Group, bp: Group): string {
  if (!differs(sg, bp)) return 'no difference to speak of';
  if (timeRatio(sg, bp) > 1) return 'a loss';
  if (Math.min(sg.trainSeconds.min, bp.trainSeconds.min) < SHORT)
    return 'a gain, in runs too short to tell why';
  const clean = isUnlocked(sg) && updatesAll(sg) && updatesAll(bp) && !mayBeSchedule(sg, bp);
  return clean ? 'a gain with nothing skipped, from unlocking' : 'a gain';
}

/** What follows about the gain; nothing about its parts where schedules differ, since they have a part in it too. */
function conclusionOf(bp: Group, sg: Group, sgSkipping: Group): string {
  const isMixed = moved(sgSkipping, sg) !== undefined || mayBeSchedule(sg, bp);
  if (isMixed)
    return 'What skipped updates have to do with it cannot be told from these runs, since their schedules differ; with --schedule layered all run alike.';
  if (!differs(sgSkipping, bp))
    return "Even with skipped updates there is no difference beyond the seeds' spread.";
  if (timeRatio(sgSkipping, bp) >= 1) return 'Even with skipped updates there is no gain.';
  return differs(sg, bp) && timeRatio(sg, bp) < 1
    ? "So a part of the gain is the rule's own and a part is from skipped updates."
    : 'So all of the gain is from skipped updates, and none from unlocking.';
}

/**
 * Takes the step from backprop to a rule with skipped updates apart: what the rule itself costs or gains with every
 * layer updated, and what skipping does, to the rule and to backprop.
 */
export function confoundSentence(bp: Group, bpSkipping: Group, sg: Group, sgSkipping: Group): string {
  const p = `p = ${sgSkipping.p}`;
  const factor = (a: Group, b: Group) => significant(1 / timeRatio(a, b));
  const [whole, rule, skipped] = [factor(sgSkipping, bp), factor(sg, bp), factor(sgSkipping, sg)];
  const each = timeRatio(sgSkipping, bp, (g) => g.secondsPerLayerUpdate);
  const [sgMoved, bpMoved] = [moved(sgSkipping, sg), moved(bpSkipping, bp)];
  const idle =
    sgSkipping.idleShare.n > 0 && sgSkipping.idleShare.mean > 0
      ? ` In ${percent(sgSkipping.idleShare.mean)} of the steps at ${p} nothing is updated at all.`
      : '';
  return (
    `${sg.title} at ${p} does ${whole} times the steps a second of ${bp.title} at p = ${bp.p}. ` +
    `This factor is ${rule} × ${skipped}: ${rule} is the rule's own (both at p = ${sg.p}: ${verdictOf(sg, bp)}), ` +
    `${skipped} comes from skipped updates (p = ${sgSkipping.p} against p = ${sg.p})` +
    `${sgMoved ? ` and from another schedule (${sgMoved})` : ''}. ${conclusionOf(bp, sg, sgSkipping)} ` +
    `Skipping alike, ${bp.title} does ${factor(bpSkipping, bp)} times its steps${bpMoved ? ` (${bpMoved})` : ''}. ` +
    `A layer update of ${sg.title} at ${p} ${slowness(each)} one of ${bp.title} at p = ${bp.p}.${idle}`
  );
}

/** Skipping is told from unlocking at this update probability, where it is there; else at the smallest. */
const SKIPPING = 0.2;

/** Backprop and synthetic-gradient rules, each with every layer updated and with most updates skipped. */
interface Apart {
  readonly bp: Group;
  readonly skipping: Group;
  readonly pairs: readonly (readonly [Group, Group])[];
}

function apart(groups: readonly Group[]): Apart | undefined {
  const bps = groups.filter((g) => g.method === 'bp');
  const bp = bps.find((g) => g.p === 1);
  const p = (bps.find((g) => g.p === SKIPPING) ?? bps.filter((g) => g.p < 1).at(-1))?.p;
  if (!bp || p === undefined) return undefined;
  const pairs = groups
    .filter((g) => g.p === 1 && hasSyntheticGradients(g.method))
    .flatMap((sg) => {
      const other = sibling(groups, sg, sg.method, { p });
      return other ? [[sg, other] as const] : [];
    });
  return pairs.length > 0 ? { bp, skipping: sibling(groups, bp, 'bp', { p })!, pairs } : undefined;
}

/**
 * What can be taken apart in runs that are alike but for method, schedule and update probability: where all four are
 * of one schedule, those. Kernels that update every layer in every step leave runs that skip updates to the layered
 * schedule; rules of which there is nothing better are compared over two schedules.
 */
function apartIn(same: readonly Group[]): Apart[] {
  const alike = splitBy(same, (g) => g.variant.schedule).flatMap((part) => apart(part) ?? []);
  const done = new Set(alike.flatMap(({ pairs }) => pairs.map(([sg]) => ruleOf(sg))));
  return [...alike, ...[apart(same.filter((g) => !done.has(ruleOf(g)))) ?? []].flat()];
}

/** Without their schedules, which may be others where updates are skipped; unless nothing else tells them apart. */
function namesOf(rules: readonly Group[]): string[] {
  const names = labels(rules, ['schedule']);
  return new Set(names).size === names.length ? names : labels(rules);
}

/** SG and BP with every layer updated and with most updates skipped. */
export function confoundSection(groups: readonly Group[], name: ReturnType<typeof namer>): Section {
  const blocks = experiments(groups).flatMap((set) =>
    splitBy(set, (g) => g.layers)
      .flatMap(apartIn)
      .map(({ bp, skipping, pairs }): Block => {
        const rows = [bp, ...pairs.map(([sg]) => sg), skipping, ...pairs.map(([, other]) => other)];
        const columns = ['step', 'update', 'updates', 'macs', 'dispatches', 'testAccuracy', 'goal'] as const;
        const title = `Unlocking and skipping apart: ${headline(set, groups)}, ${bp.layers} layers`;
        const id = name(fileName(`table-confound-${bp.steps}-steps`, rows, groups));
        const titles = namesOf(pairs.map(([sg]) => sg));
        const sentences = pairs.map(([sg, other], i) => {
          const timed = timedTogether([bp, skipping, { ...sg, title: titles[i]! }, other]);
          return timed
            ? confoundSentence(...timed)
            : `${titles[i]}: no record has all four beside each other, so that nothing can be said of their speeds.`;
        });
        return {
          table: groupTable(id, title, rows, columns, ['p']),
          sentences: [
            ...sentences,
            ...(isOneSession(rows) ? [goalSentence(rows)] : []),
            ...lateSentences(rows),
            ...caveats(rows, { times: true }),
          ],
        };
      }),
  );
  return {
    id: 'confound',
    title: 'Where the gain comes from',
    about: `With update probability p, each layer is updated in a step with that chance only, and work that no update needs is left out. Time to ${100 * GOAL} % is the training time at the first evaluation at or above that validation accuracy.`,
    blocks,
    ...(blocks.length === 0 && {
      missing:
        'No experiment has backprop and a synthetic-gradient rule both at p = 1 and at a smaller p: `syngrad sweep --experiment confound`',
    }),
  };
}

/** Who got to the goal first. */
function goalSentence(rows: readonly Group[]): string {
  const names = labels(rows, ['p']);
  const goal = `${100 * GOAL} % validation accuracy`;
  const there = rows
    .map((g, i) => ({ name: `${names[i]} at p = ${g.p}`, g }))
    .filter(({ g }) => g.secondsToGoal.n === g.runs.length)
    .sort((a, b) => a.g.secondsToGoal.mean - b.g.secondsToGoal.mean);
  const [first, second] = there;
  if (!first) return `None of them got to ${goal} with every seed.`;
  const time = `${significant(first.g.secondsToGoal.mean)} s`;
  if (!second) return `Only ${first.name} got to ${goal} with every seed, in ${time}.`;
  const of = (g: Group) => g.secondsToGoal;
  const lead = differs(second.g, first.g, of)
    ? `${significant(timeRatio(second.g, first.g, of))} times as quick as`
    : 'no different from';
  return `To ${goal}, ${first.name} was the first (${time}), ${lead} the next, ${second.name}.`;
}
