import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseTable } from '../../bench/tune-table.ts';
import { shapes, tunedSchedules, writtenTo } from '../../src/cli/tune.ts';
import { useCli, useFolder } from '../support/cli.ts';

const cli = useCli();
const temp = useFolder();

it('reads shapes and schedules', () => {
  expect(shapes('4x256, 8x64x128')).toEqual([
    { layers: 4, batch: 256, hidden: 256 },
    { layers: 8, batch: 64, hidden: 128 },
  ]);
  expect(tunedSchedules('wave,bp-fused,wave')).toEqual(['wave', 'bp fused']);
});

/** No time but for what is usual, on the smallest of networks. */
const ONE = ['tune', '--shapes', '2x8x16', '--schedules', 'bp-fused', '--seconds', '1'];

it('tune measures, and puts what it found into a table', async () => {
  const out = temp.join('tiles.ts');
  const { code, stdout, stderr } = await cli.run([...ONE, '--out', out]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^SwiftShader .*a CPU driver, whose times say nothing about GPUs/);
  expect(stdout).toMatch(/^│ bp fused +│ +2 │ +8 │ +[\d,.]+ │ .* │ PILES=\d+ +│$/m);
  expect(stdout).toContain(`written: ${out}`);
  const { devices } = parseTable(out, await readFile(out, 'utf8'));
  const device = devices.find(({ name }) => name.startsWith('SwiftShader'))!;
  expect(device.entries).toContainEqual(
    expect.objectContaining({ schedule: 'bp fused', layers: 2, batch: 8, hidden: 16 }),
  );
});

it('with --dry-run writes nothing, and with --json prints what it found alone', async () => {
  const args = [...ONE, '--dry-run', '--json'];
  const { code, stdout, stderr } = await cli.run(args, { cwd: temp.path });
  expect(code).toBe(0);
  expect(stderr).toContain('--dry-run: nothing was written');
  expect(JSON.parse(stdout).entries[0]).toMatchObject({ schedule: 'bp fused', batch: 8 });
});

it.each([
  ['4', /^--shapes: expected layers x batch \(x hidden\) such as 4x256,8x64, found '4'$/],
  ['', /^--shapes: expected layers x batch/],
  ['4x64x', /^--shapes 4x64x, hidden: expected a whole number from 1 to 65536, found ''$/],
  ['4x8,x64', /^--shapes x64, layers: expected a whole number from 2 to 32, found ''$/],
  ['4x1', /^--shapes 4x1, batch: expected a whole number from 2 to 55000, found '1'$/],
  ['4x8x16x2', /^--shapes: expected layers x batch/],
])('the shapes %j are refused', (text, message) => {
  expect(() => shapes(text)).toThrow(message);
});

it('schedules that have nothing to tune are refused', () => {
  expect(() => tunedSchedules('layered')).toThrow(
    /^--schedules: expected some of bp-fused, wave, .*, found 'layered'$/,
  );
});

it('says where an installed table will be overwritten', () => {
  const own = '/home/me/node_modules/syngrad/dist/src/kernels/tiles-table.js';
  expect(writtenTo(own, own)).toBe(`written: ${own}, which the next install of syngrad replaces`);
  for (const other of ['/home/me/tiles.ts', '/home/me/node_modules/mine/tiles.js']) {
    expect(writtenTo(other, own)).toBe(`written: ${other}`);
  }
  expect(writtenTo('/src/tiles-table.ts', '/src/tiles-table.ts')).toBe('written: /src/tiles-table.ts');
});

describe('bad input is refused in one line, and nothing is measured', () => {
  it.concurrent.each([
    [
      ['tune', '--out', 'src/cli/main.js'],
      /^--out src\/cli\/main\.js: expected a table that tune has written, found another file$/,
    ],
    [
      ['tune', '--out', 'x.json'],
      /^--out x\.json: expected a file that ends in \.ts or \.js, since tune writes a module, found \.json$/,
    ],
    [['tune', '--out', 'x'], /^--out x: expected a file that ends in .*, found no ending$/],
    [['tune', 'fast', '--dry-run'], /^tune: expected options alone, found 'fast'$/],
    [['tune', '--out', 'no/such.ts'], /^--out no\/such\.ts: expected a file that can be written, .*ENOENT/],
    [['bench', 'step', '--map', '/'], /^--map \/: expected a file that can be written, found a folder$/],
    [['bench', 'step', '--map', 'no/map.svg'], /^--map no\/map\.svg: expected a file that can be written/],
    [['bench', 'step', '--layers', '1'], /^--layers: expected whole numbers from 2 to 32 .*, found '1'$/],
  ] as const)('%j', async (args, message) => {
    const { code, stderr } = await cli.run(args);
    expect(stderr).toMatch(/^syngrad: [^\n]+\n$/);
    expect(stderr.slice('syngrad: '.length, -1)).toMatch(message);
    expect(code).toBe(1);
  });
});
