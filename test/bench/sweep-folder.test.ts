import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { SweepFolder } from '../../bench/sweep-folder.ts';
import type { SweepManifest } from '../../bench/sweep-manifest.ts';
import { planSweep, type SweepRequest, setting } from '../../src/cli/sweep-plan.ts';
import { InputError } from '../../src/errors.ts';
import type { BenchRecord } from '../../src/report/record.ts';
import { tinySet, useFolder } from '../support/cli.ts';

const temp = useFolder();
const data = tinySet();
const plan = (request: SweepRequest = {}) =>
  planSweep({ preset: 'smoke', set: setting('layers=2,3'), hidden: 8, ...request }, data);

let path = '';
let count = 0;
beforeEach(() => {
  path = temp.join(`sweep-${count++}`);
});

/** A folder with the manifest of a sweep. */
async function begun(manifest: SweepManifest = plan()): Promise<SweepManifest> {
  const folder = await SweepFolder.open(path);
  await folder.begin(manifest);
  folder.leave();
  return manifest;
}

/** A record of the first cell as it might be. */
function recordOf({ cells: [cell] }: SweepManifest): BenchRecord {
  const score = { loss: 1, accuracy: 0.5, samples: 60 };
  return {
    schemaVersion: 1,
    date: '2026-01-01T00:00:00.000Z',
    device: {
      ...{ kind: 'cpu', name: 'a device', vendor: '', architecture: '', driver: '' },
      ...{ backend: 'vulkan', origin: 'carried' },
    },
    ...{ dawn: '0', node: 'v20', version: '0', commit: null, checks: [], interrupted: false },
    config: cell!.config,
    runs: [
      {
        ...{ method: cell!.method, schedule: 'layered', seed: cell!.seed, status: 'finished', error: null },
        ...{ steps: cell!.config.steps, trainSeconds: 1, stepsPerSecond: 3, layerUpdatesPerSecond: 6 },
        ...{ macsPerStep: 1, dispatchesPerStep: 1, train: score, validation: score, test: score, curve: [] },
      },
    ],
  };
}

async function expectRefused(action: Promise<unknown>, message: RegExp) {
  const error = await action.then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  expect(error).toBeInstanceOf(InputError);
  expect(error!.message).toMatch(message);
  expect(error!.message).not.toContain('\n');
}

describe('lock', () => {
  const host = hostname().replace(/[^\w-]/g, '_');
  const locks = async () => (await readdir(path)).filter((name) => name.endsWith('.lock'));

  it('holds a folder for one process, and gives it back', async () => {
    const folder = await SweepFolder.open(path);
    expect(await locks()).toHaveLength(1);
    await folder.begin(plan());
    folder.leave();
    folder.leave();
    expect(await readdir(path)).toEqual(['sweep.json']);
  });

  it('removes a folder that it made in vain, and no other', async () => {
    (await SweepFolder.open(path)).leave();
    expect(existsSync(path)).toBe(false);
    await mkdir(path);
    (await SweepFolder.open(path)).leave();
    expect(await readdir(path)).toEqual([]);
  });

  /** The name of the lock that a process of this number, begun then, would have. */
  const lockOf = (pid: number, began: string, on = host) => `sweep.${on}.${pid}.${began}.lock`;

  /** A process that has ended. */
  async function deadPid(): Promise<number> {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    return child.pid!;
  }

  it('is taken over from a process that is dead', async () => {
    await mkdir(path);
    await writeFile(join(path, lockOf(await deadPid(), '123')), '');
    const folder = await SweepFolder.open(path);
    expect(await locks()).toEqual([expect.stringContaining(`.${process.pid}.`)]);
    folder.leave();
  });

  it('is taken over from a process whose number another one has now', async () => {
    await mkdir(path);
    const name = lockOf(process.ppid, '1');
    await writeFile(join(path, name), '');
    // Where there is no /proc, the number is all that there is to go by.
    if (!existsSync('/proc/self/stat')) return expectRefused(SweepFolder.open(path), /holds it/);
    const folder = await SweepFolder.open(path);
    expect(await locks()).toEqual([expect.stringContaining(`.${process.pid}.`)]);
    folder.leave();
  });

  it('is respected while its process lives, or may live on another machine', async () => {
    await mkdir(path);
    for (const [name, who] of [
      [lockOf(process.ppid, 'unknown'), `process ${process.ppid}`],
      [lockOf(123, '5', 'elsewhere'), 'process 123 on elsewhere'],
    ] as const) {
      await writeFile(join(path, name), '');
      const refusal = new RegExp(
        `^--out .*: expected a folder that no other .*, but ${who} holds it .*${name}\\)$`,
      );
      await expectRefused(SweepFolder.open(path), refusal);
      expect(await readdir(path)).toEqual([name]);
      await rm(join(path, name));
    }
  });
});

