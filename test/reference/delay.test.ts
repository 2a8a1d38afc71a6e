import { describe, expect, it } from 'vitest';
import { delayLine } from '../../src/reference/delay.ts';

describe('the delay_line twin', () => {
  it.each([0, 1, 2, 6])('is a queue of %i, over many turns of the ring', (delay) => {
    const n = 3;
    const queue: number[][] = Array.from({ length: delay }, () => [0, 0, 0]);
    let ring: Float64Array = new Float64Array((delay + 1) * n);
    for (let clock = 0; clock < 5 * (delay + 1) + 2; clock++) {
      const x = [clock, -clock, clock / 7];
      queue.push(x);
      const next = delayLine(x, clock, ring, { n, delay });
      expect([...next.y.value], `clock ${clock}`).toEqual(queue.shift());
      expect([...next.y.bound, ...next.ring.bound].every((b) => b === 0)).toBe(true);
      // Only this clock's slot is written.
      const slot = (clock % (delay + 1)) * n;
      const before = ring;
      next.ring.value.forEach((v, i) => {
        expect(v).toBe(i >= slot && i < slot + n ? x[i - slot] : before[i]);
      });
      ring = next.ring.value;
    }
  });
});
