import { describe, expect, it } from 'vitest';
import { rooflineFigure } from '../../src/report/profile/figure.ts';
import { type Box, type Labelled, placeLabels } from '../../src/report/profile/labels.ts';
import { layerRows } from '../../src/report/profile/layers.ts';
import type { TimedDispatch } from '../../src/report/profile/record.ts';
import { kernelRows, spreadOf } from '../../src/report/profile/rows.ts';
import { Random } from '../support/kernel.ts';
import { methodProfile, profiledSteps, profileRecord, ROOF } from './profile-data.ts';
import { texts, wellFormed } from './report-xml.ts';

const inside: Box = { left: 0, top: 0, right: 800, bottom: 400 };

const overlap = (a: Box, b: Box): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

describe('names beside points', () => {
  const random = new Random(3);
  const points: Labelled[] = Array.from({ length: 30 }, (_, i) => ({
    // Two heaps, as kernels make them.
    x: (i % 2 === 0 ? 120 : 600) + 70 * random.normal(),
    y: 200 + 60 * random.normal(),
    r: 3 + random.below(9),
    text: `kernel_number_${i}, ${i} %`,
  }));
  const taken = [{ left: 300, top: 0, right: 420, bottom: 400 }];
  const placed = placeLabels(points, inside, taken);

  it('cover neither each other, nor a mark, nor what is taken, and stay inside', () => {
    const boxes = placed.flatMap((label) => (label ? [label.box] : []));
    expect(boxes.length).toBeGreaterThan(25);
    for (const [i, box] of boxes.entries()) {
      expect(box.left >= 0 && box.right <= 800 && box.top >= 0 && box.bottom <= 400).toBe(true);
      expect(boxes.some((other, j) => j !== i && overlap(box, other))).toBe(false);
      expect(taken.some((other) => overlap(box, other))).toBe(false);
      const marks = points.map(({ x, y, r }) => ({ left: x - r, top: y - r, right: x + r, bottom: y + r }));
      expect(marks.some((other) => overlap(box, other))).toBe(false);
    }
  });

  it('have a line to their mark unless they are right beside it', () => {
    for (const [i, label] of placed.entries()) {
      if (!label) continue;
      const { x, y, r } = points[i]!;
      const { box, leader } = label;
      const [nx, ny] = [
        Math.min(Math.max(x, box.left), box.right),
        Math.min(Math.max(y, box.top), box.bottom),
      ];
      if (!leader) expect(Math.hypot(nx - x, ny - y)).toBeLessThan(r + 14);
      else expect([leader.x2, leader.y2]).toEqual([nx, ny]);
    }
  });

  it('are left out where there is no room', () => {
    const tight = { left: 0, top: 0, right: 60, bottom: 14 };
    expect(placeLabels([{ x: 5, y: 7, r: 3, text: 'a name that is too long' }], tight)).toEqual([undefined]);
  });
});

describe('a roofline', () => {
  const record = profileRecord([methodProfile(), methodProfile(profiledSteps(3), { method: 'cdni' })]);
  const made = rooflineFigure(record);

  it('is well-formed, and says what it is', () => {
    wellFormed(made.inline);
    wellFormed(made.file);
    expect(made.title).toBe('Roofline on Tester 9000');
    expect(made.inline).toContain(
      '<desc id="roofline-desc">Each kernel by its operations a byte and its GFLOP/s, under the measured peaks of ' +
        '1,000 GFLOP/s and 10.0 GB/s.</desc>',
    );
    // Colours of its own, since a file knows no style sheet.
    expect(made.file).not.toMatch(/var\(|currentColor|NaN|Infinity|undefined/);
  });

  it('names axes, both roofs, what marks mean, and every kernel with its share', () => {
    const found = texts(made.inline);
    for (const text of [
      'arithmetic intensity (operations a byte)',
      'GFLOP/s',
      '1,000 GFLOP/s, multiply-adds',
      '10.0 GB/s, copy',
      'near compute',
      'near memory',
      'near latency',
      'near neither',
      'backprop, layered: the kernels of a step',
      'cDNI, layered: the kernels of a step',
      'matmul, 84 %',
      'relu, 13 %',
    ])
      expect(found, text).toContain(text);
    // A gather has no arithmetic; the counter's is below all that is drawn.
    expect(found.filter((text) => text.includes('want of arithmetic or of a time: gather'))).toHaveLength(2);
  });

  it('says that a CPU driver says nothing about GPUs', () => {
    const cpu = { ...record, device: { ...record.device, kind: 'cpu' as const } };
    expect(rooflineFigure(cpu).title).toMatch(/a CPU driver: this says nothing about GPUs/);
  });

  it('is the same for the same data', () => {
    expect(rooflineFigure(record)).toEqual(made);
  });

  it('holds many kernels, and some without a time or above the roof', () => {
    const random = new Random(9);
    const dispatches: TimedDispatch[] = Array.from({ length: 25 }, (_, i) => {
      const bytes = 1000 + random.below(1e7);
      const flops = Math.round(bytes * 10 ** (3 * random.uniform() - 1));
      const least = Math.max(flops / ROOF.gflops, bytes / ROOF.gbs) / 1e9;
      return {
        label: `layer${i % 4}.x${i}`,
        kernel: `a_kernel_number_${i}`,
        grid: [1, 1],
        constants: {},
        ...{ flops, bytes, calls: 1 },
        seconds: i % 9 === 8 ? null : spreadOf([least * 10 ** (2.2 * random.uniform() - 0.2)]),
      };
    });
    const method = methodProfile(undefined, {
      dispatches,
      kernels: kernelRows(dispatches, ROOF),
      layers: layerRows(dispatches, ROOF),
    });
    const { file } = rooflineFigure(profileRecord([method]));
    wellFormed(file);
    expect(file).not.toMatch(/NaN|Infinity|undefined/);
    const names = texts(file).join('\n');
    for (const { kernel } of dispatches) expect(names).toContain(kernel);
  });
});
