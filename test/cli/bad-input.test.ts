import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { readRecord, SMALL, tinyFiles, useCli, useFolder, writeAll } from '../support/cli.ts';

const cli = useCli();
const temp = useFolder();

beforeAll(async () => {
  await mkdir(temp.join('tiny'));
  await writeAll(temp.join('tiny'), tinyFiles());
  await writeFile(temp.join('a-file'), 'text');
});

/** Fails unless these arguments are refused with one line that matches, and nothing is printed or left behind. */
async function expectRefused(args: readonly string[], message: RegExp, env: Record<string, string> = {}) {
  const before = await readdir(temp.path);
  const { code, stdout, stderr } = await cli.run(args, { cwd: temp.path, env });
  expect(stderr).toMatch(/^syngrad: [^\n]+\n$/);
  expect(stderr.slice('syngrad: '.length, -1)).toMatch(message);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(await readdir(temp.path)).toEqual(before);
}

const bench = (...args: string[]) => [
  'bench',
  '--data',
  temp.join('tiny'),
  '--out',
  temp.join('new'),
  ...args,
];

// Through the whole program, one of each kind; options.test.ts has all wrong values.
describe('options', () => {
  it.concurrent.each([
    [['--bogus'], /^unknown option '--bogus'$/],
    [['--step', '3'], /^unknown option '--step' \(Did you mean --steps\?\)$/],
    [['--steps'], /^option '--steps <n>' argument missing$/],
    [['surplus'], /^unknown suite 'surplus': expected overhead, kernels, step or peers$/],
    [
      ['--methods', 'bp,magic'],
      /^--methods: expected methods among bp, dni, cdni, .*, delayed-bp, found 'magic'$/,
    ],
    [['--preset', 'huge'], /^--preset: expected one of smoke, quick, bisong-50k, .*, found 'huge'$/],
    [['--steps', 'many'], /^--steps: expected a whole number from 1 to 1000000000, found 'many'$/],
    [['--lr', '0'], /^--lr: expected a positive number .* such as 3e-5, found '0'$/],
    [['--lambda', '2'], /^--lambda: expected a number from 0 to 1, found '2'$/],
    [['--diagnose', 'every'], /^--diagnose: expected a number of steps behind 'every', found none$/],
    [
      ['--methods', 'bp', '--sg-hidden', '1'],
      /^--sg-hidden 1: expected a method with synthetic gradients \(.*\), found bp$/,
    ],
    [['--out', ''], /^--out: expected some text, found none$/],
  ] as const)('bench %j', async (args, message) => {
    await expectRefused(bench(...args), message);
  });

  it.concurrent.each([
    [['bnech'], /^unknown command 'bnech' \(Did you mean bench\?\)$/],
    [['train', '--method', 'magic'], /^--method: expected methods among bp, .*, found 'magic'$/],
    [['train', '--method', 'bp,cdni'], /^--method: expected one method, found 'bp,cdni'$/],
    [['train', '--methods', 'bp'], /^unknown option '--methods' \(Did you mean --method\?\)$/],
    [['devices', 'all', 'x'], /^devices: expected options alone, found 'all' 'x'$/],
    [['devices', '--all'], /^unknown option '--all'$/],
  ] as const)('%j', async (args, message) => {
    await expectRefused(args, message);
  });
});

