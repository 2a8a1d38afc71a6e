import { extname } from 'node:path';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { checkWritable } from '../../bench/suites/picture.ts';
import { type TuneOutcome, tune } from '../../bench/tune.ts';
import { TUNED, tilesText } from '../../bench/tune-candidates.ts';
import type { TuneShape } from '../../bench/tune-contest.ts';
import { mergeTable, readTable, tablePath } from '../../bench/tune-table.ts';
import { InputError } from '../errors.ts';
import { describe } from '../gpu/adapters.ts';
import { openDevice } from '../gpu/open.ts';
import type { TilesEntry } from '../kernels/tiles.ts';
import { significant } from '../report/numbers.ts';
import { TABLE_STYLE } from '../report/table.ts';
import { adapterOption, integer, nonEmpty } from './options.ts';

/** What the options of `tune` have been read to. */
interface TuneOptions {
  readonly adapter?: string;
  readonly shapes?: readonly TuneShape[];
  readonly schedules?: readonly string[];
  readonly seconds: number;
  readonly out?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Units of a hidden layer, as in the paper, unless a shape says otherwise. */
const HIDDEN = 256;

/** Shapes of which one is near to whatever is commonly trained, the paper's first; on a CPU driver few, since each takes long. */
const SHAPES = { gpu: '4x256,4x64,4x1024,8x64,8x256,8x1024', cpu: '4x256,8x64' };

/** What the sizes of a shape are, in order. */
const SIZES = ['layers', 'batch', 'hidden'];

const SECONDS = 300;

/** The name of a schedule on the command line. */
const optionName = (schedule: string): string => schedule.replaceAll(' ', '-');

/** Reads shapes: depth x batch, and the units of a hidden layer where they are not the paper's. */
export function shapes(text: string): TuneShape[] {
  return text.split(',').map((part) => {
    const sizes = part.trim().split('x');
    if (sizes.length < 2 || sizes.length > 3) {
      throw new InputError(
        `--shapes: expected layers x batch (x hidden) such as 4x256,8x64, found '${text}'`,
      );
    }
    const [layers, batch, hidden = HIDDEN] = sizes.map((size, i) =>
      integer(`--shapes ${part.trim()}, ${SIZES[i]}`, size, [2, 2, 1][i]!, [32, 55_000, 65_536][i]!),
    ) as [number, number, number?];
    return { layers, batch, hidden };
  });
}

/** Reads schedules, each known and given once. */
export function tunedSchedules(text: string): string[] {
  const known = new Map([...TUNED.keys()].map((name) => [optionName(name), name]));
  const found = text.split(',').map((part) => {
    const name = known.get(part.trim());
    if (name === undefined) {
      throw new InputError(`--schedules: expected some of ${[...known.keys()].join(', ')}, found '${part}'`);
    }
    return name;
  });
  return [...new Set(found)];
}

/** What was found, a line for each schedule and shape. */
function outcomeTable({ entries }: TuneOutcome): string {
  const table = new Table({
    ...TABLE_STYLE,
    head: ['schedule', 'layers', 'batch', 'steps/s', 'times as fast\n(p10 to p90)', 'constants'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'left'],
  });
  for (const { schedule, layers, batch, tiles, measured } of entries) {
    const { ratio, stepsPerSecond } = measured;
    const faster = `${ratio.median.toFixed(2)} (${ratio.p10.toFixed(2)} to ${ratio.p90.toFixed(2)})`;
    table.push([
      schedule,
      layers,
      batch,
      significant(stepsPerSecond),
      ratio.repeats > 0 ? faster : 'the usual',
      tilesText(tiles).replaceAll('; ', '\n'),
    ]);
  }
  return table.toString();
}

/** Where the table was written, and how long it stays there. */
export const writtenTo = (path: string, own = tablePath()): string =>
  path === own && /[\\/]node_modules[\\/]/.test(path)
    ? `written: ${path}, which the next install of syngrad replaces`
    : `written: ${path}`;

/**
 * `syngrad tune`: finds the constants that the fused kernels are fastest with on a device, and writes them into the
 * table that schedules are recorded by.
 */
export async function runTune(options: TuneOptions): Promise<number> {
  const {
    adapter,
    schedules = [...TUNED.keys()],
    seconds,
    dryRun = false,
    json = false,
    out = tablePath(),
  } = options;
  // With --json, stdout holds the entries and nothing else.
  const stream = json ? process.stderr : process.stdout;
  const say = (line: string) => stream.write(`${line}\n`);
  if (!dryRun) {
    // Before anything is measured for it.
    if (!/\.[jt]s$/.test(out)) {
      throw new InputError(
        `--out ${out}: expected a file that ends in .ts or .js, since tune writes a module, found ${extname(out) || 'no ending'}`,
      );
    }
    await readTable(out);
    await checkWritable('--out', out);
  }
  const gpu = await openDevice({ adapter, fast: true });
  try {
    say(describe(gpu.info));
    const wanted = options.shapes ?? shapes(SHAPES[gpu.info.kind]);
    const keep = dryRun ? undefined : (entry: TilesEntry) => mergeTable(out, gpu.info, [entry]);
    const outcome = await tune(gpu, { schedules, shapes: wanted, seconds, note: say, ...(keep && { keep }) });
    say(outcomeTable(outcome));
    if (json) process.stdout.write(`${JSON.stringify(outcome, null, 2)}\n`);
    if (dryRun) say('--dry-run: nothing was written');
    else if (outcome.entries.length > 0) say(writtenTo(out));
    for (const wrong of outcome.wrong) {
      process.stderr.write(
        `syngrad: these constants compute something else than they should on ${gpu.info.name}, and were left out: ${wrong}\n`,
      );
    }
    return outcome.wrong.length > 0 ? 1 : 0;
  } finally {
    gpu.destroy();
  }
}

/** Adds the command; `ended` is told its exit code. */
export function addTuneCommand(program: Command, ended: (code: number) => void): void {
  const names = [...TUNED.keys()].map(optionName);
  program
    .command('tune')
    .description('finds the tile sizes and splits that the fused kernels are fastest with on a device')
    .addOption(adapterOption())
    .option('--shapes <list>', `layers x batch (x hidden); ${SHAPES.gpu} by default`, shapes)
    .option('--schedules <list>', `among ${names.join(', ')}; all by default`, tunedSchedules)
    .option(
      '--seconds <n>',
      'about how long it may take',
      (text) => integer('--seconds', text, 1, 86_400),
      SECONDS,
    )
    .option(
      '--out <file>',
      "the table that lines are put into; the program's own by default",
      nonEmpty('--out'),
    )
    .option('--dry-run', 'measure and print, and write nothing')
    .option('--json', 'print what was found on stdout, and nothing else there')
    .action(async (options: TuneOptions) => {
      ended(await runTune(options));
    });
}
