import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { committedRecords, PAGE, README, TABLES, withTables } from '../../bench/suites/docs.ts';
import { RUN_TABLES } from '../../bench/suites/docs-runs.ts';

const page = readFileSync(PAGE, 'utf8');

it('the tables of the chapter on performance are what the records say: else run `npm run bench:docs`', () => {
  expect(page).toBe(withTables(page, committedRecords()));
  const first = readFileSync(README, 'utf8');
  expect(first).toBe(withTables(first, committedRecords()));
});

it('and all of them stand there', () => {
  const markers = [...page.matchAll(/<!-- table ([\w.-]+) -->/g)].map((match) => match[1]!);
  expect(markers.sort()).toEqual(Object.keys(TABLES).sort());
  const runs = [...readFileSync(README, 'utf8').matchAll(/<!-- table (runs\.[\w-]+) -->/g)].map((m) => m[1]!);
  expect(runs.sort()).toEqual(Object.keys(RUN_TABLES).sort());
});

it('no committed record is of a run in a hurry', () => {
  for (const { record } of committedRecords())
    for (const part of Object.values(record.suites)) expect(part.quick).toBe(false);
});
