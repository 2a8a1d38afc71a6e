import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { captionOf } from './caption.ts';
import { COLORS, type LineStyle } from './style.ts';

/** Plots are made of elements, and Node has none of its own. */
export const { document } = parseHTML('<html><body></body></html>');

/** As much as is used of elements: the project's types know no browser. */
export interface SvgElement {
  textContent: string | null;
  readonly outerHTML: string;
  setAttribute(name: string, value: string): void;
  append(child: SvgElement): void;
}

const SVG = 'http://www.w3.org/2000/svg';
export const FONT = 'system-ui, "Helvetica Neue", Arial, sans-serif';
export const TEXT_SIZE = 12;
export const WIDTH = 880;
const GAP = 12;
const TITLE_HEIGHT = 24;
const LEGEND_LINE = 24;
/** The colour behind everything. */
export const PAPER = 'var(--paper)';

/** A point of a line, with the range it stands in the middle of. */
export interface LinePoint {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
}

/** A line of a figure: one method's. */
export interface Line {
  readonly name: string;
  readonly style: LineStyle;
  readonly points: readonly LinePoint[];
}

/** An axis. Its label names the unit. */
export interface Axis {
  readonly label: string;
  readonly domain?: readonly [number, number];
  readonly ticks?: readonly number[] | number;
  readonly log?: boolean;
  readonly format?: (value: number) => string;
}

/** One of the small multiples of a figure. */
export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
  /** How the range of a point is drawn. */
  readonly range: 'band' | 'bar';
}

/** A finished figure. */
export interface Figure {
  /** Also the name of its file. */
  readonly id: string;
  readonly title: string;
  /** As it stands in the page, in the page's colours. */
  readonly inline: string;
  /** As it stands in a file of its own: dark on white. */
  readonly file: string;
}

/** Points of a line that all carry a marker; of more, so few that none looks forgotten. */
const ALL_MARKERS = 16;
const FEW_MARKERS = 9;

/**
 * The points that carry a marker: all, or some evenly spaced, and each line's elsewhere, so that lines that coincide
 * show both.
 */
function marked(points: readonly LinePoint[], i: number, of: number): readonly LinePoint[] {
  if (points.length <= ALL_MARKERS) return points;
  const every = points.length / FEW_MARKERS;
  return Array.from(
    { length: FEW_MARKERS },
    (_, k) => points[Math.min(points.length - 1, Math.floor((k + (i + 0.5) / of) * every))]!,
  );
}

const FILLED = new Set(['circle', 'square', 'triangle', 'diamond', 'star', 'wye']);

const marker = (style: LineStyle) => ({
  symbol: style.symbol,
  stroke: style.color,
  strokeWidth: 1.5,
  fill: FILLED.has(style.symbol) ? PAPER : 'none',
  r: 3.6,
});

const axisOptions = ({ label, domain, ticks, log, format }: Axis) => ({
  label,
  labelArrow: 'none' as const,
  ...(domain && { domain: [...domain] }),
  ...(ticks !== undefined && { ticks: typeof ticks === 'number' ? ticks : [...ticks] }),
  ...(log && { type: 'log' as const }),
  ...(format && { tickFormat: format }),
  nice: domain === undefined,
  line: true,
});

/** Where bars of lines that share an x stand side by side. */
function dodge(points: readonly LinePoint[], x: Axis, i: number, of: number): LinePoint[] {
  const at = i - (of - 1) / 2;
  const [from, to] = x.domain ?? [0, 1];
  return points.map((point) => ({
    ...point,
    x: x.log ? point.x * (to / from) ** (0.012 * at) : point.x + 0.012 * at * (to - from),
  }));
}

function panelSvg({ x, y, lines, range }: Panel, width: number, height: number): SvgElement {
  const marks = lines.flatMap(({ points: given, style }, i) => {
    const points = range === 'bar' ? dodge(given, x, i, lines.length) : [...given];
    const ranged = points.filter((p) => p.low !== undefined && p.high !== undefined && p.low < p.high);
    const spread =
      range === 'band'
        ? Plot.areaY(ranged, { x: 'x', y1: 'low', y2: 'high', fill: style.color, fillOpacity: 0.16 })
        : Plot.ruleX(ranged, { x: 'x', y1: 'low', y2: 'high', stroke: style.color, strokeWidth: 1.2 });
    return [
      spread,
      Plot.line(points, {
        x: 'x',
        y: 'y',
        stroke: style.color,
        strokeWidth: 1.6,
        strokeDasharray: style.dash,
      }),
      Plot.dot(marked(points, i, lines.length), { x: 'x', y: 'y', ...marker(style) }),
    ];
  });
  return Plot.plot({
    document: document as never,
    width,
    height,
    marginLeft: 52,
    marginBottom: 42,
    marginTop: 26,
    marginRight: 30,
    style: { fontSize: `${TEXT_SIZE}px`, fontFamily: FONT, background: 'none', overflow: 'visible' },
    x: axisOptions(x),
    y: { ...axisOptions(y), grid: true },
    marks,
  }) as unknown as SvgElement;
}

const estimatedWidth = (text: string): number => 7 * text.length;

