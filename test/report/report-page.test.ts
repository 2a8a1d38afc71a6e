import { describe, expect, it } from 'vitest';
import { problemOf, type Reading } from '../../src/report/page/read.ts';
import { makeReport } from '../../src/report/page/report.ts';
import type { BenchRecord } from '../../src/report/record.ts';
import { CPU, everything, GPU, made } from './report-records.ts';
import { parseCsv, texts, wellFormed } from './report-xml.ts';

const reading = (
  records: readonly BenchRecord[],
  damaged: readonly string[] = [],
  /** Of one sweep, whose cells ran in turn, unless it is said otherwise. */
  pathOf = (i: number) => `sweep/cells/${i}.json`,
): Reading => {
  const found = records.map((record, i) => ({ path: pathOf(i), record }));
  return {
    records: found,
    runs: found.flatMap(({ path, record }) => record.runs.map((run) => ({ run, record, path }))),
    damaged,
  };
};

const html = (files: ReadonlyMap<string, string>): string => files.get('report.html')!;

/** What every page must be, whatever is on it. */
function expectPage(files: ReadonlyMap<string, string>): void {
  const page = html(files);
  // From disk and without a network: nothing is fetched, nothing is run.
  expect(page.replaceAll('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(/https?:|\/\/\w/);
  expect(page).not.toMatch(/<(?:script|link|img|iframe|object|embed)\b|@import|url\(|\son\w+=/i);
  expect(page.match(/(?:href|src)="[^"]*"/g)!.every((link) => /^href="#[\w-]+"$/.test(link))).toBe(true);
  for (const [, anchor] of page.matchAll(/href="#([\w-]+)"/g)) expect(page).toContain(`id="${anchor}"`);
  const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map((match) => match[1]);
  expect(new Set(ids).size).toBe(ids.length);
  expect(page).not.toMatch(/NaN|Infinity|undefined|\[object|>null/);
  for (const [name, text] of files) {
    expect(text, name).not.toMatch(/NaN|Infinity|undefined/);
    if (name.endsWith('.svg')) wellFormed(text);
    else if (name.endsWith('.csv')) expect(parseCsv(text).length, name).toBeGreaterThan(1);
  }
  const body = page.slice(page.indexOf('<html'), page.length).replace(/<meta [^>]*>/g, '');
  wellFormed(body.replace(/<style>[\s\S]*?<\/style>/g, ''));
}

describe('speeds are compared within what was timed in turn in one command', () => {
  const runs = (commit?: string) =>
    [made({ method: 'bp' }), made({ method: 'cdni', ...(commit && { commit }) })] as const;
  const apart = (i: number) => `run-${i}/record.json`;
  const SPEED = /times as (?:fast|long)|takes as long|the gain is|gain from|over-seconds/;
  const NONE =
    'cDNI: no record has it beside backprop, so that nothing can be said of their speeds. Its test accuracy is ';

  it('two runs of one record, or cells of one sweep: a ratio, and seconds on one axis', () => {
    const [bp, cdni] = runs();
    const both: BenchRecord = { ...bp, runs: [...bp.runs, ...cdni.runs] };
    for (const files of [makeReport(reading([both], [], apart)), makeReport(reading(runs()))]) {
      expect(html(files)).toMatch(/cDNI: a step (?:takes|is) [\d.]+ times as/);
      expect(html(files)).not.toContain(NONE);
      expect([...files.keys()].filter((name) => name.endsWith('over-seconds.svg'))).toHaveLength(1);
    }
  });

  it.each([
    ['two records', reading(runs(), [], apart)],
    ['cells of two commits in one sweep', reading(runs('f'.repeat(40)))],
    ['cells of two sweeps', reading(runs(), [], (i) => `sweep-${i}/cells/0.json`)],
  ])('%s: accuracies, and no ratio, no gain, no axis of seconds', (_, read) => {
    const files = makeReport(read);
    expect(html(files)).toContain(NONE);
    const text = html(files).replace(/<svg[\s\S]*?<\/svg>/g, '');
    expect(text.replace(/<p class="made">.*?<\/p>/s, '')).not.toMatch(SPEED);
    expect([...files.keys()].join(' ')).not.toMatch(SPEED);
  });

  it('of seeds that were timed in several records each, those are compared that stand beside each other', () => {
    const pair = (seed: number, seconds: readonly [number, number]): BenchRecord => {
      const [bp, cdni] = (['bp', 'cdni'] as const).map((method, i) => {
        const [stepsPerSecond, trainSeconds] = [1 / seconds[i]!, 50_000 * seconds[i]!];
        return made({ method, seed, run: { stepsPerSecond, trainSeconds } });
      });
      return { ...bp!, runs: [...bp!.runs, ...cdni!.runs] };
    };
    const lone = made({ method: 'cdni', seed: 3, run: { stepsPerSecond: 1e6, trainSeconds: 0.05 } });
    const files = makeReport(reading([pair(1, [1e-3, 3e-3]), pair(2, [2e-3, 6e-3]), lone], [], apart));
    // The lone one, on whatever machine, is a thousand times as fast.
    expect(html(files)).toContain('a step takes 3.00 times as long as one of backprop');
  });
});

describe("a report on all of the papers' experiments", () => {
  const files = makeReport(reading(everything()));
  const names = [...files.keys()];

  it('is one page that needs nothing else, with every figure and table in a file beside it', () => {
    expectPage(files);
    expect(names[0]).toBe('report.html');
    for (const name of [
      'table-results-50000-steps.csv',
      'table-results-100000-steps.csv',
      'table-confound-100000-steps.csv',
      'table-environments.csv',
      'table-configurations.csv',
      'figure-curves-50000-steps-4-layers-p-1-over-steps.svg',
      'figure-curves-50000-steps-4-layers-p-1-over-seconds.svg',
      'figure-error-by-depth-500000-steps.svg',
      'figure-error-by-update-probability-500000-steps.svg',
      'figure-agreement-50000-steps-4-layers-by-layer.svg',
      'figure-agreement-50000-steps-4-layers-over-steps.svg',
    ])
      expect(names).toContain(name);
    expect(html(files).match(/<figure>/g)).toHaveLength(names.filter((name) => name.endsWith('.svg')).length);
    expect(html(files).match(/<table\b/g)).toHaveLength(names.filter((name) => name.endsWith('.csv')).length);
  });

  it('has nothing missing', () => {
    expect(html(files)).not.toContain('class="missing"');
  });

  it('has a unit on every axis', () => {
    const UNIT =
      /\((?:%|s|min|h|nats|number|no unit|share of [\w ]+|number, 1 is the lowest|-1 to 1, no unit)\)(?:, log scale)?$|^training steps$/;
    for (const [name, svg] of files) {
      if (!name.endsWith('.svg')) continue;
      const axes = [...svg.matchAll(/aria-label="[xy]-axis label">(.*?)<\/g>/g)].flatMap((m) => texts(m[1]!));
      expect(axes.length, name).toBeGreaterThanOrEqual(2);
      for (const label of axes) expect(label, name).toMatch(UNIT);
    }
  });

  it('gives every figure a title and a description', () => {
    for (const [name, svg] of files) {
      if (!name.endsWith('.svg')) continue;
      expect(svg).toMatch(/<title id="[^"]+">[^<]{10,}<\/title><desc id="[^"]+">[^<]{20,}<\/desc>/);
    }
  });

  it('has the numbers of the records in its tables, to the last bit', () => {
    const [head, ...rows] = parseCsv(files.get('table-results-50000-steps.csv')!);
    const at = (row: string[], column: string) => row[head!.indexOf(column)]!;
    expect(rows.map((row) => at(row, 'method'))).toEqual(['bp', 'cdni', 'bisong']);
    const seconds = everything()
      .filter((r) => r.config.steps === 50_000 && r.config.methods[0] === 'cdni')
      .map((r) => r.runs[0]!.trainSeconds);
    const row = rows[1]!;
    expect(at(row, 'seeds')).toBe('1 2 3');
    expect(Number(at(row, 'train_seconds_n'))).toBe(3);
    expect(Number(at(row, 'train_seconds_mean'))).toBeCloseTo(
      (seconds[0]! + seconds[1]! + seconds[2]!) / 3,
      9,
    );
    expect(Number(at(row, 'train_seconds_min'))).toBe(Math.min(...seconds));
    expect(Number(at(row, 'train_seconds_max'))).toBe(Math.max(...seconds));
  });

  it('names configuration, device, versions, commit and dates', () => {
    const provenance = html(files).slice(html(files).indexOf('<section id="provenance"'));
    for (const text of [
      GPU.name,
      GPU.driver,
      'vulkan',
      '0.6.2',
      'v20.20.0',
      '0123456',
      '2026-01-01 to 2026-01-03',
      '256 hidden units',
      'learning rate 3e-5; learning rate divided by 10 at step 300,000 and 400,000; evaluated every 2,000 steps; ' +
        'train accuracy of 55,000 samples',
      'MNIST: 55,000 + 5,000 + 10,000',
    ])
      expect(provenance).toContain(text);
  });

  it('is the same for the same records', () => {
    const again = makeReport(reading(everything()));
    expect([...again.keys()]).toEqual(names);
    expect(names.filter((name) => again.get(name) !== files.get(name))).toEqual([]);
  });
});

it('a single run makes a report that says which runs are missing', () => {
  const files = makeReport(reading([made({ method: 'bp', steps: 40 })]));
  expectPage(files);
  const commands = [...html(files).matchAll(/<code>([^<]*)<\/code>/g)].map((match) => match[1]);
  for (const experiment of ['bisong-50k', 'bisong-100k', 'confound', 'jaderberg-depth', 'jaderberg-async'])
    expect(commands).toContain(`syngrad sweep --experiment ${experiment}`);
  expect(commands).toContain('syngrad bench --methods cdni,dni --diagnose 1000');
});

it('runs without a single finished one make a report that says so', () => {
  const files = makeReport(
    reading([
      made({
        method: 'bp',
        run: { status: 'failed', error: 'loss', train: null, validation: null, test: null },
      }),
    ]),
  );
  expectPage(files);
  expect(html(files)).toContain('sweep/cells/0.json: backprop, seed 1, failed at step 50000: left out.');
});

it('losses that are not finite, and curves of one point or none, are no obstacle', () => {
  const point = made({ method: 'bp' }).runs[0]!.curve[0]!;
  const nothing = { ...point, validation: { ...point.validation, loss: null as unknown as number } };
  const files = makeReport(
    reading([
      made({ method: 'bp', run: { curve: [nothing] } }),
      made({ method: 'cdni', run: { curve: [] } }),
      made({ method: 'dni', run: { stepsPerSecond: 0, layerUpdatesPerSecond: 0, trainSeconds: 0 } }),
    ]),
  );
  expectPage(files);
  expect(html(files)).toContain('sweep/cells/2.json: DNI, seed 1, was not timed: left out.');
});

it('what a record says is text and nothing else', () => {
  const evil = '<script>alert("&")</script>';
  const device = { ...GPU, name: evil };
  const files = makeReport(
    reading(
      [made({ method: 'bp', device, config: { presetNote: evil } }), made({ method: 'bp', device: CPU })],
      [evil],
    ),
  );
  expectPage(files);
  expect(html(files)).toContain('&lt;script&gt;');
});

/** A record that is about to be damaged. */
// biome-ignore lint/suspicious/noExplicitAny: anything may be done to it
type Any = any;

describe('a record', () => {
  const good = JSON.parse(JSON.stringify(made({ method: 'cdni', diagnose: true })));
  const broken = (change: (record: Any) => void) => {
    const record = structuredClone(good);
    change(record);
    return problemOf(record);
  };

  it('is taken as it is', () => {
    expect(problemOf(good)).toBeUndefined();
  });

  it.each([
    [null, 'expected a record, found null'],
    [[], 'expected a record, found array'],
    [{}, 'expected schemaVersion 1, found nothing'],
    [{ schemaVersion: '1' }, 'expected schemaVersion 1, found "1"'],
    [{ schemaVersion: 2 }, 'it was written by a newer syngrad (schemaVersion 2; this one reads up to 1)'],
    [{ schemaVersion: 1 }, 'expected a string at date, found nothing'],
  ])('%j is refused', (value, expected) => {
    expect(problemOf(value)).toBe(expected);
  });

  it.each<[string, (record: Any) => void]>([
    ['expected an object at device, found string', (r) => (r.device = 'GPU')],
    ['expected a number at config.layers, found string', (r) => (r.config.layers = '4')],
    ['expected an array at runs, found object', (r) => (r.runs = {})],
    ['expected an object at runs[0], found null', (r) => (r.runs[0] = null)],
    ['expected a string at runs[0].method, found nothing', (r) => delete r.runs[0].method],
    ['expected scores of a finished run at runs[0], found null', (r) => (r.runs[0].test = null)],
    ['expected a number at runs[0].test.accuracy, found null', (r) => (r.runs[0].test.accuracy = null)],
    ['expected an object at runs[0].curve[3], found null', (r) => (r.runs[0].curve[3] = null)],
    [
      'expected an object at runs[0].curve[2].validation, found nothing',
      (r) => delete r.runs[0].curve[2].validation,
    ],
  ])('%s', (expected, change) => {
    expect(broken(change)).toBe(expected);
  });
});
