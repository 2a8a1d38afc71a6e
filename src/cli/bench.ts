import { join } from 'node:path';
import { type BenchOutcome, benchmark } from '../../bench/paper.ts';
import { AXES, presets } from '../../bench/presets.ts';
import type { Dataset } from '../data/dataset.ts';
import { InputError } from '../errors.ts';
import { describe } from '../gpu/adapters.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { openDevice } from '../gpu/open.ts';
import { prepareFolder, writeRecord } from '../report/folder.ts';
import type { BenchConfig, RuleAxes } from '../report/record.ts';
import { ratioSentences } from '../report/sentences.ts';
import { resultTable } from '../report/table.ts';
import type { ScheduleWish } from '../train/schedules/driver.ts';
import { checkAxes, partialAxes } from './axes.ts';
import { readData } from './data.ts';
import { stopOnInterrupt } from './interrupt.ts';
import { type RunOptions, readConventions } from './options.ts';
import { progressListener, scheduleNotes } from './progress.ts';

/**
 * The preset with the options that were given in place of its own.
 *
 * @throws InputError for options that contradict each other, or that none of the methods heeds.
 */
export function configOf(
  options: RunOptions,
  dataset: Dataset,
  schedule: ScheduleWish = 'best',
): BenchConfig & RuleAxes {
  if (options.diagnose === 'every')
    throw new InputError("--diagnose: expected a number of steps behind 'every', found none");
  const { presetNote, ...preset } = presets[options.preset]!;
  // The preset first, for the order in which the note names what was changed.
  const own = { ...preset, ...AXES, schedule, ...preset };
  const { conventions: text } = options;
  const read = text === undefined ? {} : { conventions: readConventions(text) };
  const given: Partial<typeof own> = Object.fromEntries(
    Object.entries({ ...options, ...read }).filter(([name, value]) => name in own && value !== undefined),
  );
  const { name, train, validation, test } = dataset;
  const config = {
    ...own,
    evalEvery: Math.min(own.evalEvery, given.steps ?? own.steps),
    ...given,
    preset: options.preset,
    presetNote,
    trainSamples: Math.min(own.trainSamples, train.count),
    data: { name, train: train.count, validation: validation.count, test: test.count },
  };
  checkAxes(config);
  const changed = (Object.keys(own) as (keyof typeof own)[]).filter(
    (option) => option in given && JSON.stringify(given[option]) !== JSON.stringify(own[option]),
  );
  const notes = [
    presetNote,
    ...(changed.length > 0 ? [`changed by options: ${changed.join(', ')}`] : []),
    ...partialAxes(config),
  ];
  return { ...config, presetNote: notes.join('; ') };
}

const folderFor = (preset: string): string =>
  join('runs', `${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}-${preset}`);

/**
 * `syngrad bench` and `syngrad train`: opens the device, checks, trains, prints the table, writes the record.
 * Returns the exit code: 0, or 130 after an interruption; one before
 * any training step leaves nothing to write.
 *
 * @throws whatever stopped it; what was done until then has been printed and written.
 */
export async function bench(options: RunOptions): Promise<number> {
  const { json = false, quiet = false } = options;
  // With --json, stdout holds the record and nothing else.
  const stream = json ? process.stderr : process.stdout;
  const say = (line: string) => stream.write(`${line}\n`);
  const note = quiet ? () => {} : say;

  const dataset = await readData(options.data, options.conventions);
  const config = configOf(options, dataset);
  const folder = options.out ?? folderFor(options.preset);
  const removeUnused = await prepareFolder(folder);
  process.once('exit', removeUnused);
  const interrupt = stopOnInterrupt((line) => console.error(line), removeUnused);
  const progress = progressListener(note, process.stdout.isTTY && stream.isTTY ? stream : undefined);
  let gpu: Gpu | undefined;
  let outcome: BenchOutcome;
  try {
    gpu = await openDevice({ adapter: options.adapter, fast: true });
    const { info } = gpu;
    const onStart = () => {
      note(describe(info));
      note(`preset ${config.preset}: ${config.presetNote}`);
    };
    const listener = quiet ? scheduleNotes((line) => console.error(line)) : { onStart, ...progress };
    outcome = await benchmark(gpu, dataset, config, listener, interrupt.signal);
  } finally {
    progress.stop();
    interrupt.done();
    gpu?.destroy();
  }

  const { record, error } = outcome;
  if (record.interrupted && record.runs.every(({ steps }) => steps === 0)) {
    console.error('interrupted before any training step: nothing was written');
    return 130;
  }
  // Written before it is printed, and printed even where it could not be written: one full disk does not take both along.
  let paths: string[] = [];
  let unwritten: unknown;
  try {
    paths = await writeRecord(folder, record);
  } catch (error) {
    unwritten = error;
  }
  if (!(json && quiet)) {
    if (record.runs.length > 0) say(resultTable(record));
    for (const sentence of ratioSentences(record)) say(sentence);
  }
  if (json) process.stdout.write(`${JSON.stringify(record, null, 2)}\n`);
  if (unwritten) throw unwritten;
  note(`written: ${paths.join(', ')}`);
  if (error) throw error;
  if (record.interrupted) {
    console.error(`interrupted: ${folder} holds what was done`);
    return 130;
  }
  return 0;
}
