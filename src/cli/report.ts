import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { InputError } from '../errors.ts';
import { makeFolder } from '../files.ts';
import type { Report } from '../report/page/report.ts';

/** What the options of `report` have been read to. */
export interface ReportOptions {
  /** `report` inside the first folder by default. */
  readonly out?: string;
}

/** Writes a report's files, each whole or not at all. */
async function writeReport(folder: string, files: Report): Promise<void> {
  let beside = '';
  try {
    await makeFolder(folder);
    for (const [name, text] of files) {
      beside = join(folder, `${name}.${process.pid}.tmp`);
      await writeFile(beside, text);
      await rename(beside, join(folder, name));
    }
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    const reason = /EEXIST|ENOTDIR/.test(code) ? 'it is not a folder' : `it cannot be written (${code})`;
    throw new InputError(`--out ${folder}: expected a folder to write the report to, but ${reason}`);
  }
}

/**
 * `syngrad report`: reads the records in some folders and writes report.html, with each figure as SVG and each table
 * as CSV beside it. A record that cannot be used is named on stderr and in the report, and left out.
 */
export async function report(folders: readonly string[], { out }: ReportOptions): Promise<number> {
  if (out?.trim() === '') throw new InputError('--out: expected some text, found none');
  // Only now: what draws the figures takes a while to load, and the other commands do without.
  const [{ readRecords }, { makeReport }] = await Promise.all([
    import('../report/page/read.ts'),
    import('../report/page/report.ts'),
  ]);
  const reading = await readRecords(folders);
  for (const sentence of reading.damaged) console.error(`syngrad: ${sentence}`);
  const folder = out ?? join(folders[0]!, 'report');
  const files = makeReport(reading);
  await writeReport(folder, files);
  const others = files.size - 1;
  console.log(`written: ${join(folder, 'report.html')}, and ${others} figures and tables beside it`);
  return 0;
}

/** Adds the command; `ended` is told its exit code. */
export function addReportCommand(program: Command, ended: (code: number) => void): void {
  program
    .command('report')
    .description('report.html, figures and tables from the records in some folders')
    .argument('<dirs...>', 'folders of bench and sweep, and folders that hold such')
    .option('--out <dir>', 'folder for the report; report inside the first folder by default')
    .action(async (folders: string[], options: ReportOptions) => {
      ended(await report(folders, options));
    });
}
