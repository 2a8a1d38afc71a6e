import { describe, expect, it } from 'vitest';
import { type Figure, figure, type Panel } from '../../src/report/figures/plot.ts';
import { COLORS, styleAt, stylesOf } from '../../src/report/figures/style.ts';
import { rules } from '../../src/train/rules.ts';
import { texts, wellFormed } from './report-xml.ts';

const panel = (part: Partial<Panel> = {}): Panel => ({
  title: 'A panel',
  x: { label: 'time (s)', domain: [0, 10], ticks: 5 },
  y: { label: 'error (%)', domain: [0, 4], ticks: [0, 2, 4] },
  range: 'band',
  lines: ['one', 'another & <more>'].map((name, i) => ({
    name,
    style: styleAt(i),
    points: Array.from({ length: 40 }, (_, k) => ({ x: k / 4, y: 1 + i, low: 0.5 + i, high: 1.5 + i })),
  })),
  ...part,
});

const drawn = (panels: readonly Panel[]): Figure =>
  figure({
    id: 'f',
    title: 'A "title" & more',
    description: 'What it shows',
    note: 'Computed on a slide rule.',
    panels,
    columns: 2,
  });

describe('a figure', () => {
  const made = drawn([panel(), panel({ range: 'bar', title: 'Another' })]);

  it('is well-formed, in the page and in its file', () => {
    wellFormed(made.inline);
    wellFormed(made.file);
    expect(made.file).toMatch(
      /^<\?xml version="1.0" encoding="UTF-8"\?>\n<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/,
    );
  });

  it('says what it is to those who cannot see it', () => {
    const [root] = /^<svg [^>]*>/.exec(made.inline)!;
    expect(root).toContain(' role="img"');
    expect(root).toContain(' aria-labelledby="f-title f-desc"');
    expect(made.inline).toContain('<title id="f-title">A "title" &amp; more</title>');
    expect(made.inline).toContain('<desc id="f-desc">What it shows</desc>');
  });

  it('has titles, labels, ticks and a legend', () => {
    const found = texts(made.inline);
    for (const text of [
      'A panel',
      'Another',
      'time (s)',
      'error (%)',
      '10',
      '2.0',
      'one',
      'another & <more>',
    ])
      expect(found).toContain(text);
    expect(found.filter((text) => text === 'one')).toHaveLength(1);
  });

  it('has a band for ranges, or a bar for each point, and few markers', () => {
    const count = (svg: string, what: RegExp) => svg.match(what)?.length ?? 0;
    const [band, bar] = [drawn([panel()]).inline, drawn([panel({ range: 'bar' })]).inline];
    expect(count(band, /fill-opacity="0.16"/g)).toBe(2);
    expect(count(bar, /fill-opacity="0.16"/g)).toBe(0);
    const bars = (svg: string) => count(svg, /aria-label="rule"/g);
    expect([bars(band), bars(bar)]).toEqual([0, 2]);
    // Nine on each of two lines, and one in the legend.
    expect(count(band, /<circle /g)).toBe(9 + 1);
    expect(count(band, /<path d="M-3.19[^"]*" transform/g)).toBe(9 + 1);
  });

  it.each([
    [10, 10],
    [16, 16],
    [17, 9],
  ])('of %i points marks %i', (points, markers) => {
    const [line] = panel().lines;
    const { inline } = drawn([panel({ lines: [{ ...line!, points: line!.points.slice(0, points) }] })]);
    expect(inline.match(/<circle /g)).toHaveLength(markers + 1);
  });

  it('has its title, and on what it was computed, in its file alone', () => {
    expect(texts(made.file)).toEqual([
      'A "title" & more',
      'Computed on a slide rule.',
      ...texts(made.inline),
    ]);
    const [, above, height] = /viewBox="0 (-\d+) \d+ (\d+)"/.exec(made.file)!;
    const [, inPage] = /viewBox="0 0 \d+ (\d+)"/.exec(made.inline)!;
    expect(Number(height) + Number(above)).toBe(Number(inPage));
  });

  it('breaks a long title into lines', () => {
    const long = 'A title of many words '.repeat(9).trim();
    const { file } = figure({
      id: 'f',
      title: long,
      description: '',
      note: 'n',
      panels: [panel()],
      columns: 1,
    });
    const lines = texts(file).filter((text) => /title|words/.test(text));
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.join(' ')).toBe(long);
  });

  it('takes its colours from the page, but brings its own in a file', () => {
    expect(made.inline).toContain('var(--line1)');
    expect(made.inline).toContain('currentColor');
    expect(made.file).not.toMatch(/var\(|currentColor/);
    expect(made.file).toContain(COLORS[1]!.light);
    expect(made.file).toMatch(/<rect fill="#ffffff" [^>]*>/);
  });

  it('is the same for the same data', () => {
    expect(drawn([panel(), panel({ range: 'bar', title: 'Another' })])).toEqual(made);
  });
});

describe('styles', () => {
  it('tell every rule from every other without colour', () => {
    const methods = [...rules.keys()];
    const seen = stylesOf(methods).map(({ dash, symbol }) => `${dash} ${symbol}`);
    expect(new Set(seen).size).toBe(methods.length);
  });

  it("are a method's own wherever its lines are not several", () => {
    const [bp] = stylesOf(['bp', 'cdni']);
    expect(stylesOf(['dni', 'bp'])[1]).toEqual(bp);
    const several = stylesOf(['cdni', 'cdni', 'bp']);
    expect(new Set(several.map(({ dash }) => dash)).size).toBe(3);
  });
});