describe('device', () => {
  const found = 'SwiftShader Device \\(Subzero\\) \\(carried cpu\\)';

  it('lists the adapters there are when none matches', async () => {
    const message = new RegExp(
      `^no WebGPU adapter matches 'no such' \\(as asked for\\): .*; found .*${found}$`,
    );
    await expectRefused(bench('--adapter', 'no such'), message);
    const fromEnv = new RegExp(`^no WebGPU adapter matches 'none' \\(from SYNGRAD_ADAPTER\\): .*${found}$`);
    await expectRefused(bench(), fromEnv, { SYNGRAD_ADAPTER: 'none' });
    await expectRefused(['devices'], fromEnv, { SYNGRAD_ADAPTER: 'none' });
  });

  it('names the limit that a size exceeds, and what would fit', async () => {
    const limit =
      'but the limit maxStorageBufferBindingSize of SwiftShader Device \\(Subzero\\) is (\\d+) bytes';
    const hidden = new RegExp(
      `^--hidden 100000 needs a weight matrix of 40000000000 bytes, ${limit}: at most (\\d+) fits$`,
    );
    await expectRefused(bench('--hidden', '100000'), hidden);
    const { stderr } = await cli.run(bench('--hidden', '100000'));
    const [, bytes, fits] = hidden.exec(stderr.slice('syngrad: '.length, -1))!.map(Number);
    // A matrix of that many units squared fits, and of one more does not.
    expect(4 * fits! ** 2).toBeLessThanOrEqual(bytes!);
    expect(4 * (fits! + 1) ** 2).toBeGreaterThan(bytes!);
    await expectRefused(
      ['bench', '--batch', '50000', '--hidden', '8192', '--out', temp.join('new')],
      new RegExp(`^--batch 50000 needs 1638400000 bytes in one buffer, ${limit}: at most \\d+ fits$`),
    );
  });
});

describe('data', () => {
  it('refuses a batch that is larger than the data', async () => {
    const message =
      /^batch size \(--batch\): expected at most the 286 training samples of the data, found 287$/;
    await expectRefused(bench(...SMALL, '--batch', '287'), message);
  });

  /** A copy of the small data set with one file replaced, or left out. */
  async function damaged(name: string, change: (bytes: Uint8Array) => Uint8Array | undefined) {
    const folder = temp.join(`damaged-${Math.random().toString(36).slice(2)}`);
    const files = tinyFiles();
    const changed = change(files[name]!);
    delete files[name];
    await mkdir(folder);
    await writeAll(folder, changed === undefined ? files : { ...files, [name]: changed });
    return folder;
  }

  const images = 'train-images-idx3-ubyte';
  const labels = 't10k-labels-idx1-ubyte';

  it.each([
    [
      'missing',
      labels,
      () => undefined,
      /: expected the file t10k-labels-idx1-ubyte or .*\.gz, found neither/,
    ],
    [
      'truncated',
      images,
      (b) => b.subarray(0, -9),
      /: expected 19984 bytes .*, found a file truncated at 19975/,
    ],
    [
      'over-long',
      images,
      (b) => Uint8Array.of(...b, 1),
      /: expected 19984 bytes .*, found a file over-long at 19985/,
    ],
    [
      'mislabelled',
      labels,
      () => tinyFiles()['t10k-images-idx3-ubyte'],
      /: expected a labels file .*, found an images/,
    ],
    [
      'no IDX file',
      images,
      () => Uint8Array.of(80, 75, 3, 4, 9),
      /: expected an IDX file .*, found first bytes 50 4b/,
    ],
    [
      'cut gzip',
      images,
      (b) => gzipSync(b).subarray(0, -20),
      /: expected complete gzip data, found damaged or trunc/,
    ],
    [
      'gzip and more',
      labels,
      (b) => Uint8Array.of(...gzipSync(b), 7, 7),
      /: expected nothing after the gzip data/,
    ],
    [
      'label of 10',
      labels,
      (b) => b.with(-1, 10),
      /: expected labels from 0 to 9, found label 10 at index 59$/,
    ],
    [
      'fewer labels',
      labels,
      () => tinyFiles(312, 59)[labels],
      /: expected 60 labels as .* has images, found 59$/,
    ],
  ] as [string, string, (bytes: Uint8Array) => Uint8Array | undefined, RegExp][])(
    'refuses a file that is %s',
    async (_, name, change, message) => {
      const data = await damaged(name, change);
      await expectRefused(['bench', '--data', data, '--out', temp.join('new')], message);
    },
  );

  it('refuses a folder that is none', async () => {
    const refused = (data: string, message: RegExp) =>
      expectRefused(['bench', '--data', data, '--out', temp.join('new')], message);
    await refused(
      temp.join('a-file'),
      /^--data .*: expected a folder with the four IDX files, found a file$/,
    );
    await refused(temp.join('nowhere'), /: expected a folder with the four IDX files, found no such folder$/);
  });
});

