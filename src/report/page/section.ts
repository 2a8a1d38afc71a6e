import type { Figure } from '../figures/plot.ts';
import { count } from '../numbers.ts';
import { differing, type Group, optionText, splitBy } from './groups.ts';
import type { Table } from './tables.ts';

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
  ['lr', '0.00003', 'learning rate'],
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
        found.add(`${words} ${value} instead of ${paper === '0.00003' ? '3e-5' : paper}`);
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

/** What tells one experiment from the others: its steps, and the device and the options that are not all the same. */
export function headline(groups: readonly Group[], all: readonly Group[]): string {
  const { steps, device, deviceName, common } = groups[0]!;
  const devices = new Map(all.map((g) => [g.device, g.deviceName]));
  const alone = [...devices.values()].filter((name) => name === deviceName).length === 1;
  const options = differing(all.map((g) => g.common)).flatMap((name) =>
    common[name] === undefined ? [] : [optionText(name, common[name])],
  );
  return [
    `${count(steps)} steps`,
    ...options,
    ...(devices.size > 1 ? [`on ${alone ? deviceName : device}`] : []),
  ].join(', ');
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
