import { colorVariables } from '../figures/style.ts';
import type { Block, Section } from './section.ts';
import type { Cell, Table } from './tables.ts';

/** A text as it stands in HTML. */
export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const LIGHT = `--paper:#ffffff;--ink:#1a1a1a;--soft:#555555;--rule:#c4c4c4;--note:#fff4d6;--note-rule:#b98900;${colorVariables('light')}`;
const DARK = `--paper:#15171a;--ink:#ececec;--soft:#a9adb3;--rule:#45494f;--note:#332b12;--note-rule:#d9ac2e;${colorVariables('dark')}`;

const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media screen and (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.2rem 4rem;max-width:61rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,"Helvetica Neue",Arial,sans-serif}
h1{font-size:1.7rem;line-height:1.25;margin:0 0 .3rem}
h2{font-size:1.3rem;margin:2.8rem 0 .2rem;border-bottom:1px solid var(--rule);padding-bottom:.2rem}
p{margin:.5rem 0}
nav{font-size:.9rem;margin:.8rem 0}
nav a{margin-right:1rem}
a{color:inherit}
.about,.made{color:var(--soft);font-size:.92rem}
.notes{background:var(--note);border-left:4px solid var(--note-rule);padding:.5rem 1rem;margin:1rem 0}
.notes ul{margin:.2rem 0;padding-left:1.1rem}
.missing{border:1px dashed var(--rule);padding:.5rem .9rem;color:var(--soft)}
figure{margin:1.4rem 0 .6rem;break-inside:avoid}
figure>svg{width:100%;height:auto;display:block}
figcaption,caption{font-weight:600;text-align:left;margin-bottom:.4rem;padding:0}
caption{padding-bottom:.4rem}
.scroll{overflow-x:auto;margin:1.4rem 0 .6rem}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums;
border-top:2px solid var(--ink);border-bottom:2px solid var(--ink)}
thead th{border-bottom:1px solid var(--ink);vertical-align:bottom}
th,td{padding:.3rem .55rem;text-align:right;font-weight:400;vertical-align:top}
thead th{font-weight:600}
th.name,td.name{text-align:left}
tbody th{text-align:left;font-weight:600;white-space:nowrap}
td small{display:block;color:var(--soft);font-size:.8rem;white-space:nowrap}
td.number{white-space:nowrap}
table.wide{font-size:.78rem}
.wide th,.wide td{padding:.3rem .3rem}
tbody tr+tr{border-top:1px solid var(--rule)}
.sentences{margin:.3rem 0 1.6rem;padding-left:1.1rem;font-size:.95rem}
details{margin:.6rem 0}
summary{cursor:pointer}
code{font-size:.9em;overflow-wrap:anywhere}
@media print{body{max-width:none;padding:0;font-size:10.5pt}nav{display:none}h2{break-after:avoid}
table,.notes{break-inside:avoid}.scroll{overflow:visible}details:not([open]){display:none}}
`;

/** A sentence, with no line break between a number and its unit. */
const prose = (text: string): string =>
  escapeHtml(text).replace(
    /(\d) (?=(?:%|s|ms|µs|min|h|nats|layers?|steps?)(?![\w-]))|(p) = (?=\d)/g,
    (_, digit, p) => (p ? 'p\u00a0=\u00a0' : `${digit}\u00a0`),
  );

const list = (sentences: readonly string[], name: string): string =>
  sentences.length === 0
    ? ''
    : `<ul class="${name}">\n${sentences.map((s) => `<li>${prose(s)}</li>`).join('\n')}\n</ul>\n`;

/** Columns from which on a table is set closer, so that it needs no scrolling on a usual screen, nor is cut in print. */
const WIDE = 11;

function tableHtml({ title, head, rows, names }: Table): string {
  const isName = (column: number) => column < names;
  // Numbers stay on one line; texts may take several.
  const isNumber = (text: string) => /^[-\d]/.test(text) && text.length < 30;
  const cell = ({ text, below }: Cell, column: number): string => {
    const inner = `${escapeHtml(text)}${below === undefined ? '' : `<small>${escapeHtml(below)}</small>`}`;
    if (column === 0) return `<th scope="row">${inner}</th>`;
    const kind = isName(column) || !isNumber(text) ? 'name' : 'number';
    return `<td class="${kind}">${inner}</td>`;
  };
  const left = (column: number) =>
    isName(column) || rows.some((row) => row[column] && !isNumber(row[column].text));
  return (
    `<div class="scroll"><table${head.length >= WIDE ? ' class="wide"' : ''}>\n<caption>${escapeHtml(title)}</caption>\n<thead><tr>` +
    head.map((h, i) => `<th scope="col"${left(i) ? ' class="name"' : ''}>${escapeHtml(h)}</th>`).join('') +
    `</tr></thead>\n<tbody>\n${rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n')}\n</tbody>\n</table></div>\n`
  );
}

function blockHtml({ table, figure, sentences }: Block): string {
  const drawn = figure
    ? `<figure>\n<figcaption>${escapeHtml(figure.title)}</figcaption>\n${figure.inline}\n</figure>\n`
    : '';
  return `${table ? tableHtml(table) : ''}${drawn}${list(sentences, 'sentences')}`;
}

/** What stands in backquotes is code. */
const withCode = (text: string): string => escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>');

/** Blocks in a row under one heading fold together. */
function blocksHtml(blocks: readonly Block[]): string {
  let html = '';
  let open: string | undefined;
  for (const block of blocks) {
    if (block.folded !== open) {
      if (open !== undefined) html += '</details>\n';
      if (block.folded !== undefined) html += `<details><summary>${escapeHtml(block.folded)}</summary>\n`;
      open = block.folded;
    }
    html += blockHtml(block);
  }
  return open === undefined ? html : `${html}</details>\n`;
}

function sectionHtml({ id, title, about, blocks, missing }: Section): string {
  return (
    `<section id="${id}">\n<h2>${escapeHtml(title)}</h2>\n` +
    (blocks.length > 0 ? `<p class="about">${escapeHtml(about)}</p>\n` : '') +
    blocksHtml(blocks) +
    (missing === undefined ? '' : `<p class="missing">${withCode(missing)}</p>\n`) +
    '</section>\n'
  );
}

/** What a page consists of. */
export interface Page {
  readonly title: string;
  /** The answer first. */
  readonly summary: readonly string[];
  readonly warnings: readonly string[];
  readonly sections: readonly Section[];
  /** What was left out, and why. */
  readonly leftOut: readonly string[];
  readonly made: string;
}

/** The whole page: one file that needs no other, and no network. */
export function pageHtml({ title, summary, warnings, sections, leftOut, made }: Page): string {
  const links = sections.map((s) => `<a href="#${s.id}">${escapeHtml(s.title)}</a>`).join('\n');
  const notes = warnings.length > 0 ? `<div class="notes">${list(warnings, 'loud')}</div>\n` : '';
  const out =
    leftOut.length > 0
      ? `<section id="left-out">\n<h2>Left out</h2>\n${list(leftOut, 'sentences')}</section>\n`
      : '';
  return (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n' +
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n' +
    `<title>${escapeHtml(title)}</title>\n<style>${STYLE}</style>\n</head>\n<body>\n<header>\n<h1>${escapeHtml(title)}</h1>\n` +
    `<p class="made">${escapeHtml(made)}</p>\n<nav aria-label="Sections">${links}</nav>\n</header>\n<main>\n` +
    `${notes}${list(summary, 'summary')}${sections.map(sectionHtml).join('')}${out}</main>\n</body>\n</html>\n`
  );
}
