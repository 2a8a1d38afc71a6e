import type { Command } from 'commander';
import { provenance } from '../../bench/provenance.ts';
import { suites } from '../../bench/suites/index.ts';
import { defaultPath, hostLoad, mergePart, partOf, prepareRecord } from '../../bench/suites/record.ts';
import { LEAST_REPEATS, type Suite } from '../../bench/suites/suite.ts';
import { describe } from '../gpu/adapters.ts';
import { openDevice } from '../gpu/open.ts';
import { busySentences } from './busy.ts';
import { stopOnInterrupt } from './interrupt.ts';
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
  const interrupt =
    suite.count &&
    stopOnInterrupt(
      (line) => console.error(line),
      () => {},
      'the measurement',
    );
  let removeUnused = () => {};
  try {
    const { info } = gpu;
    const path = options.out ?? defaultPath(info);
    removeUnused = await prepareRecord(path, info);
    // As it is now: files may change while the suite runs.
    const made = { ...provenance(), host: hostLoad() };
    say(describe(info));
    say(`commit ${made.commit ?? 'unknown'}, Dawn (webgpu ${made.dawn}), Node ${made.node}`);
    for (const sentence of busySentences(made.host)) say(sentence);
    const date = new Date();
    const failures: string[] = [];
    const failed = (message: string) => void failures.push(message);
    // Widened, as the compiler does not see that a suite may change it.
    let cut = false as boolean;
    const stopped = () => {
      cut ||= interrupt?.signal.aborted === true;
      return cut;
    };
    const context = { gpu, adapter, repeats, quick, note: say, failed, stopped, options };
    const result = await suite.run(context);
    if (cut && suite.count?.(result) === 0) {
      console.error('interrupted before anything was measured: nothing was written');
      return 130;
    }
    const part = {
      ...partOf(info, date, made, { repeats, quick }, result),
      ...(cut && { interrupted: true as const }),
    };
    say(suite.table(result));
    if (quick) say('--quick: to see that it works, not to be quoted');
    // Before it is written, so that a full disk does not take the results along.
    if (json) process.stdout.write(`${JSON.stringify(part, null, 2)}\n`);
    const { suites: parts } = await mergePart(path, suite.name, part);
    const isKept = parts[suite.name] === part;
    if (isKept) say(`written: ${path} (${Object.keys(parts).join(', ')})`);
    // What stands beside a whole result stays with it.
    if (isKept) await suite.finish?.(result, context);
    for (const message of failures) process.stderr.write(`syngrad: ${message}\n`);
    if (cut) {
      console.error(
        isKept
          ? `interrupted: ${path} holds what was done`
          : `interrupted: ${path} keeps the whole result of ${parts[suite.name]!.date} that it holds`,
      );
      return 130;
    }
    return failures.length > 0 ? 1 : 0;
  } finally {
    interrupt?.done();
    removeUnused();
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
