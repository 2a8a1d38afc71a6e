import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { checkWritable } from '../../bench/suites/picture.ts';
import { stepSuite } from '../../bench/suites/step.ts';
import type { Suite, SuiteContext } from '../../bench/suites/suite.ts';
import { runSuite } from '../../src/cli/suites.ts';
import { InputError } from '../../src/errors.ts';
import { useFolder } from '../support/cli.ts';

const temp = useFolder();

const said: string[] = [];
beforeEach(() => {
  said.length = 0;
  const keep = (text: unknown) => void said.push(String(text));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => keep(text) === undefined);
  vi.spyOn(console, 'error').mockImplementation(keep);
});
afterEach(() => {
  vi.restoreAllMocks();
});

interface Counted {
  readonly cells: readonly number[];
}

/** A suite of four cells, with Ctrl-C in the middle of number `at`. */
const suiteWith = (at: number, more: Partial<Suite<Counted>> = {}): Suite =>
  ({
    name: 'counted',
    about: 'a test',
    async run({ stopped }: SuiteContext) {
      const cells: number[] = [];
      if (at < 0) process.emit('SIGINT', 'SIGINT');
      for (let cell = 0; cell < 4; cell++) {
        if (stopped!()) break;
        if (cell === at) process.emit('SIGINT', 'SIGINT');
        cells.push(cell);
      }
      return { cells };
    },
    count: ({ cells }) => cells.length,
    table: ({ cells }) => `${cells.length} cells`,
    ...more,
  }) satisfies Suite<Counted> as unknown as Suite;

const run = (suite: Suite, out: string) => runSuite(suite, { adapter: 'carried', repeats: 5, out });
const partIn = async (out: string) => JSON.parse(await readFile(out, 'utf8')).suites.counted;

it('keeps what was done on Ctrl-C, and says that it is not all', async () => {
  const out = temp.join('cut.json');
  expect(await run(suiteWith(1), out)).toBe(130);
  expect(await partIn(out)).toMatchObject({ interrupted: true, result: { cells: [0, 1] } });
  expect(said).toContain('stopping after the measurement under way; Ctrl-C once more stops at once');
  expect(said.at(-1)).toBe(`interrupted: ${out} holds what was done`);
  // The next one takes its place.
  expect(await run(suiteWith(4), out)).toBe(0);
  const whole = await partIn(out);
  expect(whole.result).toEqual({ cells: [0, 1, 2, 3] });
  expect(whole).not.toHaveProperty('interrupted');
});

it('is whole where Ctrl-C came in the last measurement', async () => {
  const out = temp.join('last.json');
  expect(await run(suiteWith(3), out)).toBe(0);
  expect(await partIn(out)).not.toHaveProperty('interrupted');
});

it('writes nothing where nothing was measured', async () => {
  const out = temp.join('no/thing.json');
  expect(await run(suiteWith(-1), out)).toBe(130);
  expect(existsSync(temp.join('no'))).toBe(false);
  expect(said.at(-1)).toBe('interrupted before anything was measured: nothing was written');
});

it('does not put a part in place of a whole result, nor what is made of it', async () => {
  const out = temp.join('whole.json');
  await run(suiteWith(4), out);
  const whole = await partIn(out);
  const finish = vi.fn();
  expect(await run(suiteWith(0, { finish }), out)).toBe(130);
  expect(await partIn(out)).toEqual(whole);
  expect(finish).not.toHaveBeenCalled();
  expect(said.at(-1)).toBe(`interrupted: ${out} keeps the whole result of ${whole.date} that it holds`);
});

it('has written the record when what is made of it fails', async () => {
  const out = temp.join('picture.json');
  const finish = async () => {
    throw new InputError('--map: it does not work');
  };
  await expect(run(suiteWith(4, { finish }), out)).rejects.toThrow('--map: it does not work');
  expect((await partIn(out)).result).toEqual({ cells: [0, 1, 2, 3] });
});

it('a folder in place of a picture is found before anything is measured', async () => {
  const map = temp.join('a-folder');
  await mkdir(map);
  const message = `--map ${map}: expected a file that can be written, found a folder`;
  await expect(checkWritable('--map', map)).rejects.toThrow(message);
  const context = { options: { map } } as unknown as SuiteContext;
  await expect(stepSuite.run(context)).rejects.toThrow(message);
});
