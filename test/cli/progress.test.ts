import { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import type { BenchListener } from '../../bench/paper.ts';
import { progressListener, scheduleNotes } from '../../src/cli/progress.ts';
import type { CheckRecord } from '../../src/report/record.ts';

/** A terminal that keeps what is drawn on it. */
class Terminal extends Writable {
  readonly isTTY = true;
  readonly columns = 160;
  drawn = '';

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.drawn += chunk.toString();
    done();
  }

  /** As cli-progress asks for it. */
  getWindowSize(): [number, number] {
    return [160, 40];
  }
}

const check = {
  method: 'bp',
  dispatches: 50,
  tensors: 85,
  shape: { batch: 32, hidden: 16, layers: 4 },
} as CheckRecord;
const at = (step: number) => ({
  step,
  steps: 100,
  stepsPerSecond: 40,
  loss: 0.5,
  secondsLeft: (100 - step) / 40,
});
const point = {
  step: 60,
  seconds: 1.5,
  train: { loss: 0.6, accuracy: 0.8 },
  validation: { loss: 0.7, accuracy: 0.75, samples: 26 },
};

function tell(listener: BenchListener): void {
  listener.onCheck!(check);
  listener.onRunStart!('bp');
  listener.onProgress!('bp', at(60));
  listener.onPoint!('bp', point);
}

it('shows a bar with rate, loss and time left on a terminal', async () => {
  const terminal = new Terminal();
  const said: string[] = [];
  const progress = progressListener((line) => said.push(line), terminal as unknown as NodeJS.WriteStream);
  tell(progress);
  progress.stop();
  // Where a caller stops twice, nothing is drawn twice.
  const drawn = terminal.drawn;
  progress.stop();
  expect(terminal.drawn).toBe(drawn);
  expect(stripVTControlCharacters(drawn)).toMatch(
    /backprop +█+░+ 60\/100 {2}40\.0 steps\/s {2}loss 0\.5000 {2}1\.00 s left {2}validation 75\.00 %/,
  );
  expect(said).toEqual([expect.stringMatching(/^checked backprop: .* agrees with float64 twins/)]);
  // The cursor, hidden while the bar is drawn, is back.
  expect(drawn.lastIndexOf('\u001b[?25h')).toBeGreaterThan(drawn.lastIndexOf('\u001b[?25l'));
});

it('says plain lines elsewhere', () => {
  const said: string[] = [];
  tell(progressListener((line) => said.push(line)));
  expect(said.slice(1)).toEqual([
    'backprop step 60 of 100, 40.0 steps/s, loss 0.5000, 1.00 s left; validation accuracy 75.00 %, loss 0.7000',
  ]);
  expect(said.join('')).not.toContain('\u001b');
});

it('names the sizes that were checked, and of predictors that were made narrower, their width', () => {
  const said: string[] = [];
  const { onCheck } = progressListener((line) => said.push(line));
  onCheck!(check);
  onCheck!({ ...check, method: 'dni', shape: { ...check.shape, sgWidth: 16 } });
  expect(said[0]).toMatch(/^checked backprop: .*, at batch 32, 4 layers, 16 units$/);
  expect(said[1]).toMatch(/^checked DNI: .*, at batch 32, 4 layers, 16 units, predictors 16 wide$/);
});

it('shows no loss where no step has measured any', () => {
  const terminal = new Terminal();
  const said: string[] = [];
  for (const progress of [
    progressListener((line) => said.push(line)),
    progressListener(() => {}, terminal as unknown as NodeJS.WriteStream),
  ]) {
    progress.onRunStart!('bp');
    progress.onProgress!('bp', { ...at(60), loss: Number.NaN });
    progress.onPoint!('bp', point);
    progress.stop();
  }
  expect(said).toEqual([
    expect.stringMatching(/^backprop step 60 of 100, 40\.0 steps\/s, loss -, 1\.00 s left; /),
  ]);
  expect(stripVTControlCharacters(terminal.drawn)).toMatch(/steps\/s {2}loss - {2}1\.00 s left/);
  expect(said.join('') + terminal.drawn).not.toContain('NaN');
});

it('says of each method once why it has another schedule, to those who want no progress, too', () => {
  const because = 'of the fused kernels: they have no warm-up';
  for (const listen of [progressListener, scheduleNotes]) {
    const said: string[] = [];
    listen((line) => said.push(line)).onOtherSchedule!('cdni', 'layered', because);
    expect(said).toEqual(['cDNI runs layered: of the fused kernels: they have no warm-up']);
  }
});
