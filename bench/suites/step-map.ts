import * as Plot from '@observablehq/plot';
import type { AdapterInfo } from '../../src/gpu/adapters.ts';
import {
  assemble,
  document,
  element,
  type Figure,
  FONT,
  type SvgElement,
  TEXT_SIZE,
  WIDTH,
} from '../../src/report/figures/plot.ts';
import type { StepResult } from './step.ts';
import { type Verdict, verdictOf } from './step-table.ts';

/** A cell of the map. */
interface MapCell {
  readonly layers: number;
  readonly batch: number;
  readonly ratio: number;
  readonly range: string;
  readonly verdict: Verdict;
}

const LEFT = 64;
const RIGHT = 24;
const TOP = 84;
const CELL_HEIGHT = 58;
const AXIS = 46;
const RAMP = 40;

/** Ratios that are written below the scale. */
const TICKS = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8];

/** Against unlocking, neither, and for it: told apart by lightness too, since both ends are darker than the middle. */
const COLOURS = ['#8c3800', '#d9793a', '#f6c9a3', '#f7f7f5', '#a9cfe8', '#3f8fc4', '#004d8a'] as const;

/** Ratios that the ends of the scale stand for: one over the other, and at least a factor of two. */
function reachOf(cells: readonly MapCell[]): number {
  const most = Math.max(2, ...cells.map(({ ratio }) => Math.max(ratio, 1 / ratio)));
  return [2, 4, 8].find((reach) => most <= 1.05 * reach) ?? most;
}

const fill = (reach: number) => ({
  type: 'diverging-log' as const,
  pivot: 1,
  domain: [1 / reach, reach],
  range: [...COLOURS],
  interpolate: 'rgb' as const,
  clamp: true,
});

/** White on dark cells. */
const isDark = (ratio: number, reach: number): boolean => Math.abs(Math.log(ratio)) > 0.62 * Math.log(reach);

function cellsOf({ cells }: Pick<StepResult, 'cells'>): MapCell[] {
  return cells.flatMap(({ layers, batch, waveToBp }) =>
    waveToBp
      ? [
          {
            ...{ layers, batch, ratio: waveToBp.median },
            range: `${waveToBp.p10.toFixed(2)} to ${waveToBp.p90.toFixed(2)}`,
            verdict: verdictOf(waveToBp),
          },
        ]
      : [],
  );
}

/** Cells of the grid that have no ratio. */
const missingFrom = ({ layers, batch }: StepResult['grid'], cells: readonly MapCell[]) =>
  layers
    .flatMap((depth) => batch.map((size) => ({ layers: depth, batch: size })))
    .filter((at) => !cells.some((cell) => cell.layers === at.layers && cell.batch === at.batch));

function heatMap({ grid }: Pick<StepResult, 'grid'>, cells: readonly MapCell[], reach: number): SvgElement {
  const ink = ({ ratio }: MapCell) => (isDark(ratio, reach) ? '#ffffff' : '#1a1a1a');
  const at = { x: 'batch', y: 'layers' } as const;
  const height = CELL_HEIGHT * grid.layers.length + AXIS;
  return Plot.plot({
    document: document as never,
    width: WIDTH,
    height,
    ...{ marginLeft: LEFT, marginRight: RIGHT, marginTop: 0, marginBottom: AXIS },
    style: { fontSize: `${TEXT_SIZE}px`, fontFamily: FONT, background: 'none', overflow: 'visible' },
    x: { type: 'band', domain: [...grid.batch], label: null, tickSize: 0, padding: 0.04, tickFormat: String },
    y: {
      type: 'band',
      domain: [...grid.layers].reverse(),
      label: null,
      tickSize: 0,
      padding: 0.06,
      tickFormat: String,
    },
    color: fill(reach),
    marks: [
      Plot.cell(missingFrom(grid, cells), {
        ...{ ...at, rx: 4, inset: 1, fill: 'none', stroke: 'currentColor' },
        ...{ strokeOpacity: 0.25, strokeDasharray: '3 3' },
      }),
      Plot.cell(cells, { ...at, fill: 'ratio', rx: 4 }),
      // What may as well be 1 is written thin.
      ...[600, 400].map((fontWeight) =>
        Plot.text(
          cells.filter(({ verdict }) => (verdict === 'even') === (fontWeight === 400)),
          {
            ...at,
            text: ({ ratio }: MapCell) => `${ratio.toFixed(2)}×`,
            ...{ fontSize: TEXT_SIZE + 5, fontWeight, fill: ink, dy: -6 },
          },
        ),
      ),
      Plot.text(cells, {
        ...at,
        text: 'range',
        fontSize: TEXT_SIZE - 2,
        fill: ink,
        fillOpacity: 0.85,
        dy: 13,
      }),
    ],
  }) as unknown as SvgElement;
}

