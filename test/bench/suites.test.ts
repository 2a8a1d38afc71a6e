import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { withTables } from '../../bench/suites/docs.ts';
import {
  defaultPath,
  deviceSlug,
  hostLoad,
  isBusy,
  mergePart,
  partOf,
  prepareRecord,
  readSuites,
  SUITES_VERSION,
} from '../../bench/suites/record.ts';
import { line, mapSpread, repeat, spread } from '../../bench/suites/suite.ts';
import type { AdapterInfo } from '../../src/gpu/adapters.ts';
import { useFolder } from '../support/cli.ts';

const temp = useFolder();

const DEVICE: AdapterInfo = {
  kind: 'gpu',
  name: 'NVIDIA H200',
  vendor: 'nvidia',
  architecture: 'hopper',
  driver: '570.1',
  backend: 'vulkan',
  origin: 'system',
};

const MADE = { dawn: '1', node: 'v20', version: '0', commit: null, host: { cpus: 2, load: 0.1 } };

/** As it comes back from a file. */
const part = (value: number) => ({
  ...partOf(DEVICE, new Date(0), MADE, { repeats: 5, quick: false }, { value }),
  seconds: 1.5,
});

describe('spread', () => {
  it('is the median and the quantiles, straight between neighbours, in whatever order', () => {
    expect(spread([5, 1, 4, 2, 3])).toEqual({ median: 3, p10: 1.4, p90: 4.6, repeats: 5 });
    expect(spread([2, 1])).toEqual({ median: 1.5, p10: 1.1, p90: 1.9, repeats: 2 });
    expect(spread([7])).toEqual({ median: 7, p10: 7, p90: 7, repeats: 1 });
    expect(() => spread([])).toThrow('no values');
  });

  it('of a rate: what was slow becomes low', () => {
    const rate = mapSpread({ median: 2, p10: 1, p90: 4, repeats: 9 }, (seconds) => 8 / seconds);
    expect(rate).toEqual({ median: 4, p10: 2, p90: 8, repeats: 9 });
  });
});

describe('line', () => {
  it('goes through points on a line, and between others by least squares', () => {
    const { slope, intercept } = line([1, 2, 4].map((x) => [x, 3 * x + 5]));
    expect(slope).toBeCloseTo(3, 12);
    expect(intercept).toBeCloseTo(5, 12);
    // By hand: means 1 and 2; sxx 2, sxy 3.
    expect(
      line([
        [0, 0],
        [1, 3],
        [2, 3],
      ]),
    ).toEqual({ slope: 1.5, intercept: 0.5 });
  });

  it('needs two different counts', () => {
    expect(() =>
      line([
        [3, 1],
        [3, 2],
      ]),
    ).toThrow('two different counts');
  });
});

it('repeat leaves out the warm-up', async () => {
  let calls = 0;
  const next = async () => ++calls;
  expect(await repeat({ repeats: 3, warmUp: 2 }, next)).toEqual([3, 4, 5]);
  expect(await repeat({}, next)).toHaveLength(5);
});

describe('a record of suites', () => {
  it('is called by its device', () => {
    expect(deviceSlug(DEVICE)).toBe('nvidia-h200');
    expect(deviceSlug({ name: 'llvmpipe (LLVM 15.0.6, 256 bits)', driver: 'Mesa' })).toBe('lavapipe');
    expect(deviceSlug({ name: 'SwiftShader Device (Subzero)', driver: '' })).toBe('swiftshader');
    expect(deviceSlug({ name: '(?)', driver: '' })).toBe('device');
    expect(defaultPath(DEVICE)).toMatch(/^runs.suites-nvidia-h200\.json$/);
  });

  it('takes a suite in, and leaves the others as they are', async () => {
    const path = temp.join('one.json');
    await prepareRecord(path, DEVICE);
    expect(await readSuites(path)).toBeUndefined();
    await mergePart(path, 'overhead', part(1));
    await mergePart(path, 'kernels', part(2));
    await mergePart(path, 'overhead', part(3));
    const record = { suitesVersion: SUITES_VERSION, device: 'NVIDIA H200' };
    expect(await readSuites(path, DEVICE)).toEqual({
      ...record,
      suites: { overhead: part(3), kernels: part(2) },
    });
  });

  it('loses nothing when many finish at once, and leaves no other file behind', async () => {
    await mkdir(temp.join('busy'));
    const path = temp.join('busy', 'all.json');
    const names = Array.from({ length: 12 }, (_, i) => `suite${i}`);
    await Promise.all(names.map((name, i) => mergePart(path, name, part(i))));
    const { suites } = (await readSuites(path, DEVICE))!;
    expect(Object.keys(suites).sort()).toEqual([...names].sort());
    expect(await readdir(temp.join('busy'))).toEqual(['all.json']);
  });

  it('says when the machine was busy', () => {
    expect(isBusy({ cpus: 2, load: 0.4 })).toBe(false);
    expect(isBusy({ cpus: 2, load: 0.6 })).toBe(true);
    expect(isBusy({ cpus: 16, load: 2 })).toBe(false);
    expect(hostLoad().cpus).toBeGreaterThan(0);
    expect(hostLoad().load).toBeGreaterThanOrEqual(0);
  });

  it('gets past the lock of a process that died', async () => {
    const path = temp.join('stale.json');
    await writeFile(`${path}.lock`, '');
    await utimes(`${path}.lock`, 0, 0);
    await mergePart(path, 'overhead', part(1));
    expect(Object.keys((await readSuites(path))!.suites)).toEqual(['overhead']);
  });

  it.each([
    ['not JSON', '{', /: expected a record of suites of NVIDIA H200, found a file that is not JSON$/],
    ['another file', '{"a": 1}', /found another file$/],
    ['null', 'null', /found another file$/],
    [
      'of another device',
      JSON.stringify({ suitesVersion: SUITES_VERSION, device: 'Apple M4', suites: {} }),
      /found that of Apple M4$/,
    ],
  ])(
    'is refused before anything is measured when it is %s, and left as it is',
    async (name, text, message) => {
      const path = temp.join(`${name.replaceAll(' ', '-')}.json`);
      await writeFile(path, text);
      await expect(prepareRecord(path, DEVICE)).rejects.toThrow(message);
      await expect(mergePart(path, 'overhead', part(1))).rejects.toThrow(message);
      expect(await readFile(path, 'utf8')).toBe(text);
    },
  );

  it('is refused where it cannot be', async () => {
    await expect(prepareRecord(temp.path, DEVICE)).rejects.toThrow(/found a folder$/);
    await writeFile(temp.join('file'), '');
    await expect(prepareRecord(temp.join('file', 'x.json'), DEVICE)).rejects.toThrow(
      /the folder cannot be made/,
    );
  });
});

describe('tables on a page', () => {
  const between = (text: string) => `a\n<!-- table kernels.peaks -->\n${text}<!-- end kernels.peaks -->\nb\n`;

  it('stand between their markers, and nothing else is touched', () => {
    const page = withTables(between('| old |\n'), []);
    expect(page).toBe(between('\n| device | GFLOP/s | GB/s |\n| --- | ---: | ---: |\n\n'));
    expect(withTables(page, [])).toBe(page);
  });

  it('have names that are known', () => {
    expect(() => withTables('<!-- table no.such -->\n<!-- end no.such -->', [])).toThrow(
      "no table 'no.such'",
    );
  });
});
