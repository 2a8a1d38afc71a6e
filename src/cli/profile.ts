import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { profileMethods } from '../../bench/profile.ts';
import { isKnown, paramsFromShape } from '../../bench/profile-inputs.ts';
import {
  checkConstants,
  checkVariant,
  kernelNamed,
  profileInSteps,
  profileShape,
} from '../../bench/profile-kernel.ts';
import { checkWritable, writePicture } from '../../bench/suites/picture.ts';
import { InputError } from '../errors.ts';
import { describe } from '../gpu/adapters.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { openDevice } from '../gpu/open.ts';
import { hasTimestamps } from '../gpu/profile.ts';
import type { Constants } from '../gpu/shader.ts';
import type { KernelRecord, ProfileRecord } from '../report/profile/record.ts';
import {
  aloneSentences,
  aloneTable,
  gapSentence,
  methodSentences,
  methodTables,
  originSentence,
  roofSentence,
  stepTable,
} from '../report/profile/tables.ts';
import { type TracedMethod, traceOf } from '../report/profile/trace.ts';
import { configOf } from './bench.ts';
import { busySentences } from './busy.ts';
import { readData } from './data.ts';
import {
  adapterOption,
  addScheduleOptions,
  integer,
  methods,
  methodsHelp,
  nonEmpty,
  type RunOptions,
} from './options.ts';
import { progressListener, scheduleNotes } from './progress.ts';

type Shared = 'methods' | 'schedule' | 'waveStages' | 'batch' | 'hidden' | 'layers' | 'seed' | 'data';

/** What the options of `profile` have been read to. */
export interface ProfileOptions extends Pick<RunOptions, Shared | 'adapter' | 'json' | 'quiet'> {
  readonly steps: number;
  readonly kernel?: string;
  readonly shape?: string;
  readonly variant?: Constants;
  readonly trace?: string;
  readonly roofline?: string;
  /** False with `--no-timestamps`. */
  readonly timestamps: boolean;
}

/** Most steps under the profiler; more tell nothing new. */
const MOST_STEPS = 1000;

/** Steps under the profiler, if nothing else is asked for. */
const STEPS = 10;

/** Largest size that is believed to be meant. */
const MOST = 1_000_000_000;

/** Reads constants of a shader: `TILE_M=64,TILE_N=32`. */
export function variant(text: string): Constants {
  const found: Record<string, number> = {};
  for (const part of text.split(',')) {
    const [, name, value] = /^\s*([A-Z][A-Z0-9_]*)=(\d+)\s*$/.exec(part) ?? [];
    if (name === undefined)
      throw new InputError(`--variant: expected constants such as TILE_M=64,TILE_N=32, found '${text}'`);
    if (name in found) throw new InputError(`--variant: expected each constant once, found '${name}' twice`);
    found[name] = integer(`--variant ${name}`, value!, 1, 65536);
  }
  return found;
}

/** Refuses options that do not go together, or that the kernel does not have. */
function checkTogether({ kernel, shape, variant, trace, roofline, timestamps }: ProfileOptions): void {
  if (kernel === undefined) {
    for (const [option, value] of Object.entries({ shape, variant })) {
      if (value !== undefined) throw new InputError(`--${option}: expected --kernel beside it, found none`);
    }
  } else {
    const spec = kernelNamed(kernel);
    if (trace !== undefined)
      throw new InputError('--trace: expected steps to trace, found --kernel, which runs alone');
    // Of a fused kernel it is the label of a dispatch, which only a recorded step knows.
    if (shape !== undefined && isKnown(spec)) paramsFromShape(spec, shape);
    if (variant !== undefined) checkConstants(spec, variant);
  }
  if (trace !== undefined && roofline !== undefined && resolve(trace) === resolve(roofline))
    throw new InputError(
      `--roofline: expected another file than that of --trace, found ${roofline} for both`,
    );
  if (trace !== undefined && !timestamps)
    throw new InputError('--trace: expected timestamps to draw it from, found --no-timestamps');
}

/** Where the lines of a run go. */
interface Console {
  /** Results. */
  readonly say: (line: string) => void;
  /** What else there is to tell; nothing with --quiet. */
  readonly note: (line: string) => void;
  /** What a result cannot be read without; on stderr with --quiet. */
  readonly remark: (line: string) => void;
}

async function profileKernel(gpu: Gpu, options: ProfileOptions, console: Console): Promise<KernelRecord> {
  const { kernel = '', shape, variant = {}, seed = 1, timestamps } = options;
  const asked = { kernel, variant, seed, timestamps };
  if (Object.keys(variant).length > 0) {
    const checked = await openDevice({ adapter: options.adapter });
    try {
      await checkVariant(checked, kernelNamed(kernel), variant);
    } finally {
      checked.destroy();
    }
  }
  let record: KernelRecord;
  if (shape === undefined || !isKnown(kernelNamed(kernel))) {
    const dataset = await readData(options.data);
    const config = configOf(asRun(options), dataset);
    record = await profileInSteps(gpu, dataset, config, { ...asked, label: shape });
  } else {
    record = await profileShape(gpu, asked, shape);
  }
  console.note(describe(gpu.info));
  for (const sentence of busySentences(record.host)) console.say(sentence);
  console.note(originSentence(record));
  console.note(roofSentence(record.roof));
  for (const run of record.runs) {
    console.say(aloneTable(run));
    for (const sentence of aloneSentences(run)) console.say(sentence);
  }
  return record;
}

/** The options of a run of as many methods, which is the preset's but for what is given. */
const asRun = ({ steps: _, ...given }: ProfileOptions): RunOptions => ({ ...given, preset: 'quick' });

