import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/data/random.ts';
import type { BenchRecord } from '../../src/report/record.ts';
import { expectRecord, tinyFiles, useCli, useFolder, writeAll } from '../support/cli.ts';

const cli = useCli();
const temp = useFolder();

beforeAll(async () => {
  await mkdir(temp.join('tiny'));
  await writeAll(temp.join('tiny'), tinyFiles());
});

/** Cells of a moment. */
const TINY = ['--hidden', '8', '--batch', '16', '--steps', '3', '--eval-every', '2'];
const sweep = (out: string, ...args: string[]) => [
  'sweep',
  '--data',
  temp.join('tiny'),
  '--out',
  out,
  ...args,
];

/** Eight of them. */
const GRID = [...TINY, '--methods', 'bp,cdni', '--set', 'layers=2,3', '--seeds', '2'];
const CELLS = 8;

/** The text of every record in the folder of a sweep, by the name of its file; there is nothing else in it. */
async function recordsIn(out: string): Promise<Map<string, string>> {
  const cells = join(out, 'cells');
  const names = existsSync(cells) ? (await readdir(cells)).sort() : [];
  return new Map(
    await Promise.all(names.map(async (n) => [n, await readFile(join(cells, n), 'utf8')] as const)),
  );
}

const parse = (text: string): BenchRecord => expectRecord(JSON.parse(text));

/** A record without what time alone decides. */
function timeless(text: string) {
  const { date: _, runs, ...record } = parse(text);
  return {
    ...record,
    runs: runs.map(({ trainSeconds: _t, stepsPerSecond: _s, layerUpdatesPerSecond: _l, curve, ...run }) => ({
      ...run,
      curve: curve.map(({ seconds: _c, ...point }) => point),
    })),
  };
}

const timelessIn = async (out: string) =>
  [...(await recordsIn(out))].map(([name, text]) => [name, timeless(text)] as const);

it('runs a grid, keeps a record of each cell, and runs none of them again', async () => {
  const out = temp.join('grid');
  const first = await cli.run(sweep(out, ...GRID));
  expect(first).toMatchObject({ code: 0, stderr: '' });
  const lines = first.stdout.trimEnd().split('\n');
  expect(lines.slice(2).map((line) => line.replace(/: test accuracy .*/, ''))).toEqual([
    ...[1, 2].flatMap((seed, i) =>
      [2, 3].flatMap((layers, j) =>
        ['bp', 'cdni'].map((method, k) => {
          const place = 4 * i + 2 * j + k + 1;
          return `${place} of ${CELLS} ${method}-layers=${layers}-seed=${seed}`;
        }),
      ),
    ),
    `${out} holds all ${CELLS} cells`,
  ]);
  expect(lines[2]).toMatch(/: test accuracy \d+\.\d\d %, \S+ m?s; about \S+ m?s left$/);
  expect((await readdir(out)).sort()).toEqual(['cells', 'sweep.json']);
  const { cells, options } = JSON.parse(await readFile(join(out, 'sweep.json'), 'utf8'));
  expect(options).toMatchObject({ methods: ['bp', 'cdni'], seeds: [1, 2], set: { layers: [2, 3] } });
  const records = await recordsIn(out);
  expect([...records.keys()]).toEqual(cells.map(({ id }: { id: string }) => `${id}.json`).sort());
  for (const { id, config } of cells) expect(parse(records.get(`${id}.json`)!).config).toEqual(config);

  const again = await cli.run(sweep(out, ...GRID));
  expect(again).toMatchObject({ code: 0, stderr: '', stdout: `${out} holds all ${CELLS} cells\n` });
  expect(await recordsIn(out)).toEqual(records);
});

it('says once for each method what runs in place of the schedule that was asked for, also under --quiet', async () => {
  const out = temp.join('fallen');
  const args = [...TINY, '--methods', 'bp,dgl', '--schedule', 'wave', '--seeds', '2', '--quiet'];
  expect(await cli.run(sweep(out, ...args))).toMatchObject({
    code: 0,
    stdout: '',
    stderr:
      'backprop runs fused (bp has no wave: its layers wait for each other)\n' +
      'local classifiers runs layered (dgl has no fused kernels)\n',
  });
  const mixed = [...TINY, '--methods', 'bp,cdni', '--schedule', 'wave', '--set', 'update-probability=1,0.5'];
  const { stderr } = await cli.run(sweep(temp.join('fallen-partly'), ...mixed));
  const skipping = '(of the fused kernels: they update every layer in every step)';
  expect(stderr).toBe(
    'backprop runs fused in 1 of its 2 cells (bp has no wave: its layers wait for each other), ' +
      `layered in 1 ${skipping}\n` +
      `cDNI runs layered in 1 of its 2 cells ${skipping}\n`,
  );
});

