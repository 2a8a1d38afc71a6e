import { count } from '../numbers.ts';
import type { Group, Options } from './groups.ts';

/** A learning rate as one types it: 3e-5, 1e-3, 0.1. */
export const rate = (value: number): string =>
  value > 0 && value < 0.01 ? value.toExponential().replace('e-0', 'e-') : String(value);

/** Names of columns, where the name in a record is not the best. */
const NAMES: Readonly<Record<string, string>> = {
  hidden: 'hidden units',
  lr: 'learning rate',
  lrDrops: 'learning rate / 10 at step',
  trainSamples: 'samples of train accuracy',
  sgHidden: "predictors' hidden layers",
  sgWidth: "predictors' width",
  sgLabels: 'predictors see labels',
  sgOutput: "predictors' output",
  sgLr: "predictors' learning rate",
  sgWarmup: "predictors' warm-up, in steps",
  late: 'late, in steps',
};

/** What the column of an option is called. */
export const optionName = (name: string): string =>
  NAMES[name] ?? name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** The value of an option as it stands in a column. */
export function optionValue(name: string, value: string): string {
  switch (name) {
    case 'lr':
    case 'sgLr':
      return rate(Number(value));
    case 'lrDrops':
      return (JSON.parse(value) as number[]).map(count).join(' and ');
    case 'batch':
    case 'hidden':
    case 'trainSamples':
    case 'sgWidth':
    case 'sgWarmup':
    case 'steps':
      return count(Number(value));
    case 'sgLabels':
      return value === 'true' ? 'yes' : 'no';
    case 'data': {
      const { name: data, train, validation, test } = JSON.parse(value);
      return `${data} (${[train, validation, test].map(count).join(' + ')})`;
    }
    default:
      return value.replace(/["{}[\]]/g, '').replace(/,(?! )/g, ', ');
  }
}

/** An option as it is read in a heading or behind a method's name: '5 layers', 'p = 0.2', 'learning rate 1e-3'. */
export function optionText(name: string, value: string): string {
  const shown = optionValue(name, value);
  switch (name) {
    case 'p':
      return `p = ${shown}`;
    case 'layers':
    case 'steps':
      return `${shown} ${name}`;
    case 'hidden':
      return `${shown} hidden units`;
    case 'device':
    case 'schedule':
      return value;
    case 'data':
      return `data ${shown}`;
    case 'lrDrops':
      return `learning rate divided by 10 at step ${shown}`;
    case 'trainSamples':
      return `train accuracy of ${shown} samples`;
    case 'sgHidden':
      if (value === '0') return 'linear predictors';
      return `predictors of ${shown} hidden ${value === '1' ? 'layer' : 'layers'}`;
    case 'sgWidth':
      return `predictors ${shown} wide`;
    case 'sgLabels':
      return value === 'true' ? 'predictors that see labels' : 'predictors without labels';
    case 'sgOutput':
      return `predictors of ${shown} output`;
    case 'evalEvery':
    case 'diagnose':
      return `${name === 'diagnose' ? 'diagnosed' : 'evaluated'} every ${count(Number(value))} steps`;
    case 'waveStages':
      return `waves of ${shown} dispatches`;
    case 'sgWarmup':
      return `warm-up of ${shown} steps`;
    default:
      return `${optionName(name)} ${shown}`;
  }
}

/** Options in which some things differ: a name for each. */
export function differing(all: readonly Options[]): string[] {
  const names = new Set(all.flatMap((options) => Object.keys(options)));
  return [...names].filter((name) => new Set(all.map((options) => options[name])).size > 1);
}

/**
 * Names for the groups of one table or figure: the method, and what else tells them apart. Where schedules differ,
 * every name says its own, since it is the schedules as well that are compared.
 */
export function labels(groups: readonly Group[], beside: readonly string[] = []): string[] {
  const all = groups.map(
    (g): Options => ({
      ...g.common,
      ...g.variant,
      layers: String(g.layers),
      p: String(g.p),
      device: g.device,
      steps: String(g.steps),
    }),
  );
  const names = differing(all).filter((name) => !beside.includes(name));
  return groups.map((g, i) => {
    const many = groups.filter((other) => other.method === g.method).length > 1;
    const parts = names.flatMap((name) => {
      const value = all[i]![name];
      return value === undefined || !(many || name === 'schedule') ? [] : [optionText(name, value)];
    });
    return [g.title, ...parts].join(', ');
  });
}

/** What of a group comes late, in words: 'its predictors learn from targets one step late'. */
export function latePhrase({ runs }: Group): string | undefined {
  const { gradient = 0, target = 0 } = runs[0]!.run.staleness ?? {};
  const late = (steps: number) => `${steps === 1 ? 'one step' : `${count(steps)} steps`} late`;
  const parts = [
    ...(gradient > 0 ? [`its layers learn from gradients ${late(gradient)}`] : []),
    ...(target > 0 ? [`its predictors ${gradient > 0 ? '' : 'learn '}from targets ${late(target)}`] : []),
  ];
  return parts.length > 0 ? parts.join(' and ') : undefined;
}

/** A sentence for each group of which something comes late; for where accuracies are compared. */
export function lateSentences(groups: readonly Group[]): string[] {
  const names = labels(groups, ['p', 'layers']);
  const sentences = groups.flatMap((g, i) => {
    const phrase = latePhrase(g);
    return phrase ? [`${names[i]}: ${phrase}.`] : [];
  });
  return [...new Set(sentences)];
}
