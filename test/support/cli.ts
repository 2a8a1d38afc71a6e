import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, expect } from 'vitest';
import type { BenchListener } from '../../bench/paper.ts';
import { type Dataset, makeDataset } from '../../src/data/dataset.ts';
import { Random } from '../../src/data/random.ts';
import type { BenchConfig, BenchRecord } from '../../src/report/record.ts';
import { idx, writeAll } from '../data/files.ts';

const root = resolve(import.meta.dirname, '../..');

/** What a process left behind. */
export interface Ended {
  readonly code: number | null;
  /** The signal that ended it, if one did. */
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** Without the lines that Dawn itself prints. */
  readonly stderr: string;
}

/** Where a process starts. */
interface Where {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A process under way. */
export interface Running {
  /** Settles when stdout or stderr holds the text; rejects when the process ends without it. */
  until(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Closes the reading end of its stdout. */
  hangUp(): void;
  readonly ended: Promise<Ended>;
}

const withoutDawn = (text: string): string => text.replace(/^Warning: .*\n/gm, '');

/**
 * The command line, built once for the tests of a file into a temporary folder, as a package is: a child process
 * starts in half the time that the sources take.
 */
export function useCli() {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'syngrad-cli-'));
    // Types are checked elsewhere.
    const options = ['-p', 'tsconfig.build.json', '--noCheck', '--declaration', 'false', '--outDir', folder];
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    await promisify(execFile)(process.execPath, [tsc, ...options], { cwd: root });
    await copyFile(join(root, 'package.json'), join(folder, 'package.json'));
    for (const name of ['shaders', 'node_modules']) await symlink(join(root, name), join(folder, name));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  function start(args: readonly string[], { cwd = folder, env = {} }: Where = {}): Running {
    const child = spawn(process.execPath, [join(folder, 'src/cli/main.js'), ...args], {
      cwd,
      env: { ...process.env, SYNGRAD_ADAPTER: 'carried', npm_lifecycle_event: undefined, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const text = { stdout: '', stderr: '' };
    const watchers = new Set<() => void>();
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (part: string) => {
        text[name] += part;
        for (const look of watchers) look();
      });
    }
    const ended = new Promise<Ended>((done, failed) => {
      child.once('error', failed).once('close', (code, signal) => {
        done({ code, signal, stdout: text.stdout, stderr: withoutDawn(text.stderr) });
      });
    });
    const until = (wanted: string) =>
      new Promise<void>((found, failed) => {
        const look = () => {
          if (!text.stdout.includes(wanted) && !text.stderr.includes(wanted)) return;
          watchers.delete(look);
          found();
        };
        watchers.add(look);
        look();
        void ended.then((end) => failed(new Error(`ended without '${wanted}': ${JSON.stringify(end)}`)));
      });
    return { until, kill: (signal) => child.kill(signal), hangUp: () => child.stdout.destroy(), ended };
  }

  return {
    /** Where the built files lie. */
    get folder() {
      return folder;
    },
    start,
    run: (args: readonly string[], where?: Where) => start(args, where).ended,
  };
}

/** A new temporary folder for each test file, removed after its last test. */
export function useFolder(): { readonly path: string; join(...parts: string[]): string } {
  let path = '';
  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), 'syngrad-test-'));
  });
  afterAll(() => rm(path, { recursive: true, force: true }));
  return {
    get path() {
      return path;
    },
    join: (...parts) => join(path, ...parts),
  };
}

/** The four files of a small data set: 8 x 8 images of noise with a stripe that tells the class. */
export function tinyFiles(train = 312, test = 60): Record<string, Uint8Array> {
  const random = new Random(5);
  const labels = (count: number) => Uint8Array.from({ length: count }, (_, i) => i % 10);
  const images = (count: number) =>
    Uint8Array.from({ length: 64 * count }, (_, i) =>
      (i % 64) % 10 === Math.floor(i / 64) % 10 ? 255 : random.below(128),
    );
  return {
    'train-images-idx3-ubyte': idx([train, 8, 8], images(train)),
    'train-labels-idx1-ubyte': idx([train], labels(train)),
    't10k-images-idx3-ubyte': idx([test, 8, 8], images(test)),
    't10k-labels-idx1-ubyte': idx([test], labels(test)),
  };
}

export { writeAll };

/** The same small data set, in memory. */
export function tinySet(): Dataset {
  const files = tinyFiles();
  const part = (name: string) => ({
    values: files[`${name}-images-idx3-ubyte`]!.subarray(16),
    labels: files[`${name}-labels-idx1-ubyte`]!.subarray(8),
  });
  return makeDataset({ name: 'tiny', classes: 10, train: part('train'), test: part('t10k') });
}

/** What a benchmark of a moment is asked to do. */
export const tinyConfig = (part: Partial<BenchConfig> = {}): BenchConfig => ({
  preset: 'smoke',
  presetNote: 'a test',
  methods: ['bp', 'cdni'],
  steps: 4,
  batch: 32,
  hidden: 16,
  layers: 4,
  lr: 1e-3,
  lrDrops: [],
  seed: 1,
  evalEvery: 2,
  trainSamples: 286,
  data: { name: 'tiny', train: 286, validation: 26, test: 60 },
  ...part,
});

/** A listener that writes down what it hears, in order; progress once for each stretch between evaluations. */
export function recorder(): { heard: string[]; listener: BenchListener } {
  const heard: string[] = [];
  const listener: BenchListener = {
    onStart: () => heard.push('start'),
    onCheck: ({ method }) => heard.push(`check ${method}`),
    onRunStart: (method) => heard.push(`run ${method}`),
    onProgress: (method) => {
      if (heard.at(-1) !== `progress ${method}`) heard.push(`progress ${method}`);
    },
    onPoint: (method, { step }) => heard.push(`point ${method} ${step}`),
    onRunEnd: ({ method, status }) => heard.push(`end ${method} ${status}`),
  };
  return { heard, listener };
}

/** Options for a run of a moment. */
export const SMALL = ['--hidden', '16', '--batch', '32', '--steps', '4', '--eval-every', '2'];

const validate = new Ajv2020({ strict: true, strictTypes: false, allErrors: true }).compile(
  JSON.parse(readFileSync(join(root, 'docs/record.schema.json'), 'utf8')),
);

/** Fails unless a record keeps to docs/record.schema.json; returns it. */
export function expectRecord(record: unknown): BenchRecord {
  validate(record);
  expect(validate.errors).toBeNull();
  return record as BenchRecord;
}

/** The record that a run has written. */
export const readRecord = async (folder: string): Promise<BenchRecord> =>
  expectRecord(JSON.parse(await readFile(join(folder, 'record.json'), 'utf8')));
