import { assemble, element, type Figure, PAPER, type SvgElement, TEXT_SIZE, WIDTH } from '../figures/plot.ts';
import { significant } from '../numbers.ts';
import { type Labelled, placeLabels } from './labels.ts';
import type { Bound, KernelRecord, ProfileRecord, ProfileRow, Roof, TimedDispatch } from './record.ts';
import { frame, HEIGHT, MARGIN, roofLabels, type Scales, scale } from './roofs.ts';
import { boundOf, NEAR } from './rows.ts';
import { profileTitle } from './tables.ts';

/** One panel: the kernels of one method's step. */
interface Panel {
  readonly title: string;
  readonly kernels: readonly ProfileRow[];
  /** Single dispatches, drawn small behind them. */
  readonly dispatches: readonly TimedDispatch[];
}

const TITLE = 26;
const NOTE = 34;

/** Decades below the roof that are drawn; whatever is slower has no part in the time. */
const DECADES = 6;

/** Share of the time from which on it stands beside a kernel's name. */
const WORTH = 0.005;

const BOUNDS: Readonly<
  Record<Bound, { color: string; symbol: 'circle' | 'square' | 'diamond' | 'triangle'; name: string }>
> = {
  compute: { color: 'var(--line1)', symbol: 'circle', name: 'near compute' },
  memory: { color: 'var(--line2)', symbol: 'square', name: 'near memory' },
  latency: { color: 'var(--line5)', symbol: 'diamond', name: 'near latency' },
  neither: { color: 'var(--line4)', symbol: 'triangle', name: 'near neither' },
};

/** Radius of a kernel's mark: its area is its share of the GPU time. */
const radius = (share: number): number => Math.max(3.2, 21 * Math.sqrt(share));

/** A kernel's mark. */
interface Point extends Labelled {
  readonly bound: Bound;
}

/** Where a kernel stands: operations a byte, and operations a second. */
const intensity = ({ flops, bytes }: { flops: number; bytes: number }): number => flops / bytes;

function scales(panels: readonly Panel[], roof: Roof): Scales {
  const all = panels.flatMap(({ kernels }) => kernels).filter((k) => k.flops > 0 && k.gflops !== null);
  const least = roof.gflops / 10 ** DECADES;
  const shown = all.filter((k) => k.gflops! >= least);
  const xs = [...shown.map(intensity), roof.gflops / roof.gbs];
  const ys = [...shown.map((k) => k.gflops!), roof.gflops / 100];
  const right = WIDTH - MARGIN.right;
  return {
    x: scale([Math.min(...xs) / 2, Math.max(...xs) * 3], MARGIN.left, right),
    y: scale([Math.min(...ys) / 2.5, 2.2 * Math.max(roof.gflops, ...ys)], HEIGHT - MARGIN.bottom, MARGIN.top),
    least,
  };
}

/** A mark of a given radius, as an element of its own: Plot would scale radii. */
function mark(bound: Bound, x: number, y: number, r: number): SvgElement {
  const { color, symbol } = BOUNDS[bound];
  const style = { fill: color, 'fill-opacity': 0.78, stroke: PAPER, 'stroke-width': 1 };
  // Sides such that all symbols of a radius have the same area.
  const side = r * Math.sqrt(Math.PI);
  if (symbol === 'circle') return element('circle', { cx: x, cy: y, r, ...style });
  if (symbol === 'triangle') {
    const half = side / 3 ** 0.25;
    const points = `${x - half},${y + half / 3 ** 0.5} ${x + half},${y + half / 3 ** 0.5} ${x},${y - (2 * half) / 3 ** 0.5}`;
    return element('polygon', { points, ...style });
  }
  const turn = symbol === 'diamond' ? { transform: `rotate(45 ${x} ${y})` } : {};
  return element('rect', { x: x - side / 2, y: y - side / 2, width: side, height: side, ...style, ...turn });
}

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

/** The marks of single dispatches, where they are not covered by their kernel's. */
function dispatchMarks(
  panel: Panel,
  roof: Roof,
  { x, y, least }: Scales,
  points: readonly Point[],
): SvgElement[] {
  return panel.dispatches.flatMap((dispatch) => {
    const gflops = dispatch.seconds ? dispatch.flops / dispatch.seconds.median / 1e9 : 0;
    if (gflops < least) return [];
    const [px, py] = [x.at(intensity(dispatch)), y.at(gflops)];
    if (points.some((point) => Math.hypot(point.x - px, point.y - py) < point.r + 3)) return [];
    return [mark(boundOf(dispatch, roof) ?? 'latency', px, py, 2)];
  });
}

