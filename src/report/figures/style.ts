import { rules } from '../../train/rules.ts';

/** How the line of a method is told from the others: by dashes and marker first, and by colour. */
export interface LineStyle {
  readonly color: string;
  /** As stroke-dasharray; `none` is a whole line. */
  readonly dash: string;
  /** Name of a symbol of Observable Plot's. */
  readonly symbol:
    | 'circle'
    | 'square'
    | 'triangle'
    | 'diamond'
    | 'plus'
    | 'times'
    | 'star'
    | 'wye'
    | 'asterisk';
}

/** Colours in light and in dark, of equal lightness so that print does not lose one; in the page, CSS variables. */
export const COLORS: readonly { readonly light: string; readonly dark: string }[] = [
  { light: '#1a1a1a', dark: '#f2f2f2' },
  { light: '#0060a8', dark: '#6cb8f5' },
  { light: '#b34700', dark: '#ff9e57' },
  { light: '#00734f', dark: '#43cf9c' },
  { light: '#9c2f7c', dark: '#ee92cf' },
  { light: '#666666', dark: '#a8a8a8' },
  { light: '#7a5c00', dark: '#e0bd3e' },
  { light: '#5b3fb5', dark: '#b5a2ff' },
  { light: '#a3242e', dark: '#ff8f95' },
  { light: '#1f6f78', dark: '#62cbd6' },
];

const DASHES = ['none', '7 3', '2 2.5', '9 3 2 3', '5 2', '1 3', '12 3', '7 2 2 2 2 2', '4 4', '14 3 3 3'];

const SYMBOLS = [
  'circle',
  'square',
  'triangle',
  'diamond',
  'star',
  'times',
  'plus',
  'wye',
  'asterisk',
  'circle',
] as const;

const style = (i: number): LineStyle => {
  const at = i % COLORS.length;
  return { color: `var(--line${at})`, dash: DASHES[at]!, symbol: SYMBOLS[at]! };
};

/** Methods in the order of their styles: those that are compared most first. */
const ORDER = ['bp', 'cdni', 'dni', 'bisong', 'unlocked', 'no-bp', 'dgl', 'dfa', 'fa', 'delayed-bp'];

/**
 * The styles of a figure's lines. A method looks the same in every figure where its lines are not several.
 */
export function stylesOf(methods: readonly string[]): LineStyle[] {
  const known = [...new Set([...ORDER, ...rules.keys()])];
  const distinct = new Set(methods).size === methods.length;
  return methods.map((method, i) => {
    const at = known.indexOf(method);
    return style(distinct && at >= 0 ? at : i);
  });
}

/** The style of the i-th of some lines that are no methods. */
export const styleAt = (i: number): LineStyle => style(i);

/** The variables that the colours are, for a style sheet: once for light, once for dark. */
export const colorVariables = (mode: 'light' | 'dark'): string =>
  COLORS.map((color, i) => `--line${i}:${color[mode]}`).join(';');
