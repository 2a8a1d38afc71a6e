import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { useCli, useFolder } from '../support/cli.ts';
import { made } from './report-records.ts';

const cli = useCli();
const temp = useFolder();

const put = async (path: string, content: unknown): Promise<void> => {
  const at = temp.join(path);
  await mkdir(at.slice(0, at.lastIndexOf('/')), { recursive: true });
  await writeFile(at, typeof content === 'string' ? content : JSON.stringify(content));
};

const report = (...args: string[]) => cli.run(['report', ...args], { cwd: temp.path });

it('reads benchmarks, sweeps and folders of both, and tells of what it cannot use', async () => {
  await put('all/bench/record.json', made({ method: 'bp', seed: 1 }));
  await put('all/bench/other.json', { name: 'something else' });
  await put('all/copy/record.json', made({ method: 'bp', seed: 1 }));
  await put('all/deep/sweep/sweep.json', { schemaVersion: 1 });
  await put('all/deep/sweep/cells/bp-seed=2.json', made({ method: 'bp', seed: 2 }));
  await put('all/deep/sweep/cells/cdni-seed=1.json', made({ method: 'cdni', seed: 1 }));
  await put('all/deep/sweep/cells/cdni-seed=2.json', '{ "schemaVersion": 1, "date": "2026');
  await put('all/deep/sweep/cells/cdni-seed=3.json.damaged', '');
  await put('all/named.json', made({ method: 'cdni', seed: 3 }));
  await put('new/record.json', { ...made({ method: 'bp' }), schemaVersion: 2 });

  await put('new/stopped/record.json', { ...made({ method: 'bp' }), runs: [], interrupted: true });

  const { code, stdout, stderr } = await report('all', 'new');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^written: all\/report\/report\.html, and \d+ figures and tables beside it\n$/);
  expect(stderr.trim().split('\n')).toEqual([
    'syngrad: all/deep/sweep/cells/cdni-seed=2.json: skipped: it is not JSON, or only a part of it.',
    'syngrad: new/record.json: skipped: it was written by a newer syngrad (schemaVersion 2; this one reads up to 1).',
    'syngrad: new/stopped/record.json: skipped: it holds no runs.',
  ]);
  const page = await readFile(temp.join('all/report/report.html'), 'utf8');
  expect(page).toContain('from 4 finished runs');
  expect(page).toContain('cdni-seed=2.json: skipped');
  expect(page).toContain('new/record.json: skipped');
  const csv = await readFile(temp.join('all/report/table-results-50000-steps.csv'), 'utf8');
  expect(csv.split('\n').map((line) => line.split(',').slice(0, 4))).toMatchObject([
    ['method', 'steps', 'device', 'seeds'],
    ['bp', '50000', expect.anything(), expect.anything()],
    ['cdni', '50000', expect.anything(), expect.anything()],
    [''],
  ]);
  // Whole, and made again over itself.
  const names = await readdir(temp.join('all/report'));
  expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  expect((await report('all', 'new')).stdout).toBe(stdout);
  expect(await readdir(temp.join('all/report'))).toEqual(names);
});

it('writes to --out', async () => {
  await put('one/record.json', made({ method: 'bp' }));
  const { code, stdout } = await report('one', '--out', 'elsewhere/deep');
  expect([code, stdout.startsWith('written: elsewhere/deep/report.html')]).toEqual([0, true]);
  expect(await readdir(temp.join('one'))).toEqual(['record.json']);
});

it('refuses what it cannot use in one sentence', async () => {
  await put('empty/notes.txt', 'no record');
  await put('bad/record.json', '');
  await put('none/record.json', { ...made({ method: 'bp' }), runs: [] });
  await put('good/record.json', made({ method: 'bp' }));
  await put('file', '');
  const refused = await Promise.all(
    [
      ['empty'],
      ['bad'],
      ['none'],
      ['nowhere'],
      ['file'],
      ['good', '--out', 'file'],
      ['good', '--out', ''],
      [],
    ].map((args) => report(...args)),
  );
  expect(refused.map(({ code }) => code)).toEqual(refused.map(() => 1));
  expect(refused.map(({ stdout }) => stdout).join('')).toBe('');
  expect(refused.map(({ stderr }) => stderr)).toEqual([
    'syngrad: report: expected records (record.json or cells/*.json) in empty, found none\n',
    'syngrad: report: expected records (record.json or cells/*.json) in bad, found 1 that cannot be used (bad/record.json: skipped: it is empty.)\n',
    'syngrad: report: expected records (record.json or cells/*.json) in none, found 1 that cannot be used (none/record.json: skipped: it holds no runs.)\n',
    'syngrad: report: expected a folder with records at nowhere, found nothing\n',
    'syngrad: report: expected a folder with records at file, found a file\n',
    'syngrad: --out file: expected a folder to write the report to, but it is not a folder\n',
    'syngrad: --out: expected some text, found none\n',
    "syngrad: missing required argument 'dirs'\n",
  ]);
  expect(await readFile(temp.join('file'), 'utf8')).toBe('');
});
