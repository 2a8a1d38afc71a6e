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
  if (seconds === 0) return '0 s';
  // Rounded before it is divided, so that there are never 60 minutes or 60 seconds beside the larger unit.
  const minutes = Math.round(seconds / 60);
  if (seconds >= 3599.5) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const whole = Math.round(seconds);
  if (seconds >= 120) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (seconds >= 1) return `${significant(seconds)} s`;
  if (seconds >= 1e-3) return `${significant(seconds * 1e3)} ms`;
  return `${significant(seconds * 1e6)} us`;
}

/** A share as a percentage: 97.64 %. */
export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