it('says in --help that cells are layered unless told otherwise', async () => {
  const { stdout } = await cli.run(['sweep', '--help']);
  expect(stdout.replace(/\s+/g, ' ')).toContain('; layered by default, not best as in bench');
});

it('killed at random moments, and taken up each time, it ends as one left alone', async () => {
  const out = temp.join('killed');
  const random = new Random(11);
  let before = new Map<string, string>();
  let partly = 0;
  for (let kill = 1; kill <= 6; kill++) {
    const run = cli.start(sweep(out, ...GRID));
    // In turn: at any moment from the start on, and soon after one more cell is done.
    if (kill % 2 === 1) await new Promise((resolve) => setTimeout(resolve, 250 * random.uniform()));
    else {
      // Unless all are done already.
      await run.until('; about ').catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 40 * random.uniform()));
    }
    run.kill('SIGKILL');
    await run.ended;
    const now = await recordsIn(out);
    const whole = [...now].filter(([name]) => name.endsWith('.json'));
    for (const [, text] of whole) parse(text);
    // What was finished is still there, to the last byte.
    for (const [name, text] of before) expect(now.get(name)).toBe(text);
    before = new Map(whole);
    if (whole.length > 0 && whole.length < CELLS) partly++;
  }
  // Else this would show nothing.
  expect(partly).toBeGreaterThanOrEqual(2);
  expect((await cli.run(sweep(out, ...GRID))).code).toBe(0);
  for (const [name, text] of before) expect((await recordsIn(out)).get(name)).toBe(text);
  expect(await timelessIn(out)).toEqual(await timelessIn(temp.join('grid')));
  expect((await readdir(out)).sort()).toEqual(['cells', 'sweep.json']);
});

it('names a damaged record, keeps it aside, and runs its cell again', async () => {
  const out = temp.join('grid');
  const name = 'cdni-layers=3-seed=2.json';
  const path = join(out, 'cells', name);
  const before = await recordsIn(out);
  const half = before.get(name)!.slice(0, 400);
  await writeFile(path, half);
  const { code, stdout, stderr } = await cli.run(sweep(out, ...GRID));
  expect(code).toBe(0);
  expect(stderr).toBe(
    `${path}: not a record of this sweep: it is not JSON, or only a part of it; it is kept as ${name}.damaged, ` +
      'and the cell is run again\n',
  );
  expect(stdout.match(/ of 8 \S+:/g)).toEqual([' of 8 cdni-layers=3-seed=2:']);
  const after = await recordsIn(out);
  expect(after.get(`${name}.damaged`)).toBe(half);
  expect(timeless(after.get(name)!)).toEqual(timeless(before.get(name)!));
  for (const [other, text] of before) if (other !== name) expect(after.get(other)).toBe(text);
});

it('warns when the cells that are done ran on another device', async () => {
  const out = temp.join('devices');
  const args = sweep(out, ...TINY, '--methods', 'bp', '--seeds', '2');
  await cli.run(args);
  const [one, two] = [join(out, 'cells/bp-seed=1.json'), join(out, 'cells/bp-seed=2.json')];
  const record = JSON.parse(await readFile(one, 'utf8'));
  await writeFile(one, JSON.stringify({ ...record, device: { ...record.device, name: 'Another' } }));
  await writeFile(two, '');
  const { code, stderr } = await cli.run([...args, '--quiet']);
  expect(code).toBe(0);
  expect(stderr.split('\n')[1]).toMatch(
    /^warning: cells that are done ran on Another, .*, the rest run on SwiftShader .*: their times do not compare$/,
  );
});

it('records failed cells, goes on, and says so at the end', async () => {
  const out = temp.join('failed');
  const args = sweep(out, ...TINY, '--layers', '3', '--set', 'lr=1e30,1e-3');
  const { code, stdout, stderr } = await cli.run(args);
  expect(code).toBe(1);
  expect(stderr).toBe('2 of 4 cells failed: bp-lr=1e+30-seed=1, cdni-lr=1e+30-seed=1\n');
  expect(stdout).toMatch(/1 of 4 bp-lr=1e\+30-seed=1: failed: bp: the loss stopped being finite at step/);
  const statuses = [...(await recordsIn(out)).values()].map((text) => parse(text).runs[0]!.status);
  expect(statuses).toEqual(['finished', 'failed', 'finished', 'failed']);
  // It is known what became of them: they are not run again.
  const again = await cli.run(args);
  expect(again).toMatchObject({ code: 1, stdout: `${out} holds all 4 cells\n`, stderr });
});