describe('manifest', () => {
  it('is taken as it was found by the same options', async () => {
    const made = await begun();
    const folder = await SweepFolder.open(path);
    const again = { ...plan(), note: 'other words', version: 'later' };
    const cells = again.cells.map((cell) => ({ ...cell, config: { ...cell.config, presetNote: 'other' } }));
    expect(folder.take({ ...again, cells })).toEqual(made);
    folder.leave();
  });

  it.each([
    [{ hidden: 9 }, /but --hidden was 8 there and is 9 now$/],
    [{ batch: 16 }, /but --batch was not given there and is 16 now$/],
    [{ preset: 'quick' }, /but --preset was smoke there and is quick now$/],
    [
      { experiment: 'confound', preset: undefined },
      /but --experiment was not given there and is confound now$/,
    ],
    [{ set: setting('layers=2,3,4') }, /but --set layers was 2,3 there and is 2,3,4 now$/],
    [{ set: setting('batch=16') }, /but --set layers was 2,3 there and is not given now$/],
    [{ seeds: [1, 2] }, /but --seeds was 1 there and is 1,2 now$/],
    [{ methods: ['cdni', 'bp'] }, /but --methods was bp,cdni there and is cdni,bp now$/],
    [{ scale: 0.5 }, /but --scale was 1 there and is 0.5 now$/],
  ] satisfies [SweepRequest, RegExp][])('refuses %j', async (request, message) => {
    await begun();
    const folder = await SweepFolder.open(path);
    await expectRefused(
      Promise.resolve().then(() => folder.take(plan(request))),
      message,
    );
    folder.leave();
  });

  it('refuses other data, and other cells by the same options', async () => {
    const made = await begun();
    const folder = await SweepFolder.open(path);
    const changed = (part: object) => ({
      ...made,
      cells: made.cells.map((cell) => ({ ...cell, config: { ...cell.config, ...part } })),
    });
    const other = changed({ data: { name: 'other', train: 1, validation: 2, test: 3 } });
    expect(() => folder.take(other)).toThrow(
      /--data was tiny \(286 training .* and is other \(1 and 3\) now$/,
    );
    expect(() => folder.take(changed({ lr: 1 }))).toThrow(
      /but the same options gave other cells in the syngrad/,
    );
    folder.leave();
  });

  it.each([
    ['', /found what is not JSON$/],
    ['{"schemaVersion": 1,', /found what is not JSON$/],
    ['[]', /found no object$/],
    ['{}', /found schemaVersion undefined in place of 1$/],
    ['{"schemaVersion": 2}', /found schemaVersion 2 in place of 1$/],
    ['{"schemaVersion": 1, "cells": []}', /found no options$/],
    ['{"schemaVersion": 1, "options": {"set": {}, "fixed": {}}, "cells": []}', /found no cells$/],
    ['{"schemaVersion": 1, "options": {"set": {}, "fixed": {}}, "cells": [{}]}', /found a cell without id/],
  ])('refuses %j', async (text, message) => {
    await mkdir(path);
    await writeFile(join(path, 'sweep.json'), text);
    await expectRefused(SweepFolder.open(path), message);
    expect(await readdir(path)).toEqual(['sweep.json']);
    expect(readFileSync(join(path, 'sweep.json'), 'utf8')).toBe(text);
  });

  it('refuses cells without one, and what is no folder of a sweep', async () => {
    await mkdir(join(path, 'cells'), { recursive: true });
    await writeFile(join(path, 'cells/a.json'), '{}');
    await expectRefused(SweepFolder.open(path), /expected the manifest of the cells beside it, found none$/);
    await writeFile(join(path, 'record.json'), '{}');
    await expectRefused(
      SweepFolder.open(path),
      /^--out .*: expected a folder without results, .* record.json/,
    );
    await expectRefused(SweepFolder.open(join(path, 'record.json')), /but it is not a folder$/);
  });
});

describe('records', () => {
  const damages: [string, (record: BenchRecord) => string, RegExp][] = [
    ['empty', () => '', /it is not JSON, or only a part of it/],
    ['cut off', (record) => JSON.stringify(record).slice(0, 300), /it is not JSON, or only a part of it/],
    ['of nothing', () => 'null', /expected a record, found null/],
    ['newer', (record) => JSON.stringify({ ...record, schemaVersion: 2 }), /newer syngrad/],
    [
      'another cell',
      (r) => JSON.stringify({ ...r, config: { ...r.config, layers: 3 } }),
      /not that of the cell/,
    ],
    ['two runs', (r) => JSON.stringify({ ...r, runs: [r.runs[0], r.runs[0]] }), /expected one run, found 2/],
    ['no runs', (r) => JSON.stringify({ ...r, runs: [] }), /expected one run, found 0/],
    [
      'another run',
      (r) => JSON.stringify({ ...r, runs: [{ ...r.runs[0], seed: 5 }] }),
      /expected a run of bp with seed 1, found bp with seed 5/,
    ],
    [
      'an interruption',
      (r) => JSON.stringify({ ...r, runs: [{ ...r.runs[0], status: 'interrupted' }] }),
      /expected a run that has ended, found status 'interrupted'/,
    ],
    ['no scores', (r) => JSON.stringify({ ...r, runs: [{ ...r.runs[0], test: null }] }), /expected scores/],
  ];

  it.each(damages)('sets aside one that is %s', async (_, damage, message) => {
    const manifest = await begun();
    const [cell] = manifest.cells;
    const file = join(path, 'cells', `${cell!.id}.json`);
    const text = damage(JSON.parse(JSON.stringify(recordOf(manifest))));
    await mkdir(join(path, 'cells'), { recursive: true });
    const told: string[] = [];
    const folder = await SweepFolder.open(path);
    // Twice: what was set aside before is not written over.
    for (const aside of [`${file}.damaged`, `${file}.damaged.2`]) {
      await writeFile(file, text);
      expect(await folder.records(manifest.cells, (line) => told.push(line))).toEqual(new Map());
      expect(existsSync(file)).toBe(false);
      expect(await readFile(aside, 'utf8')).toBe(text);
    }
    expect(told).toHaveLength(2);
    expect(told[0]).toMatch(message);
    expect(told[0]).toMatch(/; it is kept as bp-layers=2-seed=1.json.damaged, and the cell is run again$/);
    folder.leave();
  });

  it('finds whole ones, sets aside foreign ones, and removes what was half-written', async () => {
    const manifest = await begun();
    const record = recordOf(manifest);
    const folder = await SweepFolder.open(path);
    await folder.begin(manifest);
    await folder.keep(manifest.cells[0]!, record);
    const [half, foreign, note] = ['bp-layers=3-seed=1.json.99.tmp', 'else.json', 'note.txt'];
    for (const name of [half!, foreign!, note!]) await writeFile(join(path, 'cells', name), '{');
    await writeFile(join(path, 'sweep.json.99.tmp'), '{');
    const told: string[] = [];
    const found = await folder.records(manifest.cells, (line) => told.push(line));
    expect([...found]).toEqual([['bp-layers=2-seed=1', JSON.parse(JSON.stringify(record))]]);
    expect(told).toEqual([
      expect.stringMatching(/else.json: .*: the sweep has no such cell; it is kept as else.json.damaged$/),
    ]);
    const kept = ['bp-layers=2-seed=1.json', 'else.json.damaged', 'note.txt'];
    expect((await readdir(join(path, 'cells'))).sort()).toEqual(kept);
    folder.leave();
    expect(await readdir(path)).toEqual(['cells', 'sweep.json']);
  });
});