/** The scale of the colours, with what its ends mean. */
function ramp(reach: number, y: number): SvgElement[] {
  const [left, width, height] = [WIDTH - RIGHT - 330, 330, 12];
  const steps = 132;
  const parts: SvgElement[] = [];
  const bar = Plot.plot({
    document: document as never,
    width,
    height,
    margin: 0,
    x: { type: 'identity', axis: null },
    y: { type: 'identity', axis: null },
    color: fill(reach),
    marks: [
      Plot.rect(
        Array.from({ length: steps }, (_, i) => ({
          x1: (i * width) / steps,
          x2: ((i + 1.2) * width) / steps,
          ratio: reach ** ((2 * (i + 0.5)) / steps - 1),
        })),
        { x1: 'x1', x2: 'x2', y1: () => 0, y2: () => height, fill: 'ratio' },
      ),
    ],
  }) as unknown as SvgElement;
  bar.setAttribute('x', String(left));
  bar.setAttribute('y', String(y));
  parts.push(bar);
  const text = (x: number, at: number, content: string, anchor: string) =>
    parts.push(
      element(
        'text',
        { x, y: at, 'font-size': TEXT_SIZE - 1, 'text-anchor': anchor, fill: 'currentColor' },
        content,
      ),
    );
  for (const ratio of TICKS.filter((tick) => Math.max(tick, 1 / tick) <= reach)) {
    const x = left + (width * (Math.log(ratio) / Math.log(reach) + 1)) / 2;
    parts.push(element('line', { x1: x, x2: x, y1: y + height, y2: y + height + 4, stroke: 'currentColor' }));
    const anchor =
      Math.abs(Math.log(ratio)) < 0.99 * Math.log(reach) ? 'middle' : ratio < 1 ? 'start' : 'end';
    text(x, y + height + 17, `${ratio < 1 ? `1/${1 / ratio}` : ratio}×`, anchor);
  }
  text(left, y - 7, 'backpropagation is faster', 'start');
  text(left + width, y - 7, 'the wave is faster', 'end');
  return parts;
}

/** How often which is faster beyond doubt. */
const paysText = (cells: readonly MapCell[]): string => {
  const of = (verdict: Verdict) => cells.filter((cell) => cell.verdict === verdict).length;
  return `${of('pays')} of ${cells.length} cells pay, ${of('costs')} cost, ${of('even')} neither`;
};

/**
 * Where unlocking pays: the wave's steps a second over fused backpropagation's, for each depth and batch, in a scale
 * that diverges from 1.
 */
export function stepMap(result: StepResult, device: AdapterInfo): Figure {
  const cells = cellsOf(result);
  const reach = reachOf(cells);
  const { map, config } = result;
  const driver = device.driver === '' ? '' : `, ${device.driver}`;
  const where = `${device.name}${driver}`;
  const cpu = device.kind === 'cpu' ? ['A CPU driver: this says nothing about GPUs.'] : [];
  const top = TOP + 18 * cpu.length;
  const text = (
    x: number,
    y: number,
    size: number,
    content: string,
    more: Record<string, string | number> = {},
  ) => element('text', { x, y, 'font-size': size, fill: 'currentColor', ...more }, content);
  const drawn = heatMap(result, cells, reach);
  drawn.setAttribute('y', String(top));
  const bottom = top + CELL_HEIGHT * result.grid.layers.length;
  const middle = top + (CELL_HEIGHT * result.grid.layers.length) / 2;
  const parts = [
    text(LEFT, 24, TEXT_SIZE + 5, 'Where unlocking pays', { 'font-weight': 600 }),
    text(
      LEFT,
      45,
      TEXT_SIZE,
      `Steps a second of ${map.of} over ${map.to}, every layer updated in every step; ${config.hidden} hidden units, ${config.data}`,
    ),
    ...[where, ...cpu].map((line, i) => text(LEFT, 63 + 18 * i, TEXT_SIZE, line, { 'fill-opacity': 0.75 })),
    drawn,
    text(LEFT + (WIDTH - LEFT - RIGHT) / 2, bottom + 38, TEXT_SIZE, 'batch (samples)', {
      'text-anchor': 'middle',
    }),
    text(20, middle, TEXT_SIZE, 'layers with weights', {
      'text-anchor': 'middle',
      transform: `rotate(-90 20 ${middle})`,
    }),
    ...ramp(reach, bottom + AXIS + 34),
    text(LEFT, bottom + AXIS + 34, TEXT_SIZE - 1, paysText(cells), { 'fill-opacity': 0.75 }),
    text(
      LEFT,
      bottom + AXIS + 51,
      TEXT_SIZE - 1,
      'Medians, p10 to p90 below them; thin where 1 lies between those',
      {
        'fill-opacity': 0.75,
      },
    ),
  ];
  const description = `The ratio of steps a second at each depth and batch on ${where}: ${paysText(cells)}.`;
  return assemble(
    { id: 'step-map', title: `Where unlocking pays on ${where}`, description },
    bottom + AXIS + RAMP + 34,
    parts,
  );
}