/** A sample of each line beside its name, in as many rows as it takes. */
function legendSvg(lines: readonly Line[]): { svg: SvgElement; height: number } {
  const places: { x: number; y: number; line: Line }[] = [];
  let [x, row] = [0, 0];
  for (const line of lines) {
    const width = 52 + estimatedWidth(line.name) + 18;
    if (x > 0 && x + width > WIDTH) [x, row] = [0, row + 1];
    places.push({ x, y: LEGEND_LINE * (row + 0.5), line });
    x += width;
  }
  const height = LEGEND_LINE * (row + 1);
  const svg = Plot.plot({
    document: document as never,
    width: WIDTH,
    height,
    margin: 0,
    style: { fontSize: `${TEXT_SIZE + 1}px`, fontFamily: FONT, background: 'none' },
    x: { type: 'identity', axis: null },
    y: { type: 'identity', axis: null },
    marks: places.flatMap(({ x: left, y, line: { style, name } }) => [
      Plot.line(
        [
          [left + 2, y],
          [left + 44, y],
        ],
        { stroke: style.color, strokeWidth: 1.6, strokeDasharray: style.dash },
      ),
      Plot.dot([[left + 23, y]], marker(style)),
      Plot.text([[left + 52, y]], { text: () => name, textAnchor: 'start', fill: 'currentColor' }),
    ]),
  }) as unknown as SvgElement;
  return { svg, height };
}

/** An element of a figure. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  text?: string,
): SvgElement {
  const made = document.createElementNS(SVG, name) as unknown as SvgElement;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/** What a figure is made of. */
export interface FigureSpec {
  readonly id: string;
  readonly title: string;
  /** What it shows, for those who cannot see it. */
  readonly description: string;
  /** On what it was computed: what stands beside it in the page, and has to be said where it stands alone. */
  readonly note: string;
  readonly panels: readonly Panel[];
  readonly columns: number;
  readonly panelHeight?: number;
}

/** Draws small multiples under one legend. */
export function figure({
  id,
  title,
  description,
  note,
  panels,
  columns,
  panelHeight = 236,
}: FigureSpec): Figure {
  const width = Math.min(560, (WIDTH - GAP * (columns - 1)) / columns);
  const lines = [...new Map(panels.flatMap((p) => p.lines).map((line) => [line.name, line])).values()];
  const legend = legendSvg(lines);
  const top = legend.height + 12;
  const rowHeight = TITLE_HEIGHT + panelHeight + 14;
  const height = top + rowHeight * Math.ceil(panels.length / columns);
  const parts = panels.flatMap((panel, i) => {
    const x = (i % columns) * (width + GAP);
    const y = top + rowHeight * Math.floor(i / columns);
    const heading = { x: x + 2, y: y + 15, 'font-size': TEXT_SIZE + 1, 'font-weight': 600 };
    const drawn = panelSvg(panel, width, panelHeight);
    drawn.setAttribute('x', String(x));
    drawn.setAttribute('y', String(y + TITLE_HEIGHT));
    return [element('text', heading, panel.title), drawn];
  });
  return assemble({ id, title, description, note }, height, [legend.svg, ...parts]);
}

/** A figure of drawn parts, {@link WIDTH} wide. With a note, its file has that and the title above them. */
export function assemble(
  { id, title, description, note }: Pick<FigureSpec, 'id' | 'title' | 'description'> & { note?: string },
  height: number,
  parts: readonly SvgElement[],
): Figure {
  const drawn = (above: number, before: readonly SvgElement[]): string => {
    const svg = element('svg', {
      xmlns: SVG,
      viewBox: `0 ${-above} ${WIDTH} ${height + above}`,
      width: WIDTH,
      height: height + above,
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-desc`,
      'font-family': FONT,
      fill: 'currentColor',
    });
    svg.append(element('title', { id: `${id}-title` }, title));
    svg.append(element('desc', { id: `${id}-desc` }, description));
    for (const part of [...before, ...parts]) svg.append(part);
    // Digits that only floating point has put there make the page twice as long.
    return svg.outerHTML.replace(/(\d\.\d{3})\d{3,}/g, '$1');
  };
  const { lines, height: above } =
    note === undefined ? { lines: [], height: 0 } : captionOf({ title, note }, WIDTH, TEXT_SIZE);
  const background = element('rect', {
    ...{ y: -above, width: WIDTH, height: height + above },
    fill: PAPER,
  });
  const caption = lines.map(({ text, size, weight, y }) =>
    element('text', { x: 2, y, 'font-size': size, 'font-weight': weight }, text),
  );
  // In this order, as an element can be in one tree only.
  const inline = drawn(0, []);
  return { id, title, inline, file: standalone(drawn(above, [background, ...caption])) };
}

/** Colours that stand for themselves, since a file may be opened by a program that knows no style sheets. */
function standalone(svg: string): string {
  const solid = svg
    .replace(/var\(--line(\d+)\)/g, (_, i: string) => COLORS[Number(i)]!.light)
    .replaceAll(PAPER, '#ffffff')
    .replaceAll('currentColor', '#1a1a1a');
  return `<?xml version="1.0" encoding="UTF-8"?>\n${solid}\n`;
}
