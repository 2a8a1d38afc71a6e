import { expect } from 'vitest';

const TAG = /<(\/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/y;

/** Fails unless a text is well-formed XML: tags that nest, attributes in quotes and once each, no bare & or <. */
export function wellFormed(text: string): void {
  const xml = text.replace(/^<\?xml [^?]*\?>\s*/, '');
  expect(
    xml.match(/&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-fA-F]+);).{0,20}/)?.[0],
    'a bare &',
  ).toBeUndefined();
  const open: string[] = [];
  let [at, roots] = [0, 0];
  while (at < xml.length) {
    const next = xml.indexOf('<', at);
    const between = xml.slice(at, next < 0 ? undefined : next);
    if (open.length === 0) expect(between.trim(), 'text outside the root').toBe('');
    if (next < 0) break;
    TAG.lastIndex = next;
    const tag = TAG.exec(xml);
    if (!tag) throw new Error(`no tag: ${xml.slice(next, next + 80)}`);
    const [whole, closing, name, attributes, empty] = tag;
    const names = [...attributes!.matchAll(/([\w:-]+)=/g)].map((match) => match[1]);
    expect(new Set(names).size, `attributes of ${whole}`).toBe(names.length);
    if (closing) expect(open.pop(), `what ${whole} closes`).toBe(name);
    else {
      if (open.length === 0) roots++;
      if (!empty) open.push(name!);
    }
    at = next + whole.length;
  }
  expect(open, 'left open').toEqual([]);
  expect(roots, 'roots').toBe(1);
}

const plain = (text: string): string =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');

/** What the text elements of an SVG say. */
export const texts = (svg: string): string[] =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map((match) => plain(match[1]!));

/** The rows of comma-separated values, as RFC 4180 has them; fails when they are not as wide as the first. */
export function parseCsv(text: string): string[][] {
  expect(text.endsWith('\n'), 'a line end at the end').toBe(true);
  const rows: string[][] = [[]];
  const cell = /("(?:[^"]|"")*"|[^",\n]*)(,|\n)/y;
  while (cell.lastIndex < text.length) {
    const from = cell.lastIndex;
    const found = cell.exec(text);
    if (!found) throw new Error(`no cell: ${text.slice(from, from + 80)}`);
    const [, value, end] = found;
    rows.at(-1)!.push(value!.startsWith('"') ? value!.slice(1, -1).replaceAll('""', '"') : value!);
    if (end === '\n' && cell.lastIndex < text.length) rows.push([]);
  }
  for (const row of rows) expect(row.length, row.join()).toBe(rows[0]!.length);
  return rows;
}
