import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { toleranceOf } from '../../bench/peers/agreement.ts';
import type { PeerRow } from '../../bench/peers/measure.ts';
import { commandOf, type Peer, peers, readPeers } from '../../bench/peers/peers.ts';
import { PeerError, PeerProcess } from '../../bench/peers/process.ts';
import { calibrate } from '../../bench/peers/runner.ts';
import { measurePeers, type PeersResult, peersSuite } from '../../bench/suites/peers.ts';
import { goalSentences, peersTable } from '../../bench/suites/peers-table.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { openDevice } from '../../src/gpu/open.ts';
import { tinySet } from '../support/cli.ts';

const root = resolve(import.meta.dirname, '../..');

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openDevice({ adapter: 'carried', fast: true });
});
afterAll(() => gpu.destroy());

/** The float64 twin as a peer, right or wrong in some way. */
const twin = (variant: string): Peer => ({
  ...{ id: `twin-${variant}`, label: `twin, ${variant}`, group: 'twin', variant, precision: 'float32' },
  script: '../../test/support/peer-twin.mjs',
});

it('measures a peer with the same network, and none that differs in what a time would not show', async () => {
  const result = await measurePeers(
    { gpu, repeats: 5, quick: true, note: () => {} },
    {
      chosen: ['right', 'eps', 'order'].map(twin),
      ...{ dataset: tinySet(), batch: 32, hidden: 16, layers: 3, schedule: 'layered', seconds: 0.02 },
      settle: 0,
    },
  );
  const [right, eps, order] = result.peers;
  expect(right).toMatchObject({ status: 'measured', reason: null, about: { version: 'twin' } });
  expect(right!.comparison!.pairs).toHaveLength(5);
  for (const row of [eps, order]) expect(row).toMatchObject({ status: 'disagrees', comparison: null });
  expect(result.own).toHaveLength(1);
  expect(result.own[0]!.check.passed).toBe(true);
  expect(JSON.parse(JSON.stringify(result))).toEqual(result);

  const text = peersTable(result);
  expect(text).toContain('twin, right');
  expect(text).toMatch(
    /not measured:\n {2}twin, eps: its first losses are not those of the same network\n {4}its losses/,
  );
  expect(gpu.alive).toEqual({ buffers: 0, bytes: 0 });
});

it.each(['pytorch_peer.py', 'jax_peer.py'])(
  '%s answers, with Python and its library or without',
  async (script) => {
    const peer = peers.find((each) => each.script === script)!;
    const child = new PeerProcess(commandOf(peer, root));
    // A job that no library can do: with one installed, the peer says that it failed.
    const error = await child.ask({ variant: peer.variant }, 60).catch((reason: unknown) => reason);
    await child.stop(0);
    expect(error).toBeInstanceOf(PeerError);
    const { message, missing } = error as PeerError;
    if (missing) expect(message).toMatch(/^not installed: (no \S+ here|\S+ [\d.]+ has no (torch|jax))$/);
    else expect(message).toMatch(/^KeyError: /);
  },
);

it('knows peers by name and by group', () => {
  expect(readPeers('jax')).toEqual(['jax-jit', 'jax-scan', 'jax-scan-unrolled', 'jax-scan-tf32']);
  expect(readPeers('tfjs-cpu, jax-js, tfjs-cpu')).toEqual([
    'tfjs-cpu',
    'jax-js-webgpu',
    'jax-js-wasm',
    'jax-js-wasm-threads',
  ]);
  expect(() => readPeers('keras')).toThrow(
    /^--peers: expected peers among jax-js, tfjs, torch, jax, .*found 'keras'$/,
  );
  expect(new Set(peers.map((peer) => peer.id)).size).toBe(peers.length);
});

it('refuses options in a sentence', () => {
  const read = (name: string) =>
    peersSuite.options!.find(({ flags }) => flags.startsWith(`--${name} `))!.read!;
  expect(read('batch')('64')).toBe(64);
  expect(() => read('batch')('1')).toThrow("--batch: expected a whole number from 2 to 55000, found '1'");
  expect(read('schedule')('layered')).toBe('layered');
  expect(() => read('schedule')('wave')).toThrow("--schedule: expected layered or fused, found 'wave'");
});

