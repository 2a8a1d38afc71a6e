/** A number with `digits` significant digits, without an exponent for everyday sizes. */
export function significant(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return String(value);
  const text = value.toPrecision(digits);
  return text.includes('e') && Math.abs(value) >= 1 && Math.abs(value) < 1e15
    ? Math.round(Number(text)).toLocaleString('en-US')
    : text;
}

/** A count with thousands separated: 1,234,567. */
export const count = (value: number): string => value.toLocaleString('en-US');

/** A duration in the unit that suits it. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  if (seconds >= 120) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds >= 1) return `${significant(seconds)} s`;
  if (seconds >= 1e-3) return `${significant(seconds * 1e3)} ms`;
  return `${significant(seconds * 1e6)} us`;
}

/** A share as a percentage: 97.64 %. */
export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
