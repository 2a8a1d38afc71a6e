import * as Plot from '@observablehq/plot';
import { document, element, FONT, type SvgElement, TEXT_SIZE, WIDTH } from '../figures/plot.ts';
import { significant } from '../numbers.ts';
import { logTicks } from '../page/ticks.ts';
import type { Box, Labelled } from './labels.ts';
import type { Roof } from './record.ts';
import { NEAR } from './rows.ts';

// The plane that a roofline is drawn on: scales, axes, and the roof itself.

/** Pixels of a panel, and around what is drawn in it. */
export const HEIGHT = 500;
export const MARGIN = { left: 58, right: 22, top: 14, bottom: 46 };

/** A logarithmic scale from numbers to pixels. */
export interface Scale {
  readonly domain: readonly [number, number];
  at(value: number): number;
}

/** A scale over a domain, from one pixel to another. */
export function scale(domain: readonly [number, number], from: number, to: number): Scale {
  const [low, high] = domain.map(Math.log) as [number, number];
  return { domain, at: (value) => from + ((Math.log(value) - low) / (high - low)) * (to - from) };
}

/** The scales of all panels, and the GFLOP/s below which nothing is drawn. */
export interface Scales {
  readonly x: Scale;
  readonly y: Scale;
  readonly least: number;
}

/** The most a kernel of that intensity can reach. */
const roofAt = ({ gflops, gbs }: Roof, x: number): number => Math.min(gflops, gbs * x);

/** Text over the slanting roof, away from the points, and over the flat one; and the room they take. */
export function roofLabels(
  roof: Roof,
  { x, y }: { readonly x: Scale; readonly y: Scale },
  points: readonly Labelled[],
): { parts: SvgElement[]; boxes: Box[] } {
  const ridge = roof.gflops / roof.gbs;
  const from = x.domain[0];
  const [x1, y1, x2, y2] = [x.at(from), y.at(roofAt(roof, from)), x.at(ridge), y.at(roof.gflops)];
  const angle = (Math.atan2(y2 - y1, x2 - x1) * 180) / Math.PI;
  const style = { 'font-size': TEXT_SIZE, 'font-weight': 600, fill: 'currentColor' };
  const flat = `${significant(roof.gflops)} GFLOP/s, multiply-adds`;
  const slanting = `${significant(roof.gbs)} GB/s, copy`;
  const places = [0.4, 0.5, 0.3, 0.6, 0.7, 0.2].map((t) => [x1 + t * (x2 - x1), y1 + t * (y2 - y1)] as const);
  const clear = (place: readonly [number, number]) =>
    Math.min(...points.map((point) => Math.hypot(point.x - place[0], point.y - place[1]) - point.r));
  const [mx, my] = places.find((place) => clear(place) > 75) ?? places[0]!;
  const right = x.at(x.domain[1]);
  const parts = [
    element('text', { ...style, x: right - 2, y: y2 - 7, 'text-anchor': 'end' }, flat),
    element(
      'text',
      {
        ...style,
        x: mx,
        y: my - 7,
        'text-anchor': 'middle',
        transform: `rotate(${angle.toFixed(2)} ${mx} ${my})`,
      },
      slanting,
    ),
  ];
  // The slanting text, and both lines, as a row of small boxes.
  const along = Array.from({ length: 60 }, (_, i) => x.domain[0] * (x.domain[1] / x.domain[0]) ** (i / 59));
  const boxes = along.flatMap((value) => {
    const [px, py] = [x.at(value), y.at(roofAt(roof, value))];
    const near = y.at(NEAR * roofAt(roof, value));
    const text = Math.abs(px - mx) < 4 * slanting.length || px > right - 7 * flat.length ? 22 : 3;
    return [
      { left: px - 8, right: px + 8, top: py - text, bottom: py + 3 },
      { left: px - 8, right: px + 8, top: near - 1, bottom: near + 1 },
    ];
  });
  return { parts, boxes };
}

/** Axes, grid, and the roof with the line below which kernels are far from it. */
export function frame(roof: Roof, { x, y }: { x: Scale; y: Scale }): SvgElement {
  const ridge = roof.gflops / roof.gbs;
  const corners = [x.domain[0], ridge, x.domain[1]];
  const line = (factor: number) => corners.map((at) => [at, factor * roofAt(roof, at)] as const);
  const axis = { type: 'log' as const, labelArrow: 'none' as const, line: true, tickFormat: String };
  return Plot.plot({
    document: document as never,
    width: WIDTH,
    height: HEIGHT,
    marginLeft: MARGIN.left,
    marginRight: MARGIN.right,
    marginTop: MARGIN.top,
    marginBottom: MARGIN.bottom,
    style: { fontSize: `${TEXT_SIZE}px`, fontFamily: FONT, background: 'none', overflow: 'visible' },
    x: {
      ...axis,
      domain: [...x.domain],
      ticks: logTicks(...x.domain),
      label: 'arithmetic intensity (operations a byte)',
      grid: true,
      labelAnchor: 'center',
    },
    y: { ...axis, domain: [...y.domain], ticks: logTicks(...y.domain), label: 'GFLOP/s', grid: true },
    marks: [
      Plot.line(line(NEAR), { stroke: 'currentColor', strokeOpacity: 0.55, strokeDasharray: '2 3' }),
      Plot.line(line(1), { stroke: 'currentColor', strokeWidth: 2 }),
    ],
  }) as unknown as SvgElement;
}
