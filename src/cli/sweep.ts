import { join } from 'node:path';
import type { Command } from 'commander';
import { experiments } from '../../bench/experiments.ts';
import { type Fallback, runSweep } from '../../bench/sweep.ts';
import { SweepFolder } from '../../bench/sweep-folder.ts';
import { CostEstimate } from '../../bench/sweep-grid.ts';
import { InputError } from '../errors.ts';
import { describe } from '../gpu/adapters.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { openDevice } from '../gpu/open.ts';
import { duration, percent } from '../report/numbers.ts';
import type { BenchRecord } from '../report/record.ts';
import { titleOf } from '../report/table.ts';
import { readData } from './data.ts';
import { stopOnInterrupt } from './interrupt.ts';
import { methods, methodsHelp } from './options.ts';
import {
  experimentName,
  NOT_TAKEN,
  planSweep,
  runOptions,
  type SweepRequest,
  scale,
  seeds,
  setting,
} from './sweep-plan.ts';

/** A line that is written over by the next one, on a terminal; nothing elsewhere. */
function statusLine(isOn: boolean): (text: string) => void {
  const { stdout } = process;
  if (!isOn || !stdout.isTTY) return () => {};
  return (text) => stdout.write(`\r\u001b[K${text.slice(0, stdout.columns - 1)}`);
}

/** What became of a cell, in a phrase. */
function outcomeOf({ runs: [run] }: BenchRecord, seconds: number): string {
  return run!.status === 'failed'
    ? `failed: ${run!.error}`
    : `test accuracy ${percent(run!.test!.accuracy)}, ${duration(seconds)}`;
}

const deviceOf = ({ device: { name, driver, backend } }: Pick<BenchRecord, 'device'>): string =>
  [name, driver, backend].filter((part) => part !== '').join(', ');

/** That cells of a method have another schedule than was asked for, and why. */
function fallbackNote({ method, cells: all, to }: Fallback): string {
  const parts = to.map(({ schedule, cells, because }, i) => {
    const where = cells === all ? '' : ` in ${cells}${i === 0 ? ` of its ${all} cells` : ''}`;
    return `${schedule}${where} (${because})`;
  });
  return `${titleOf(method)} runs ${parts.join(', ')}`;
}

/** A warning where cells were run on other devices than the rest will be. */
function otherDevices(records: Iterable<BenchRecord>, gpu: Gpu): string | undefined {
  const here = deviceOf({ device: gpu.info });
  const others = new Set([...records].map(deviceOf).filter((name) => name !== here));
  if (others.size === 0) return undefined;
  return `warning: cells that are done ran on ${[...others].join(' and on ')}, the rest run on ${here}: their times do not compare`;
}

/**
 * `syngrad sweep`: runs the cells of a grid that are not done, and keeps the record of each. Returns the exit code: 0,
 * 1 when cells failed, or 130 after an interruption.
 *
 * @throws whatever stopped it; the cells that had ended by then have been kept.
 */
