import { expect, it } from 'vitest';
import { measurePeer, type Ours } from '../../bench/peers/measure.ts';
import type { Peer } from '../../bench/peers/peers.ts';
import { type PeerCommand, PeerError, PeerProcess } from '../../bench/peers/process.ts';
import type { Runner } from '../../bench/peers/runner.ts';

/** A peer that answers each line by a piece of JavaScript, which finds the message in `m`. */
const answering = (code: string): PeerCommand => ({
  program: process.execPath,
  args: [
    '-e',
    `require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const m = JSON.parse(line);
      const say = (value) => console.log(JSON.stringify(value));
      ${code}
    });`,
  ],
  cwd: import.meta.dirname,
});

async function reasonOf(command: PeerCommand, seconds = 20): Promise<PeerError> {
  const peer = new PeerProcess(command);
  try {
    await peer.ask({ check: 1 }, seconds);
  } catch (error) {
    expect(error).toBeInstanceOf(PeerError);
    return error as PeerError;
  } finally {
    await peer.stop(0);
  }
  throw new Error('expected a peer that fails');
}

it('gets an answer, past what else is printed', async () => {
  const peer = new PeerProcess(answering(`console.log('Hi, a library'); say({ twice: 2 * m.n });`));
  expect(await peer.ask({ n: 4 }, 20)).toEqual({ twice: 8 });
  expect(await peer.ask({ n: 5 }, 20)).toEqual({ twice: 10 });
  await peer.stop();
});

it('reports why a peer gave up', async () => {
  const error = await reasonOf(
    answering(`say({ error: 'needs a CUDA device', missing: true }); process.exit(1);`),
  );
  expect(error.message).toBe('needs a CUDA device');
  expect(error.missing).toBe(true);
});

it('reports a crash by the line that names the error, and a signal by its name', async () => {
  const crashed = await reasonOf(
    answering(`console.error('at first'); throw new TypeError('no such thing');`),
  );
  expect(crashed.message).toBe('its process ended with code 1: TypeError: no such thing');
  expect(crashed.missing).toBe(false);
  const killed = await reasonOf(answering(`process.kill(process.pid, 'SIGKILL');`));
  expect(killed.message).toBe('its process was ended by SIGKILL');
});

it('reports a program that is not there, an answer that is none, and a peer that hangs', async () => {
  const absent = await reasonOf({ program: 'no-such-python', args: [], cwd: import.meta.dirname });
  expect(absent.message).toBe('not installed: no no-such-python here');
  expect(absent.missing).toBe(true);
  expect((await reasonOf(answering(`console.log('{ nonsense');`))).message).toMatch(
    /^an answer that is not JSON: /,
  );
  expect((await reasonOf(answering('for (;;);'), 0.2)).message).toBe('no answer within 0.2 s');
});

const PEER: Peer = {
  ...{ id: 'stub', label: 'stub', group: 'stub', script: '', variant: 'stub' },
  precision: 'float32',
};

const LOSSES = [2.5, 2.4, 2.3, 2.2, 2.1, 2, 1.9, 1.8];

/** Something of ours that takes a millisecond a step. */
const ours = (): Ours => {
  const runner: Runner = { run: async (steps) => ({ steps, seconds: steps / 1000, loss: 1 }) };
  return { runner, steps: 10, losses: LOSSES };
};

const OPTIONS = {
  repeats: 5,
  seconds: 0.001,
  settle: 0,
  tolerance: { value: 1e-5, chain: 1, text: '1e-5' },
  patience: { setUp: 20, run: 20 },
};

/** A peer with these first losses and these answers to `run`. */
const stub = (losses: string, run: string) =>
  answering(`
    if (m.check) say({ losses: ${losses} });
    else if (m.run) { ${run} }
    else say({ about: { version: 'stub ' + m.variant } });
  `);

const measure = (losses: string, run = 'say({ steps: m.run, seconds: m.run / 250, loss: 1 });') =>
  measurePeer(PEER, stub(losses, run), { some: 'job' }, ours(), OPTIONS);

it('times a peer whose losses agree, pair by pair', async () => {
  const row = await measure(JSON.stringify(LOSSES.map((loss) => loss * (1 + 1e-6))));
  expect(row).toMatchObject({ status: 'measured', reason: null, about: { version: 'stub stub' } });
  expect(row.comparison!.pairs).toHaveLength(5);
  expect(row.comparison!.theirs.median).toBeCloseTo(250, 6);
  expect(row.comparison!.ours.median).toBeCloseTo(1000, 6);
  expect(row.comparison!.ratio.median).toBeCloseTo(4, 6);
});

it.each([
  ['is off', LOSSES.map((loss, i) => (i === 7 ? loss * (1 + 2e-5) : loss))],
  ['is not finite', LOSSES.map((loss, i) => (i === 3 ? null : loss))],
  ['is missing', LOSSES.slice(1)],
])('does not time a peer of whose losses one %s', async (_, losses) => {
  const row = await measure(JSON.stringify(losses), `say({ error: 'was asked for a time' });`);
  expect(row).toMatchObject({
    status: 'disagrees',
    reason: 'its first losses are not those of the same network',
    comparison: null,
  });
  expect(row.agreement!.ours).toEqual(LOSSES);
});

it('has no time of a peer that fails while it is timed', async () => {
  const good = JSON.stringify(LOSSES);
  const dies = await measure(good, 'process.exit(3);');
  expect(dies).toMatchObject({ status: 'failed', reason: 'its process ended with code 3', comparison: null });
  const diverges = await measure(good, 'say({ steps: m.run, seconds: 1, loss: null });');
  expect(diverges).toMatchObject({
    status: 'failed',
    reason: 'its loss is not finite any more',
    comparison: null,
  });
  const timeless = await measure(good, 'say({ steps: m.run, loss: 1 });');
  expect(timeless).toMatchObject({ status: 'failed', comparison: null });
});
