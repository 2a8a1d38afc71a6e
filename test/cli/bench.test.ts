import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { PYTORCH } from '../../src/nn/conventions.ts';
import { expectRecord, readRecord, SMALL, tinyFiles, useCli, useFolder, writeAll } from '../support/cli.ts';

const cli = useCli();
const temp = useFolder();

beforeAll(async () => {
  const files = tinyFiles();
  await mkdir(temp.join('tiny'));
  await writeAll(temp.join('tiny'), files);
  await mkdir(temp.join('packed'));
  await writeAll(
    temp.join('packed'),
    Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)])),
  );
});

const small = () => ['--data', temp.join('tiny'), ...SMALL];

/** Lines before any figure of time may be seen. */
const figure = /steps\/s|training only|\bleft\b/;

describe('bench', () => {
  it('shows progress and the table on stdout, after the checks, and writes the record to runs/', async () => {
    const { code, stdout, stderr } = await cli.run(['bench', ...small()], { cwd: temp.path });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^SwiftShader .*a CPU driver, whose times say nothing about GPUs/);
    expect(lines[1]).toMatch(/^preset quick: .*; changed by options: batch, hidden, steps, evalEvery$/);
    expect(lines[2]).toMatch(/^checked backprop: what its \d+ dispatches write \(\d+ tensors\) agrees/);
    expect(lines[3]).toMatch(/^checked cDNI: what its \d+ dispatches write \(\d+ tensors\) agrees/);
    // Plain lines, with rate, loss and time left.
    const place = (title: string, step: number) =>
      new RegExp(
        `^${title} step ${step} of 4, [\\d.]+ steps/s, loss \\d\\.\\d{4}, [\\d.]+ m?u?s left; ` +
          'validation accuracy \\d+\\.\\d\\d %, loss \\d\\.\\d{4}$',
      );
    expect(lines[4]).toMatch(place('backprop', 2));
    expect(lines[5]).toMatch(place('backprop', 4));
    expect(lines[6]).toMatch(place('cDNI', 2));
    expect(lines[7]).toMatch(place('cDNI', 4));
    expect(lines.slice(9, 22).map((line) => line.split('│')[1]?.trim())).toEqual([
      '',
      'steps',
      'training only',
      'steps/s',
      'time a layer update',
      'schedule',
      'targets late, steps',
      'MACs a step',
      'dispatches a step',
      'train accuracy',
      'train loss',
      'test accuracy',
      'test loss',
    ]);
    expect(lines[23]).toMatch(/^cDNI, wave : backprop, fused = [\d.]+ in steps\/s: a step of cDNI .*GPUs\.$/);
    expect(lines[24]).toMatch(/^written: .*record\.json, .*curves\.csv$/);
    expect(lines).toHaveLength(25);
    expect(stdout.search(figure)).toBeGreaterThan(stdout.indexOf('checked cDNI'));

    const runs = await readdir(temp.join('runs'));
    expect(runs).toEqual([expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-quick$/)]);
    const record = await readRecord(temp.join('runs', runs[0]!));
    expect(record.runs.map((run) => run.status)).toEqual(['finished', 'finished']);
  });

  it('prints the record and nothing else with --json, the same as in record.json', async () => {
    const out = temp.join('deep/er/json');
    const given = ['--lr', '2e-3', '--lr-drops', '2,3', '--seed', '7', '--layers', '3', '--schedule', 'wave'];
    const { code, stdout, stderr } = await cli.run([
      'bench',
      '--json',
      ...['--preset', 'smoke', '--methods', 'cdni,bp', '--out', out, ...given],
      ...small(),
    ]);
    expect(code).toBe(0);
    const record = expectRecord(JSON.parse(stdout));
    expect(await readRecord(out)).toEqual(record);
    expect(await readdir(out)).toEqual(['curves.csv', 'record.json']);
    // What people read goes to stderr, and all of it.
    expect(stderr).toMatch(/^SwiftShader [\s\S]*checked cDNI[\s\S]*training only[\s\S]*written: /);

    expect(record.config).toEqual({
      preset: 'smoke',
      presetNote: expect.stringMatching(
        /^a sign of life: .*; changed by options: methods, batch, hidden, layers, lr, lrDrops, seed, steps, evalEvery, schedule$/,
      ),
      methods: ['cdni', 'bp'],
      steps: 4,
      batch: 32,
      hidden: 16,
      layers: 3,
      lr: 2e-3,
      lrDrops: [2, 3],
      seed: 7,
      evalEvery: 2,
      trainSamples: 286,
      data: { name: 'tiny', train: 286, validation: 26, test: 60 },
      ...{ optimizer: 'adam', conventions: PYTORCH, updateProbability: 1, lambda: 0, delay: 'pipelined' },
      ...{ sgHidden: null, sgWidth: null, sgLabels: null, sgOutput: null, sgLr: null, sgWarmup: 0 },
      ...{ diagnose: null, schedule: 'wave', waveStages: 3 },
    });
    expect(record.device).toMatchObject({ kind: 'cpu', origin: 'carried' });
    expect(record.node).toBe(process.version);
    expect(record.interrupted).toBe(false);
    // Outside a checkout there is no commit.
    expect(record.commit).toBeNull();
    expect(record.checks.map((c) => [c.method, c.shape])).toEqual([
      ['cdni', { batch: 32, hidden: 16, layers: 3 }],
      ['bp', { batch: 32, hidden: 16, layers: 3 }],
    ]);
    // The products of a step at 64-16-16-10: 3 F - I H, and 2 (L - 1) H^2 more with predictors.
    const macs = 3 * (64 * 16 + 16 * 16 + 16 * 10) - 64 * 16;
    const [cdni, bp] = record.runs;
    expect(bp).toMatchObject({ method: 'bp', schedule: 'fused', seed: 7, steps: 4, error: null });
    expect(bp!.scheduleNote).toBe('bp has no wave: its layers wait for each other');
    expect(stderr.match(/bp has no wave/g)).toHaveLength(1);
    expect(stderr).toMatch(/^backprop runs fused: bp has no wave: its layers wait for each other$/m);
    expect(bp!.dispatchesPerStep).toBe(5);
    expect(cdni).toMatchObject({ schedule: 'wave', staleness: { gradient: 0, target: 1 } });
    expect(bp!.macsPerStep).toBe(32 * macs);
    expect(cdni!.macsPerStep).toBe(32 * (macs + 2 * 2 * 16 ** 2));
    for (const run of record.runs) {
      expect(run.stepsPerSecond).toBe(run.steps / run.trainSeconds);
      expect(run.layerUpdates).toBe(3 * run.steps);
      expect(run.idleSteps).toBe(0);
      expect(run.layerUpdatesPerSecond).toBeCloseTo(3 * run.stepsPerSecond, 6);
      expect(run.curve.map((point) => point.step)).toEqual([2, 4]);
      expect(run.curve[0]!.seconds).toBeLessThan(run.curve[1]!.seconds);
      expect(run.curve[1]!.seconds).toBeLessThanOrEqual(run.trainSeconds);
      expect(run.curve[1]!.validation).toEqual(run.validation);
      expect([run.train, run.validation, run.test].map((score) => score!.samples)).toEqual([286, 26, 60]);
    }
    const csv = (await readFile(`${out}/curves.csv`, 'utf8')).trimEnd().split('\n');
    expect(csv).toHaveLength(5);
    const { seconds, train, validation } = bp!.curve[1]!;
    expect(csv[4]!.split(',')).toEqual([
      'bp',
      ...[7, 4, seconds, train.loss, train.accuracy, validation.loss, validation.accuracy].map(String),
    ]);
  });

  it('learns the same from gzipped files, by the same seed, and is silent with --json --quiet', async () => {
    const scores = [];
    for (const data of ['tiny', 'packed']) {
      const args = ['bench', '--json', '--quiet', '--methods', 'bp', ...SMALL, '--data', temp.join(data)];
      const { code, stdout, stderr } = await cli.run([...args, '--out', temp.join(`seeded-${data}`)]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const [run] = expectRecord(JSON.parse(stdout)).runs;
      scores.push([run!.train, run!.validation, run!.test, run!.curve.map((point) => point.train)]);
    }
    expect(scores[1]).toEqual(scores[0]);
  });

  it('takes MNIST by default, and evaluates at the end where --eval-every is more than --steps', async () => {
    const args = ['--methods', 'bp', '--hidden', '8', '--batch', '32', '--steps', '3', '--eval-every', '50'];
    const { code, stdout } = await cli.run([
      'bench',
      '--preset',
      'smoke',
      '--json',
      ...args,
      '--out',
      temp.join('mnist'),
    ]);
    expect(code).toBe(0);
    const { config, runs } = expectRecord(JSON.parse(stdout));
    expect(config.data).toEqual({ name: 'MNIST', train: 55_000, validation: 5_000, test: 10_000 });
    expect(config.evalEvery).toBe(50);
    expect(runs[0]!.curve.map((point) => point.step)).toEqual([3]);
    expect(runs[0]!.train!.samples).toBe(5_000);
    expect(runs[0]!.test!.samples).toBe(10_000);
  });
});

