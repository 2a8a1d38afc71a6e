/** Ticks of a logarithmic axis that one reads values off: 1, 2 and 5 of each decade, or less where that is too many. */
export function logTicks(low: number, high: number): number[] {
  const decades = Array.from(
    { length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, i) => Math.floor(Math.log10(low)) + i,
  );
  const of = (leads: readonly number[]) =>
    decades
      .flatMap((decade) => leads.map((lead) => Number(`${lead}e${decade}`)))
      .filter((tick) => tick >= low && tick <= high);
  const fine = of([1, 2, 5]);
  return fine.length > 8 ? of([1]) : fine;
}

/** The largest of 1, 2 and 5 times a power of ten that is not above a number. */
export function niceBelow(value: number): number {
  const decade = Math.floor(Math.log10(value));
  const lead = value / 10 ** decade;
  return Number(`${lead >= 5 ? 5 : lead >= 2 ? 2 : 1}e${decade}`);
}