describe('while one is at work', () => {
  const long = (out: string) =>
    sweep(out, '--hidden', '8', '--batch', '16', '--methods', 'bp,cdni', '--set', 'steps=3,1000000');

  it('a second one refuses the folder, and Ctrl-C leaves out the cell that it breaks off', async () => {
    const out = temp.join('long');
    const run = cli.start(long(out));
    await run.until('2 of 4');
    const second = await cli.run(long(out));
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(second.stderr).toMatch(
      /^syngrad: --out .*long: expected a folder that no other sweep is at work in, but process \d+ holds it .*\n$/,
    );
    run.kill('SIGINT');
    const { code, stderr } = await run.ended;
    expect(code).toBe(130);
    expect(stderr).toMatch(/\ninterrupted: .*long holds 2 of 4 cells; the same command goes on\n$/);
    const names = ['bp-steps=3-seed=1.json', 'cdni-steps=3-seed=1.json'];
    expect([...(await recordsIn(out)).keys()]).toEqual(names);
    expect((await readdir(out)).sort()).toEqual(['cells', 'sweep.json']);
  });
});

it('scales an experiment, and says so in the manifest and in every record', async () => {
  const out = temp.join('scaled');
  const args = [
    '--experiment',
    'confound',
    '--scale',
    '0.00003',
    '--seeds',
    '1',
    '--hidden',
    '8',
    '--batch',
    '16',
  ];
  const { code, stdout } = await cli.run(sweep(out, ...args));
  expect(code).toBe(0);
  const note = /varied: update-probability; scaled by 0.00003: steps, .* only$/;
  expect(stdout.split('\n')[1]).toMatch(note);
  const manifest = JSON.parse(await readFile(join(out, 'sweep.json'), 'utf8'));
  expect(manifest).toMatchObject({ note: expect.stringMatching(note), options: { scale: 0.00003 } });
  const records = [...(await recordsIn(out)).values()].map(parse);
  expect(records).toHaveLength(6);
  for (const { config, runs } of records) {
    expect(config).toMatchObject({ preset: 'confound', presetNote: manifest.note, lrDrops: [9, 12] });
    expect([config.steps, config.evalEvery, runs[0]!.steps]).toEqual([3, 1, 3]);
  }
});

describe('refuses in one sentence, and writes nothing:', () => {
  it.each([
    [['--set', 'layers=3,x'], /^--set layers: expected a whole number from 2 to 32, found 'x'$/],
    [['--set', 'layers=3', '--layers', '4'], /^--layers: expected once, found it fixed and varied by --set$/],
    [['--seed', '3'], /^unknown option '--seed' \(Did you mean --seeds\?\)$/],
    [
      ['--set', 'batch=16,287'],
      /--batch\): expected at most the 286 training samples of the data, found 287$/,
    ],
    [['--out', ''], /^--out: expected some text, found none$/],
  ] as const)('%j', async (args, message) => {
    const out = temp.join('refused');
    const { code, stdout, stderr } = await cli.run(sweep(out, ...args));
    expect(stderr).toMatch(/^syngrad: [^\n]+\n$/);
    expect(stderr.slice('syngrad: '.length, -1)).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(existsSync(out)).toBe(false);
  });

  it('a folder of a sweep made by other options, or damaged', async () => {
    const out = temp.join('grid');
    const before = await recordsIn(out);
    const { code, stdout, stderr } = await cli.run(sweep(out, ...GRID, '--lr', '0.5'));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      `syngrad: --out ${out}: expected the options that its sweep.json was made by, but --lr was not given there ` +
        'and is 0.5 now\n',
    );
    expect(await recordsIn(out)).toEqual(before);
    await writeFile(join(out, 'sweep.json'), '{');
    const damaged = await cli.run(sweep(out, ...GRID));
    expect(damaged).toMatchObject({ code: 1, stdout: '' });
    expect(damaged.stderr).toBe(
      `syngrad: ${join(out, 'sweep.json')}: expected the manifest of a sweep, found what is not JSON\n`,
    );
    expect(await recordsIn(out)).toEqual(before);
  });
});