describe('train', () => {
  it('trains by one rule, and prints the table alone with --quiet', async () => {
    const out = temp.join('train');
    const args = ['train', '--method', 'cdni', '--quiet', '--out', out, ...small()];
    const { code, stdout, stderr } = await cli.run(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^┌[\s\S]*┘\n$/);
    const { config, runs } = await readRecord(out);
    const [, dispatches] = /│ dispatches a step +│ +([\d.]+) │/.exec(stdout)!;
    expect(Number(dispatches)).toBeCloseTo(runs[0]!.dispatchesPerStep, 2);
    expect(config.methods).toEqual(['cdni']);
    expect(runs.map((run) => run.method)).toEqual(['cdni']);
  });

  it('says on stderr why it has another schedule, even with --quiet', async () => {
    const args = ['train', '--method', 'cdni', '--schedule', 'wave', '--optimizer', 'sgd', '--quiet'];
    const { code, stdout, stderr } = await cli.run([...args, '--out', temp.join('noted'), ...small()]);
    expect(code).toBe(0);
    expect(stderr).toBe('cDNI runs layered: of the fused kernels: they update by adam, not by sgd\n');
    expect(stdout).toMatch(/^┌[\s\S]*┘\n$/);
  });
});

describe('devices', () => {
  it('lists each with limits and features, in a table without lines between rows', async () => {
    const { code, stdout, stderr } = await cli.run(['devices']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/SwiftShader Device \(Subzero\) \(taken by default\)\n┌/);
    expect(stdout).toMatch(/│ comes with +│ the npm packages +│\n│ maxBufferSize +│ [\d,]+ +│\n/);
    expect(stdout).not.toContain('├');
  });

  it('prints them as JSON', async () => {
    const { code, stdout } = await cli.run(['devices', '--json']);
    expect(code).toBe(0);
    const carried = (JSON.parse(stdout) as { origin: string }[]).filter(({ origin }) => origin === 'carried');
    expect(carried).toEqual([
      expect.objectContaining({
        kind: 'cpu',
        limits: expect.objectContaining({ maxStorageBufferBindingSize: expect.any(Number) }),
        features: expect.arrayContaining(['timestamp-query']),
      }),
    ]);
  });
});

