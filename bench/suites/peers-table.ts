import Table from 'cli-table3';
import { count, percent, significant } from '../../src/report/numbers.ts';
import { TABLE_STYLE } from '../../src/report/table.ts';
import type { PeerRow } from '../peers/measure.ts';
import type { PeersResult } from './peers.ts';
import type { Spread } from './suite.ts';

const range = ({ median, p10, p90 }: Spread): string =>
  `${significant(median)} (${significant(p10)} to ${significant(p90)})`;

/** What issue 4 asks for, side by side in one run: how many times as fast syngrad should be at least. */
const GOALS: readonly {
  readonly kind: 'cpu' | 'gpu';
  readonly of: readonly string[];
  readonly least: number;
}[] = [
  { kind: 'cpu', of: ['jax-js-webgpu'], least: 4 },
  { kind: 'cpu', of: ['tfjs-webgpu'], least: 8 },
  { kind: 'gpu', of: ['torch', 'jax'], least: 1.5 },
];

const isOf = (row: PeerRow, name: string): boolean =>
  row.peer === name ||
  (row.peer.startsWith(`${name}-`) && !(name === 'jax' && row.peer.startsWith('jax-js')));

/** A sentence for each goal that this device and these peers have something to say about. */
export function goalSentences({ deviceKind, peers }: Pick<PeersResult, 'deviceKind' | 'peers'>): string[] {
  return GOALS.filter(({ kind }) => kind === deviceKind).flatMap(({ of, least }) => {
    const measured = peers.filter(
      (row) => row.comparison && row.precision === 'float32' && of.some((name) => isOf(row, name)),
    );
    // The hardest of them is the one that counts.
    const hardest = measured.sort((a, b) => a.comparison!.ratio.median - b.comparison!.ratio.median)[0];
    if (!hardest) return [];
    const { median } = hardest.comparison!.ratio;
    const best =
      of.length > 1 ? `the best of ${of.join(' and ')} in plain float32, ${hardest.label}` : hardest.label;
    const verdict = median >= least ? 'reached' : `missed: ${percent(median / least)} of it`;
    return [`syngrad : ${best} = ${significant(median)} in steps/s (aim: at least ${least}; ${verdict})`];
  });
}

/** Why some have no time: peers with one reason in one line, and of those that disagree both lists of losses. */
function unmeasured(rows: readonly PeerRow[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { label, status, reason } of rows) {
    if (status !== 'disagrees') {
      const why = `${status}: ${reason}`;
      byReason.set(why, [...(byReason.get(why) ?? []), label]);
    }
  }
  const list = (losses: readonly number[]) => losses.map((loss) => loss.toFixed(6)).join(', ');
  const disagreeing = rows.filter((row) => row.status === 'disagrees');
  return [
    ...(rows.length > 0 ? ['not measured:'] : []),
    ...[...byReason].map(([why, labels]) => `  ${why}\n    ${labels.join('; ')}`),
    ...disagreeing.flatMap(({ label, reason, agreement }) => [
      `  ${label}: ${reason}`,
      `    its losses   ${list(agreement!.theirs)}`,
      `    syngrad's    ${list(agreement!.ours)}`,
    ]),
  ];
}

/** The tables of the suite, for a terminal. */
export function peersTable(result: PeersResult): string {
  const { config, schedule, because, checked, own, peers, deviceKind } = result;
  const { batch, hidden, layers, learningRate, data, seed } = config;
  const lines: string[] = [
    `bp, ${data}, ${layers} layers of ${hidden} units, batch ${batch}, Adam ${learningRate}, seed ${seed}, float32; ` +
      `syngrad's schedule is ${schedule}${because === null ? '' : ` (${because})`}`,
  ];

  const table = new Table({
    ...TABLE_STYLE,
    head: ['', 'steps/s (p10 to p90)', 'syngrad beside it', 'syngrad : it, by pairs', 'losses\ndiffer by'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
  });
  const dispatches = (steps: number) => `${count(Number(steps.toFixed(2)))} dispatches a step`;
  for (const row of own) {
    if (!row.stepsPerSecond) continue;
    const differ = row.agreement?.worst.toExponential(1) ?? '';
    const label = `syngrad, ${row.schedule}: ${dispatches(row.dispatchesPerStep)}`;
    table.push([label, range(row.stepsPerSecond), '', '', differ]);
  }
  for (const { label, precision, comparison, agreement } of peers) {
    if (!comparison) continue;
    table.push([
      precision === 'float32' ? label : `${label} (not float32)`,
      range(comparison.theirs),
      range(comparison.ours),
      range(comparison.ratio),
      agreement!.worst.toExponential(1),
    ]);
  }
  lines.push(table.toString());

  const main = own.find((row) => row.schedule === schedule);
  if (main) lines.push(`syngrad beside each: schedule ${schedule}, ${dispatches(main.dispatchesPerStep)}`);
  lines.push(
    `losses of the first ${checked.steps} steps from equal weights, allowed to differ by ` +
      `${checked.tolerance.value.toExponential(1)} = ${checked.tolerance.text} of the loss`,
  );
  for (const { label, about } of peers.filter((row) => row.comparison)) {
    lines.push(`  ${label}: ${Object.values(about ?? {}).join('; ')}`);
  }
  lines.push(...unmeasured(peers.filter((row) => !row.comparison)));
  lines.push(...goalSentences(result));
  if (deviceKind === 'cpu') {
    lines.push(
      'a CPU driver: WebGPU libraries that poll while they wait take a core from their own kernels there, as they do for',
      'whoever uses them so; syngrad sleeps. This says nothing about GPUs.',
    );
  }
  return lines.join('\n');
}
