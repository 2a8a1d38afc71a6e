import { count } from '../numbers.ts';
import { agreementSection } from './agreement.ts';
import { confoundSection } from './confound.ts';
import { curvesSection } from './curves.ts';
import { depthSection, probabilitySection } from './errors.ts';
import { groupRuns } from './groups.ts';
import { pageHtml } from './html.ts';
import { provenanceSection, warnings } from './provenance.ts';
import type { Reading } from './read.ts';
import { resultsSection, summary } from './results.ts';
import { namer } from './section.ts';

/** A report: its files by name, `report.html` first. */
export type Report = ReadonlyMap<string, string>;

/** Makes the page, and a file for each figure and table in it. Equal records give equal files, byte for byte. */
export function makeReport({ records, runs, damaged }: Reading): Report {
  const { groups, leftOut } = groupRuns(runs);
  const name = namer();
  const sections = [
    resultsSection(groups, name),
    confoundSection(groups, name),
    curvesSection(groups, name),
    depthSection(groups, name),
    probabilitySection(groups, name),
    agreementSection(groups, name),
    provenanceSection(records, name),
  ];
  const dates = records.map(({ record }) => record.date.slice(0, 10)).sort();
  const days = dates[0] === dates.at(-1) ? `${dates[0]}` : `${dates[0]} to ${dates.at(-1)}`;
  const used = groups.reduce((sum, g) => sum + g.runs.length, 0);
  const html = pageHtml({
    title: 'Backpropagation against synthetic gradients',
    made: `Made by syngrad from ${count(used)} finished ${used === 1 ? 'run' : 'runs'}, recorded ${days}. The claim that is put to the test is that of Bisong 2017, arXiv 1712.08314: synthetic gradients are "over 3-fold faster".`,
    summary: summary(groups),
    warnings: warnings(records, groups),
    sections,
    leftOut: [...damaged, ...leftOut],
  });
  const files = new Map([['report.html', html]]);
  for (const { table, figure } of sections.flatMap((section) => section.blocks)) {
    if (table) files.set(`${table.id}.csv`, table.csv);
    if (figure) files.set(`${figure.id}.svg`, figure.file);
  }
  return files;
}