export async function sweep(request: SweepRequest): Promise<number> {
  const dataset = await readData(request.data, request.conventions);
  const wanted = planSweep(request, dataset);
  const time = wanted.date.slice(0, 19).replaceAll(':', '-');
  const folder = await SweepFolder.open(request.out ?? join('runs', `${time}-sweep`));
  const leave = () => folder.leave();
  process.once('exit', leave);
  const interrupt = stopOnInterrupt((line) => console.error(line), leave);
  const status = statusLine(!request.quiet);
  const warn = (line: string) => {
    status('');
    console.error(line);
  };
  const say = request.quiet
    ? () => {}
    : (line: string) => {
        status('');
        process.stdout.write(`${line}\n`);
      };
  let gpu: Gpu | undefined;
  try {
    const manifest = folder.take(wanted);
    const { cells } = manifest;
    const done = await folder.records(cells, warn);
    const left = cells.filter((cell) => !done.has(cell.id));
    const estimate = new CostEstimate();
    for (const { config, runs } of done.values()) estimate.learn(config, runs[0]!, runs[0]!.trainSeconds);
    if (left.length > 0) {
      gpu = await openDevice({ adapter: request.adapter, fast: true });
      const { info } = gpu;
      const others = otherDevices(done.values(), gpu);
      await runSweep(
        gpu,
        dataset,
        cells,
        left,
        {
          onStart: async () => {
            await folder.begin(manifest);
            say(describe(info));
            say(manifest.note);
            if (done.size > 0) say(`${done.size} of ${cells.length} cells are done already`);
            if (others) warn(others);
          },
          // Also under --quiet: what is compared is not what was asked for.
          onFallback: (fallback) => warn(fallbackNote(fallback)),
          onCellStart: ({ id }) => status(`${done.size + 1} of ${cells.length} ${id}`),
          onProgress: (_, { step, steps }) =>
            status(`${done.size + 1} of ${cells.length}: step ${step} of ${steps}`),
          onCellEnd: async (cell, record, seconds) => {
            await folder.keep(cell, record);
            done.set(cell.id, record);
            estimate.learn(cell.config, record.runs[0]!, seconds);
            const still = estimate.left(left.filter(({ id }) => !done.has(id)).map(({ config }) => config));
            const place = `${done.size} of ${cells.length} ${cell.id}`;
            say(`${place}: ${outcomeOf(record, seconds)}; about ${duration(still)} left`);
          },
        },
        interrupt.signal,
      );
    }
    status('');
    if (done.size < cells.length) {
      console.error(
        `interrupted: ${folder.path} holds ${done.size} of ${cells.length} cells; the same command goes on`,
      );
      return 130;
    }
    say(`${folder.path} holds all ${cells.length} cells`);
    const failed = cells.filter(({ id }) => done.get(id)!.runs[0]!.status === 'failed');
    if (failed.length === 0) return 0;
    const names = failed.map(({ id }) => id).join(', ');
    console.error(`${failed.length} of ${cells.length} cells failed: ${names}`);
    return 1;
  } finally {
    interrupt.done();
    gpu?.destroy();
    leave();
    process.off('exit', leave);
  }
}

/** Each experiment in a line, for `--help`. */
const experimentsHelp = (): string =>
  [
    '',
    'Experiments:',
    ...Object.entries(experiments).map(([name, { about }]) => `  ${name.padEnd(18)}${about}`),
  ].join('\n');

function outFolder(text: string): string {
  if (text.trim() === '') throw new InputError('--out: expected some text, found none');
  return text;
}

/** Adds `syngrad sweep` to the command line; `onEnd` gets its exit code. */
export function addSweepCommand(program: Command, onEnd: (code: number) => void): void {
  const command = program
    .command('sweep')
    .description('a grid of trainings: methods x seeds x options; goes on where it was stopped')
    .option('--methods <names>', "methods with commas between; the preset's by default", methods('--methods'))
    .option('--seeds <n or list>', '5 for 1 to 5, or 1,7,9', seeds)
    .option('--set <option=values>', 'vary an option: layers=3,4,5; may be given several times', setting)
    .option('--experiment <name>', `one of ${Object.keys(experiments).join(', ')}`, experimentName)
    .option('--scale <share>', "share of the protocol's steps, drops and evaluations", scale)
    .option('--out <dir>', 'folder of the sweep; runs/<time>-sweep by default', outFolder);
  for (const option of runOptions) if (!NOT_TAKEN.includes(option.name())) command.addOption(option);
  command.addHelpText('after', () => `${experimentsHelp()}\n${methodsHelp()}`);
  command.action(async ({ preset, ...request }: SweepRequest) => {
    const isGiven = command.getOptionValueSource('preset') !== 'default';
    onEnd(await sweep(isGiven ? { ...request, preset } : request));
  });
}