function drawPanel(panel: Panel, roof: Roof, all: Scales): SvgElement[] {
  const { x, y, least } = all;
  const svg = frame(roof, all);
  const shown = panel.kernels.filter((k) => k.flops > 0 && k.gflops !== null && k.gflops >= least);
  // The largest first: small marks lie upon them, and find their names' places around them.
  const points: Point[] = [...shown]
    .sort((a, b) => b.share - a.share)
    .map((kernel) => ({
      x: x.at(intensity(kernel)),
      y: y.at(kernel.gflops!),
      r: radius(kernel.share),
      text: kernel.share < WORTH ? kernel.name : `${kernel.name}, ${percent(kernel.share)}`,
      bound: kernel.bound ?? 'latency',
    }));
  const roofs = roofLabels(roof, all, points);
  for (const part of roofs.parts) svg.append(part);
  for (const part of dispatchMarks(panel, roof, all, points)) svg.append(part);
  for (const point of points) svg.append(mark(point.bound, point.x, point.y, point.r));
  const inside = {
    left: MARGIN.left + 4,
    right: WIDTH - MARGIN.right,
    top: MARGIN.top,
    bottom: HEIGHT - MARGIN.bottom - 2,
  };
  const small = { 'font-size': TEXT_SIZE - 1.5, fill: 'currentColor', 'text-anchor': 'start' };
  const halo = { stroke: PAPER, 'stroke-width': 3, 'paint-order': 'stroke', 'stroke-linejoin': 'round' };
  const labels = placeLabels(points, inside, roofs.boxes);
  for (const label of labels) {
    if (label?.leader)
      svg.append(element('line', { ...label.leader, stroke: 'currentColor', 'stroke-opacity': 0.45 }));
  }
  for (const label of labels) {
    if (label)
      svg.append(
        element('text', { x: label.box.left, y: label.box.bottom - 3, ...small, ...halo }, label.text),
      );
  }
  const missing = panel.kernels.filter((kernel) => !shown.includes(kernel)).map(({ name }) => name);
  const nameless = points.filter((_, i) => labels[i] === undefined).map(({ text }) => text);
  const notes = [
    ...(missing.length > 0 ? [`not drawn, for want of arithmetic or of a time: ${missing.join(', ')}`] : []),
    ...(nameless.length > 0 ? [`without room for a name: ${nameless.join('; ')}`] : []),
  ];
  return notes.length === 0
    ? [svg]
    : [svg, element('text', { x: MARGIN.left, ...small, 'fill-opacity': 0.75 }, notes.join('; '))];
}

function legend(): SvgElement {
  const group = element('g', { transform: 'translate(0 30)' });
  let x = MARGIN.left;
  const add = (text: string) => {
    group.append(element('text', { x, y: 19, 'font-size': TEXT_SIZE, fill: 'currentColor' }, text));
    x += 6.6 * text.length + 22;
  };
  for (const bound of Object.keys(BOUNDS) as Bound[]) {
    group.append(mark(bound, x + 6, 15, 6));
    x += 18;
    add(BOUNDS[bound].name);
  }
  add(`area: share of the time; dotted: ${100 * NEAR} % of the roof`);
  return group;
}

const panelsOf = (record: ProfileRecord | KernelRecord): Panel[] =>
  record.kind === 'steps'
    ? record.methods.map((method) => ({
        title: `${profileTitle(method)}: the kernels of a step`,
        kernels: method.kernels,
        dispatches: method.dispatches,
      }))
    : [
        {
          title: `${record.runs[0]!.kernel} alone`,
          // By their sizes; those that have dozens of params, by their place in a step.
          kernels: record.runs.map(({ row, params, parts, labels }) => ({
            ...row,
            name: parts ? labels.join(', ') : Object.values(params).join('x'),
          })),
          dispatches: [],
        },
      ];

/** The roofline of the measured peaks, with every kernel of a step where it stands: a panel for each method. */
export function rooflineFigure(record: ProfileRecord | KernelRecord): Figure {
  const { roof, device } = record;
  const panels = panelsOf(record);
  const all = scales(panels, roof);
  const cpu = device.kind === 'cpu' ? ' (a CPU driver: this says nothing about GPUs)' : '';
  const where = `${device.name}${cpu}`;
  const parts: SvgElement[] = [
    element(
      'text',
      { x: MARGIN.left, y: 20, 'font-size': TEXT_SIZE + 3, 'font-weight': 600 },
      `Roofline on ${where}`,
    ),
  ];
  parts.push(legend());
  let y = 66;
  for (const panel of panels) {
    const heading = { x: MARGIN.left, y: y + 16, 'font-size': TEXT_SIZE + 1, 'font-weight': 600 };
    parts.push(element('text', heading, panel.title));
    const [drawn, note] = drawPanel(panel, roof, all);
    drawn!.setAttribute('y', String(y + TITLE));
    parts.push(drawn!);
    note?.setAttribute('y', String(y + TITLE + HEIGHT + 12));
    if (note) parts.push(note);
    y += TITLE + HEIGHT + NOTE;
  }
  const description =
    `Each kernel by its operations a byte and its GFLOP/s, under the measured peaks of ` +
    `${significant(roof.gflops)} GFLOP/s and ${significant(roof.gbs)} GB/s.`;
  return assemble({ id: 'roofline', title: `Roofline on ${where}`, description }, y + 4, parts);
}