describe('stopping', () => {
  const long = (out: string) => [
    'bench',
    ...['--data', temp.join('tiny'), '--out', out, '--hidden', '16', '--batch', '32'],
    ...['--steps', '1000000', '--eval-every', '20'],
  ];

  // Under npm there are two signals for one Ctrl-C: the terminal's, and the one that npm passes on.
  it.each([
    ['SIGINT', 1, {}],
    ['SIGTERM', 1, {}],
    ['SIGINT', 2, { npm_lifecycle_event: 'bench' }],
  ] as const)('%s (%i under %o) ends the steps under way and keeps what was done', async (s, times, env) => {
    const out = temp.join(`${s}-${times}`);
    const run = cli.start([...long(out), '--json'], { env });
    await run.until('step 20 of');
    for (let i = 0; i < times; i++) run.kill(s);
    const { code, stdout, stderr } = await run.ended;
    expect(code).toBe(130);
    const record = expectRecord(JSON.parse(stdout));
    expect(await readRecord(out)).toEqual(record);
    expect(record.interrupted).toBe(true);
    expect(record.runs).toHaveLength(1);
    const [bp] = record.runs;
    expect(bp).toMatchObject({ method: 'bp', status: 'interrupted', error: null, test: null });
    expect(bp!.steps).toBeGreaterThanOrEqual(20);
    expect(bp!.steps).toBeLessThan(1_000_000);
    expect(bp!.curve.length).toBeGreaterThanOrEqual(1);
    expect(stderr).toMatch(/\nstopping after the steps under way; Ctrl-C once more stops at once\n/);
    expect(stderr).toMatch(/\ninterrupted: .* holds what was done\n$/);
  });

  it('writes nothing when it is stopped before any training step', async () => {
    const out = temp.join('early');
    const run = cli.start([...long(out), '--json']);
    await run.until('preset ');
    run.kill('SIGINT');
    const { code, stdout, stderr } = await run.ended;
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).toMatch(/\ninterrupted before any training step: nothing was written\n$/);
    expect(existsSync(out)).toBe(false);
  });

  it('ends at once on a second Ctrl-C, and leaves no empty folder', async () => {
    const out = temp.join('twice');
    // The scores at the end, of 55,000 samples here, are not broken off: time enough for a second Ctrl-C.
    const args = ['bench', '--preset', 'paper-500k', '--steps', '1', '--methods', 'bp', '--out', out];
    const run = cli.start([...args, '--layers', '2', '--batch', '16']);
    await run.until('step 1 of 1');
    run.kill('SIGINT');
    await run.until('stopping after');
    run.kill('SIGINT');
    const { signal, stdout } = await run.ended;
    // As a shell sees it, that is the exit code 130.
    expect(signal).toBe('SIGINT');
    expect(stdout).not.toContain('training only');
    expect(existsSync(out)).toBe(false);
  });

  it('takes a reader of stdout that goes away for a wish to stop, without a stack trace', async () => {
    const out = temp.join('hang-up');
    const run = cli.start(long(out));
    await run.until('step 20 of');
    run.hangUp();
    const { code, stderr } = await run.ended;
    expect(code).toBe(130);
    expect(stderr).toBe(`interrupted: ${out} holds what was done\n`);
    expect((await readRecord(out)).interrupted).toBe(true);
    const devices = cli.start(['devices']);
    devices.hangUp();
    expect(await devices.ended).toMatchObject({ code: 0, stderr: '' });
  });
});
