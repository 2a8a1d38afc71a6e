import type { Command } from 'commander';
import { provenance } from '../../bench/provenance.ts';
import { suites } from '../../bench/suites/index.ts';
import { defaultPath, hostLoad, mergePart, partOf, prepareRecord } from '../../bench/suites/record.ts';
import { LEAST_REPEATS, type Suite } from '../../bench/suites/suite.ts';
import { describe } from '../gpu/adapters.ts';
import { openDevice } from '../gpu/open.ts';
import { busySentences } from './busy.ts';
import { adapterOption, integer, nonEmpty } from './options.ts';

/** What the options of a suite have been read to; options of a suite's own beside them. */
export interface SuiteOptions {
  readonly adapter?: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly repeats: number;
  readonly quick?: boolean;
  readonly [own: string]: unknown;
}

/** Most repeats that are believed to be meant. */
const MOST_REPEATS = 1000;

/**
 * `syngrad bench <suite>`: opens the device, checks and measures, prints the table, merges what was found into the
 * device's record.
 *
 * @throws whatever stopped it; the record is as it was then
 */
export async function runSuite(suite: Suite, options: SuiteOptions): Promise<number> {
  const { adapter, json = false, quick = false, repeats } = options;
  // With --json, stdout holds the result and nothing else.
  const stream = json ? process.stderr : process.stdout;
  const say = (line: string) => stream.write(`${line}\n`);
  const gpu = await openDevice({ adapter, fast: true });
  try {
    const { info } = gpu;
    const path = options.out ?? defaultPath(info);
    await prepareRecord(path, info);
    // As it is now: files may change while the suite runs.
    const made = { ...provenance(), host: hostLoad() };
    say(describe(info));
    say(`commit ${made.commit ?? 'unknown'}, Dawn (webgpu ${made.dawn}), Node ${made.node}`);
    for (const sentence of busySentences(made.host)) say(sentence);
    const date = new Date();
    const failures: string[] = [];
    const failed = (message: string) => void failures.push(message);
    const result = await suite.run({ gpu, adapter, repeats, quick, note: say, failed, options });
    const part = partOf(info, date, made, { repeats, quick }, result);
    say(suite.table(result));
    if (quick) say('--quick: to see that it works, not to be quoted');
    // Before it is written, so that a full disk does not take the results along.
    if (json) process.stdout.write(`${JSON.stringify(part, null, 2)}\n`);
    const { suites: parts } = await mergePart(path, suite.name, part);
    say(`written: ${path} (${Object.keys(parts).join(', ')})`);
    for (const message of failures) process.stderr.write(`syngrad: ${message}\n`);
    return failures.length > 0 ? 1 : 0;
  } finally {
    gpu.destroy();
  }
}

/** Adds a command for each suite below `bench`. */
export function addSuiteCommands(bench: Command, done: (code: number) => void): void {
  // Options behind a suite's name are the suite's, though some are called as the benchmark's own. Whoever is above has to
  // leave them alone too.
  for (let at: Command | null = bench; at; at = at.parent) at.enablePositionalOptions();
  for (const suite of suites.values()) {
    const command = bench
      .command(suite.name)
      .description(suite.about)
      .addOption(adapterOption())
      .option(
        '--out <file>',
        "the device's record, which the result is put into; runs/suites-<device>.json by default",
        nonEmpty('--out'),
      )
      .option(
        '--repeats <n>',
        'repeats behind each median',
        (text) => integer('--repeats', text, LEAST_REPEATS, MOST_REPEATS),
        LEAST_REPEATS,
      )
      .option('--quick', 'the shortest form, to see that it works')
      .option('--json', 'print the result on stdout, and nothing else there');
    for (const { flags, about, read } of suite.options ?? []) {
      if (read) command.option(flags, about, (text) => read(text));
      else command.option(flags, about);
    }
    command.action(async (options: SuiteOptions) => done(await runSuite(suite, options)));
  }
}
