import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Waiter } from '../../src/gpu/wait.ts';

// Time stands still but for what the work takes and what is slept.
let now = 0;
let slept: number[] = [];

beforeEach(() => {
  now = 1000;
  slept = [];
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.spyOn(Atomics, 'wait').mockImplementation((...[, , , milliseconds]) => {
    slept.push(milliseconds!);
    now += milliseconds!;
    return 'timed-out';
  });
});
afterEach(() => vi.restoreAllMocks());

/** Work that was submitted as the wait began and takes `milliseconds` from then on. */
const work = (milliseconds: number) => {
  const done = now + milliseconds;
  return async () => {
    now = Math.max(now, done);
    return milliseconds;
  };
};

describe('a waiter that sleeps', () => {
  it('does not sleep the first time, and then most of what the work took', async () => {
    const waiter = new Waiter(true);
    expect(await waiter.wait('step', work(100))).toBe(100);
    expect(slept).toEqual([]);
    expect(await waiter.wait('step', work(100))).toBe(100);
    expect(slept).toEqual([90]);
  });

  it('expects a tenth less each time that it overslept, and no more than a tenth more when work gets slower', async () => {
    const waiter = new Waiter(true);
    await waiter.wait('step', work(100));
    await waiter.wait('step', work(10));
    // It overslept, until 90: that is all it saw.
    await waiter.wait('step', work(10));
    await waiter.wait('step', work(1000));
    await waiter.wait('step', work(1000));
    const expected = [100, 90, 81];
    expect(slept.slice(0, 3)).toEqual(expected.map((e) => expect.closeTo(0.9 * e, 9)));
    // It expected 81 and saw 1000, of which it believes a tenth and a millisecond more than it expected.
    expect(slept[3]).toBeCloseTo(0.9 * (1.1 * 81 + 1), 9);
  });

  it('keeps kinds of work apart, and sleeps for none where no kind is named', async () => {
    const waiter = new Waiter(true);
    await waiter.wait('train', work(100));
    await waiter.wait('test', work(10));
    await waiter.wait('test', work(10));
    expect(slept).toEqual([9]);
    await waiter.wait(undefined, work(100));
    await waiter.wait(undefined, work(100));
    expect(slept).toEqual([9]);
    await waiter.wait('train', work(100));
    expect(slept).toEqual([9, 90]);
  });

  it('does not sleep for work of two milliseconds or less', async () => {
    const waiter = new Waiter(true);
    for (let i = 0; i < 3; i++) await waiter.wait('tiny', work(2));
    expect(slept).toEqual([]);
  });

  it('passes a rejection on and learns nothing from it', async () => {
    const waiter = new Waiter(true);
    const fail = async () => {
      now += 500;
      throw new Error('lost');
    };
    await expect(waiter.wait('step', fail)).rejects.toThrow('lost');
    await waiter.wait('step', work(100));
    expect(slept).toEqual([]);
    await expect(waiter.wait('step', fail)).rejects.toThrow('lost');
    await waiter.wait('step', work(100));
    expect(slept).toEqual([90, 90]);
  });
});

describe('a waiter for a GPU', () => {
  it('never sleeps', async () => {
    const waiter = new Waiter(false);
    for (let i = 0; i < 3; i++) expect(await waiter.wait('step', work(100))).toBe(100);
    expect(slept).toEqual([]);
  });
});