async function profileSteps(
  gpu: Gpu,
  options: ProfileOptions,
  { say, note, remark }: Console,
): Promise<{ record: ProfileRecord; traced: readonly TracedMethod[] }> {
  const dataset = await readData(options.data);
  const config = configOf(asRun(options), dataset);
  const { batch, hidden, layers, seed, optimizer } = config;
  const { onCheck } = progressListener(note);
  const outcome = await profileMethods(gpu, dataset, config, options, {
    onStart: () => note(describe(gpu.info)),
    ...scheduleNotes(remark),
    onCheck: (check) => onCheck?.(check),
    onRoof: (origin) => {
      for (const sentence of busySentences(origin.host)) say(sentence);
      note(originSentence(origin));
      note(
        `${dataset.name}, batch ${batch}, ${layers} layers, ${hidden} units, ${optimizer}, seed ${seed}; ` +
          (origin.timing === 'timestamps'
            ? 'times by timestamps, a pass for each dispatch'
            : 'no timestamps: each dispatch is repeated alone, and its time is the slope of the wall clock over repeats; --steps has no part in that'),
      );
      note(roofSentence(origin.roof));
    },
    onMethod: (method, { roof }) => {
      say(methodTables(method, roof));
      for (const sentence of methodSentences(method)) say(sentence);
    },
  });
  const { record } = outcome;
  say(stepTable(record.methods));
  for (const method of record.methods) say(gapSentence(method));
  return outcome;
}

/**
 * Refuses `--trace` on a device that could not tell when anything began.
 *
 * @throws InputError
 */
export function expectTimestamps(gpu: Gpu): void {
  if (hasTimestamps(gpu)) return;
  throw new InputError(
    `--trace: expected a device with timestamps, found ${gpu.info.name}, which has no timestamp-query`,
  );
}

/** `syngrad profile`: where the time of a step goes, or how fast one kernel is alone. */
export async function profile(options: ProfileOptions): Promise<number> {
  checkTogether(options);
  const { json = false, quiet = false, trace, roofline } = options;
  if (trace !== undefined) await checkWritable('--trace', trace);
  if (roofline !== undefined) await checkWritable('--roofline', roofline);
  // With --json, stdout holds the record and nothing else.
  const stream = json ? process.stderr : process.stdout;
  const print = (line: string) => stream.write(`${line}\n`);
  const silent = () => {};
  const console: Console = {
    say: json && quiet ? silent : print,
    note: quiet ? silent : print,
    remark: quiet ? (line) => process.stderr.write(`${line}\n`) : print,
  };

  const gpu = await openDevice({ adapter: options.adapter, fast: true });
  let record: ProfileRecord | KernelRecord;
  let traced: readonly TracedMethod[] = [];
  try {
    if (trace !== undefined) expectTimestamps(gpu);
    if (options.kernel === undefined) ({ record, traced } = await profileSteps(gpu, options, console));
    else record = await profileKernel(gpu, options, console);
  } finally {
    gpu.destroy();
  }
  if (json) process.stdout.write(`${JSON.stringify(record, null, 2)}\n`);
  if (trace !== undefined) await writePicture('--trace', trace, JSON.stringify(traceOf(traced, record)));
  if (roofline !== undefined) {
    // Only now: what draws figures takes a while to load.
    const { rooflineFigure } = await import('../report/profile/figure.ts');
    await writePicture('--roofline', roofline, rooflineFigure(record).file);
  }
  const written = [trace, roofline].filter((path) => path !== undefined);
  if (written.length > 0) console.note(`written: ${written.join(', ')}`);
  return 0;
}

const whole = (option: string, least: number, most: number) => (value: string) =>
  integer(option, value, least, most);

/** Adds the command; `ended` is told its exit code. */
export function addProfileCommand(program: Command, ended: (code: number) => void): void {
  const command = program
    .command('profile')
    .description('where the time of a training step goes, by kernel and by layer; or one kernel alone')
    .addOption(
      new Option('--methods <names>', 'methods with commas between; bp,cdni by default').argParser(
        methods('--methods'),
      ),
    )
    .addOption(
      new Option('--steps <n>', 'steps under the profiler')
        .argParser(whole('--steps', 1, MOST_STEPS))
        .default(STEPS),
    )
    .option('--batch <n>', 'samples a step', whole('--batch', 1, MOST))
    .option('--hidden <n>', 'units of each hidden layer', whole('--hidden', 1, MOST))
    .option('--layers <n>', 'layers with weights; 4 = three hidden and the output', whole('--layers', 2, 32))
    .option('--seed <n>', 'of initialisation and shuffle', whole('--seed', 0, 2 ** 32 - 1));
  addScheduleOptions(command)
    .option('--data <dir>', 'four IDX files, gzipped or not; MNIST by default', nonEmpty('--data'))
    .option(
      '--kernel <name>',
      'one kernel alone, at the shapes it has in a step, or at --shape',
      nonEmpty('--kernel'),
    )
    .option(
      '--shape <sizes>',
      'sizes to run --kernel at, such as 256x784x256; of a fused kernel a label, such as wave.forward',
      nonEmpty('--shape'),
    )
    .option('--variant <constants>', 'constants of its shader, such as TILE_M=64,TILE_N=32', variant)
    .option('--trace <file>', 'a trace for chrome://tracing and ui.perfetto.dev', nonEmpty('--trace'))
    .option('--roofline <file>', 'a roofline plot, SVG', nonEmpty('--roofline'))
    .option('--no-timestamps', 'time dispatches by the wall clock, even where the device has timestamps')
    .addOption(adapterOption())
    .option('--json', 'print the record on stdout, and nothing else there')
    .option('--quiet', 'no progress, only the result')
    .addHelpText('after', methodsHelp())
    .action(async (options: ProfileOptions) => {
      ended(await profile(options));
    });
}
