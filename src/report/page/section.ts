import type { Figure } from '../figures/plot.ts';
import { count } from '../numbers.ts';
import { type Group, splitBy } from './groups.ts';
import type { Table } from './tables.ts';
import { differing, optionText, rate } from './words.ts';

/** A table or a figure, and below it what follows from the same numbers. */
export interface Block {
  readonly table?: Table;
  readonly figure?: Figure;
  readonly sentences: readonly string[];
  /** Under this heading, behind what matters more. */
  readonly folded?: string;
}

/** A part of the report. */
export interface Section {
  readonly id: string;
  readonly title: string;
  /** What is shown, in a sentence or two. */
  readonly about: string;
  readonly blocks: readonly Block[];
  /** Which runs would be needed, where there are none. */
  readonly missing?: string;
}

/** Steps of the papers' tables and schedule. */
const PAPER_STEPS = [50_000, 100_000, 500_000];

/** What the papers' runs have in common, by the names in a record. */
const PAPER: readonly (readonly [string, string, string])[] = [
  ['batch', '256', 'batch'],
  ['hidden', '256', 'hidden units'],
  ['lr', '3e-5', 'learning rate'],
  ['optimizer', 'adam', 'optimizer'],
];

/** How runs differ from the papers' protocol, in phrases; none when they do not. */
export function unlikePaper(groups: readonly Group[]): string[] {
  const found = new Set<string>();
  for (const { steps, common } of groups) {
    if (!PAPER_STEPS.includes(steps))
      found.add(`${count(steps)} steps instead of 50,000, 100,000 or 500,000`);
    for (const [name, paper, words] of PAPER) {
      const value = common[name];
      if (value !== undefined && value !== paper && Number(value) !== Number(paper))
        found.add(`${words} ${name === 'lr' ? rate(Number(value)) : value} instead of ${paper}`);
    }
    const data = /"name":"([^"]*)"/.exec(common.data ?? '')?.[1];
    if (data !== undefined && data !== 'MNIST') found.add(`${data} instead of MNIST`);
  }
  return [...found];
}

/** What has to be known before anything is made of some groups' numbers. */
export function caveats(groups: readonly Group[], { times }: { readonly times: boolean }): string[] {
  const notes: string[] = [];
  const unlike = unlikePaper(groups);
  if (unlike.length > 0) notes.push(`Not the papers' experiment: ${unlike.join('; ')}.`);
  if (times && groups.some((g) => g.kind === 'cpu')) {
    const devices = [...new Set(groups.filter((g) => g.kind === 'cpu').map((g) => g.deviceName))];
    notes.push(`Computed by a CPU driver (${devices.join('; ')}): these times say nothing about GPUs.`);
  }
  const commits = new Set(groups.flatMap((g) => g.commits));
  if (times && commits.size > 1)
    notes.push(
      `These runs are of ${commits.size} commits (${[...commits].map(shortCommit).join(', ')}), so that their times may be of different programs.`,
    );
  return notes;
}

/** A commit as one reads it. */
export const shortCommit = (commit: string): string => commit.replace(/^([0-9a-f]{7})[0-9a-f]{33}/, '$1');

/** Groups that can be compared: of one device, number of steps, network width, batch, data, ... */
export const experiments = (groups: readonly Group[]): Group[][] =>
  splitBy(groups, (g) => [g.device, g.kind, g.steps, g.common]);

/** The options that are not the same in all experiments of as many steps, in phrases. */
function traits({ steps, common }: Group, all: readonly Group[]): string[] {
  const beside = all.filter((g) => g.steps === steps);
  return differing(beside.map((g) => g.common)).flatMap((name) =>
    common[name] === undefined ? [] : [optionText(name, common[name])],
  );
}

/** A device by the shortest name that no other has; undefined where there is one only. */
function deviceName(
  { device }: Group,
  all: readonly Group[],
  short: (g: Group) => string,
): string | undefined {
  const names = new Map(all.map((g) => [g.device, short(g)]));
  if (names.size < 2) return undefined;
  const own = names.get(device)!;
  return [...names.values()].filter((name) => name === own).length === 1 ? own : device;
}

/** What tells one experiment from the others: its steps, and the device and the options that are not all the same. */
export function headline(groups: readonly Group[], all: readonly Group[]): string {
  const device = deviceName(groups[0]!, all, (g) => g.deviceName);
  const { steps } = groups[0]!;
  return [`${count(steps)} steps`, ...traits(groups[0]!, all), ...(device ? [`on ${device}`] : [])].join(
    ', ',
  );
}

/**
 * A name for the file of a table or figure that tells what is in it: the schedules, unless all runs are layered, and
 * what tells its experiment from others of as many steps.
 */
export function fileName(stem: string, groups: readonly Group[], all: readonly Group[], end = ''): string {
  const beside = all.filter((g) => g.steps === groups[0]!.steps);
  // What stands in brackets is of the compiler, and makes names long.
  const device = deviceName(groups[0]!, beside, (g) => g.deviceName.replace(/ ?\(.*/, ''));
  const schedules = [...new Set(groups.map((g) => g.variant.schedule!))].sort();
  const told = schedules.join() === 'layered' ? [] : schedules;
  return [stem, ...traits(groups[0]!, all), device, ...told, end].filter((part) => part).join(' ');
}

/** On what some groups of one device were computed: for a figure that stands alone. */
export function madeOn(groups: readonly Group[]): string {
  const { device, kind } = groups[0]!;
  return kind === 'gpu'
    ? `Computed on ${device}.`
    : `Computed on ${device}: a CPU driver, whose times say nothing about GPUs.`;
}

/** A text that is good for a file name and an anchor. */
export const slug = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^-|-$/g, '');

/** A name for a file that no other has yet. */
export function namer(): (text: string) => string {
  const used = new Set<string>();
  return (text) => {
    const base = slug(text);
    let name = base;
    for (let i = 2; used.has(name); i++) name = `${base}-${i}`;
    used.add(name);
    return name;
  };
}

/** Names joined as in a sentence. */
export const listed = (names: readonly string[]): string =>
  names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
