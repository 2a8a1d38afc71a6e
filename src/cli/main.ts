#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander';
import { CheckFailedError } from '../../bench/paper.ts';
import { provenance } from '../../bench/provenance.ts';
import { InputError } from '../errors.ts';
import { DeviceLostError, OutOfMemoryError } from '../gpu/gpu.ts';
import { bench } from './bench.ts';
import { devices } from './devices.ts';
import { addRunOptions, methods, type RunOptions } from './options.ts';
import { addProfileCommand } from './profile.ts';
import { addReportCommand } from './report.ts';
import { addSuiteCommands } from './suites.ts';
import { addSweepCommand } from './sweep.ts';
import { addTuneCommand } from './tune.ts';

/** What the user can do something about is told without a stack trace; all but failed checks in one sentence. */
const TOLD = [InputError, DeviceLostError, OutOfMemoryError, CheckFailedError];

const isTold = (error: unknown): error is Error => TOLD.some((kind) => error instanceof kind);

/** What commander has to say about wrong options, as one line like those of this program's own. */
const oneLine = (text: string): string =>
  `syngrad: ${text
    .trim()
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')}\n`;

/** Refuses arguments that a command has no use for. */
function refuseSurplus(command: Command): void {
  const { args, registeredArguments, commands, parent } = command;
  const surplus = args.slice(registeredArguments.length);
  if (surplus.length === 0 || registeredArguments.at(-1)?.variadic) return;
  const names = commands.map((each) => each.name());
  if (names.length > 0) {
    const expected = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
    throw new InputError(`unknown suite '${surplus[0]}': expected ${expected}`);
  }
  const path = parent?.parent ? `${parent.name()} ${command.name()}` : command.name();
  const found = surplus.map((text) => `'${text}'`).join(' ');
  throw new InputError(`${path}: expected options alone, found ${found}`);
}

async function main(): Promise<number> {
  let code = 0;
  const program = new Command('syngrad')
    .description('Backpropagation against synthetic gradients, by hand-written WebGPU kernels.')
    .version(provenance().version)
    .exitOverride()
    // Those are told in words of this program's own, which name them.
    .allowExcessArguments()
    .hook('preAction', (_, command) => refuseSurplus(command))
    .configureOutput({ outputError: (text, write) => write(oneLine(text)) });

  const benchmark = addRunOptions(program.command('bench'))
    .description(
      "the paper's benchmark: every method trained in turn and timed, after its kernels are checked",
    )
    .addOption(
      new Option('--methods <names>', 'methods with commas between; bp,cdni by default').argParser(
        methods('--methods'),
      ),
    )
    .action(async (options: RunOptions) => {
      code = await bench(options);
    });
  addSuiteCommands(benchmark, (result) => {
    code = result;
  });
  addRunOptions(program.command('train'))
    .description('trains by one method')
    .addOption(
      new Option('--method <name>', 'the learning rule').argParser(methods('--method')).default(['bp'], 'bp'),
    )
    .action(async ({ method, ...options }: RunOptions & { method: string[] }) => {
      if (method.length > 1)
        throw new InputError(`--method: expected one method, found '${method.join(',')}'`);
      code = await bench({ ...options, methods: method });
    });
  addSweepCommand(program, (result) => {
    code = result;
  });
  program
    .command('devices')
    .description('what there is to run on, with limits and features')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      code = await devices(options);
    });
  addProfileCommand(program, (result) => {
    code = result;
  });
  addReportCommand(program, (result) => {
    code = result;
  });
  addTuneCommand(program, (result) => {
    code = result;
  });

  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    if (!isTold(error)) throw error;
    console.error(`syngrad: ${error.message}`);
    return 1;
  }
  return code;
}

// A reader that goes away (`| head`) is no fault of this program's: what is printed from then on is lost. Any other failure
// is told once, and the exit code tells it, too; the work goes on, as its results go to files.
let lost = false;
for (const [name, stream] of [
  ['stdout', process.stdout],
  ['stderr', process.stderr],
] as const) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || lost) return;
    lost = true;
    if (name === 'stdout')
      console.error(`syngrad: stdout: expected to write to it, but it fails (${error.code})`);
    process.exitCode = 1;
  });
}

const code = await main();
process.exitCode = lost ? code || 1 : code;