describe('output', () => {
  const refused = (out: string, message: RegExp) =>
    expectRefused(['bench', '--data', temp.join('tiny'), '--out', out], message);

  it('refuses a folder that cannot be written', async () => {
    await refused(
      temp.join('a-file'),
      /a-file: expected a folder to write results to, but it is not a folder$/,
    );
    await refused(
      temp.join('a-file/below'),
      /below: expected a folder .*, but it cannot be written \(ENOTDIR\)$/,
    );
    // What is allowed to all and yet cannot be done.
    await refused('/proc', /^--out \/proc: expected a folder .*, but it cannot be written \(\w+\)$/);
    await refused('/proc/new/er', /^--out \/proc\/new\/er: expected a folder .*written \(\w+\)$/);
    await symlink(temp.join('nowhere'), temp.join('dangling'));
    await refused(temp.join('dangling'), /dangling: expected a folder .*, but it cannot be written \(\w+\)$/);
    await rm(temp.join('dangling'));
  });

  it('refuses a folder that holds results, and leaves them as they are', async () => {
    const out = temp.join('results');
    await mkdir(out);
    await writeFile(`${out}/record.json`, 'mine');
    await refused(out, /results: expected a folder without results, but it holds record\.json already$/);
    expect(await readFile(`${out}/record.json`, 'utf8')).toBe('mine');
  });

  it('removes the folders it made', async () => {
    await expectRefused(['bench', '--out', temp.join('a/b'), '--adapter', 'no such'], /^no WebGPU/);
  });
});

describe('a kernel that is wrong', () => {
  it('is named, and nothing is timed or written', async () => {
    // The twin stands for the truth: a kernel that differs from it is wrong.
    const twin = join(cli.folder, 'src/reference/relu.js');
    const text = await readFile(twin, 'utf8');
    try {
      await writeFile(twin, text.replaceAll('Math.max(', '1 + Math.max('));
      expect(await readFile(twin, 'utf8')).not.toBe(text);
      const out = temp.join('wrong');
      const { code, stdout, stderr } = await cli.run(
        bench(...SMALL, '--schedule', 'layered', '--json', '--out', out),
      );
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(
        /\nsyngrad: kernels fail their check on SwiftShader Device \(Subzero\), so that nothing was timed:\n/,
      );
      expect(stderr).toMatch(
        /\nlayer1\.h\.relu \(relu_forward\): \d+ of 512 elements of layer1\.h are out of bound; the worst is /,
      );
      expect(stderr).not.toMatch(/^ +at |steps\/s/m);
      expect(existsSync(out)).toBe(false);
    } finally {
      await writeFile(twin, text);
    }
  });
});

describe('in mid-run', () => {
  it('stops at a loss that is not finite, names the step and the tensor, and keeps the record', async () => {
    const out = temp.join('infinite');
    const args = ['bench', '--data', temp.join('tiny'), '--out', out, ...SMALL, '--lr', '1e30', '--json'];
    const { code, stdout, stderr } = await cli.run(args);
    expect(code).toBe(1);
    const sentence =
      /bp: the loss stopped being finite at step (\d+)\D.*the first tensor with an infinity or a NaN is [\w.]+ .*/;
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^syngrad: ${sentence.source}$`));
    expect(stderr).not.toMatch(/^ +at /m);
    const record = await readRecord(out);
    expect(JSON.parse(stdout)).toEqual(record);
    expect(record.interrupted).toBe(false);
    expect(record.runs).toHaveLength(1);
    const [run] = record.runs;
    expect(run!.status).toBe('failed');
    // The steps before the one that is named are done.
    const [, step] = sentence.exec(run!.error!)!;
    expect(run!.steps).toBeLessThan(Number(step));
    expect(existsSync(`${out}/curves.csv`)).toBe(true);
  });
});
