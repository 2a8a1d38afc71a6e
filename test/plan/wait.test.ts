import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { patiently } from '../../src/gpu/wait.ts';

// Time stands still but for what is slept.
let now = 0;
let naps: number[] = [];

beforeEach(() => {
  now = 1000;
  naps = [];
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.spyOn(Atomics, 'wait').mockImplementation((...[, , , milliseconds]) => {
    naps.push(milliseconds!);
    now += milliseconds!;
    return 'timed-out';
  });
});
afterEach(() => vi.restoreAllMocks());

/** Work that is done at a time, as a device that is looked at now and then would say. */
const doneAfter = (milliseconds: number): Promise<string> => {
  const done = now + milliseconds;
  return new Promise((resolve) => {
    const look = () => (now >= done ? resolve('done') : setImmediate(look));
    look();
  });
};

it('naps on a CPU driver until the work is done, and notices that late by a few percent at most', async () => {
  for (const milliseconds of [1, 40, 500, 5000]) {
    const began = now;
    expect(await patiently(true, doneAfter(milliseconds))).toBe('done');
    const took = now - began;
    expect(took).toBeGreaterThanOrEqual(milliseconds);
    expect(took).toBeLessThan(1.05 * milliseconds + 0.3);
  }
  // Each look spins the thread for a moment: there are few.
  expect(naps.length).toBeLessThan(1000);
});

it('does not nap for what is done already, and never on a GPU', async () => {
  expect(await patiently(true, Promise.resolve(1))).toBe(1);
  expect(naps).toEqual([]);
  const gpu = patiently(false, doneAfter(10));
  now += 10;
  expect(await gpu).toBe('done');
  expect(naps).toEqual([]);
});

it('hands on what goes wrong', async () => {
  await expect(patiently(true, Promise.reject(new Error('lost')))).rejects.toThrow('lost');
  await expect(patiently(false, Promise.reject(new Error('lost')))).rejects.toThrow('lost');
});