it('allows the rounding of the longest chain of sums, and more to TF32', () => {
  const shape = { inputs: 784, hidden: 256, layers: 4, classes: 10 };
  const { chain, value } = toleranceOf(shape, 256, 'float32');
  expect(chain).toBe(784 + 3 * 256 + 6 * 256 + 10 + 256);
  expect(value).toBeCloseTo(8 * Math.sqrt(3354) * 2 ** -24, 12);
  expect(toleranceOf(shape, 256, 'tf32').value).toBeGreaterThan(100 * value);
});

/** A row of a peer that was so many times slower. */
function row(id: string, ratio: number): PeerRow {
  const { label, precision } = peers.find((peer) => peer.id === id)!;
  const spread = { median: ratio, p10: ratio, p90: ratio, repeats: 5 };
  const comparison = {
    pairs: [],
    steps: { ours: 1, theirs: 1 },
    ours: spread,
    theirs: spread,
    ratio: spread,
  };
  const status = 'measured';
  return { peer: id, label, precision, status, reason: null, about: null, agreement: null, comparison };
}

it('says how far each aim is, on the kind of device that it is for, against the fastest of its peers', () => {
  const on = (deviceKind: PeersResult['deviceKind'], ...rows: PeerRow[]) =>
    goalSentences({ deviceKind, peers: rows });
  expect(on('cpu', row('jax-js-webgpu', 4.5), row('tfjs-webgpu', 6), row('jax-jit', 0.1))).toEqual([
    'syngrad : jax-js WebGPU = 4.50 in steps/s (aim: at least 4; reached)',
    'syngrad : tfjs WebGPU = 6.00 in steps/s (aim: at least 8; missed: 75.00 % of it)',
  ]);
  // TF32 is faster and does not count; nor does jax-js count as JAX.
  const rows = [
    row('torch-graph', 2),
    row('torch-graph-tf32', 0.5),
    row('jax-scan', 1.8),
    row('jax-js-webgpu', 1),
  ];
  expect(on('gpu', ...rows)).toEqual([
    'syngrad : the best of torch and jax in plain float32, JAX jit + lax.scan = 1.80 in steps/s (aim: at least 1.5; reached)',
  ]);
  expect(on('gpu')).toEqual([]);
});

it('pins the npm peers, with a lock that agrees', () => {
  const read = (name: string) => JSON.parse(readFileSync(join(root, 'bench', 'peers', name), 'utf8'));
  const { dependencies } = read('package.json') as { dependencies: Record<string, string> };
  const lock = read('package-lock.json');
  expect(lock.packages[''].dependencies).toEqual(dependencies);
  for (const [name, version] of Object.entries(dependencies)) {
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(lock.packages[`node_modules/${name}`].version).toBe(version);
  }
});

it('a peer that compiles anew for a longer run is not taken at the word of that run', async () => {
  const compiled = new Set<boolean>();
  const runs: number[] = [];
  // 1,000 steps a second, and 4 s for what runs of 64 steps and more are compiled to.
  const runner = {
    run: async (steps: number) => {
      runs.push(steps);
      const first = !compiled.has(steps >= 64);
      compiled.add(steps >= 64);
      return { steps, seconds: steps / 1000 + (first ? 4 : 0), loss: 1 };
    },
  };
  const steps = await calibrate(runner, 1);
  expect(steps).toBe(1000);
  expect(runs.length).toBeLessThan(8);
});

it('--seconds is read, or refused by its name', () => {
  const { read } = peersSuite.options!.find(({ flags }) => flags.startsWith('--seconds'))!;
  expect(read!('0.5')).toBe(0.5);
  for (const text of ['', '0', '61', 'x'])
    expect(() => read!(text)).toThrow(`--seconds: expected seconds from 0.1 to 60, found '${text}'`);
});
