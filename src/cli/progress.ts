import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { BenchListener } from '../../bench/paper.ts';
import { count, duration, percent, significant } from '../report/numbers.ts';
import { titleOf } from '../report/table.ts';
import type { Progress } from '../train/run.ts';

/** Seconds between plain progress lines. */
const LINE_EVERY = 5;

const rate = ({ stepsPerSecond }: Progress) => `${significant(stepsPerSecond)} steps/s`;

/** Shows a benchmark's progress: a bar on a terminal, plain lines elsewhere. Writes to stderr alone. */
export function progressListener(say: (line: string) => void): BenchListener & { stop(): void } {
  const checks: BenchListener = {
    onCheck: ({ method, dispatches, tensors }) =>
      say(
        `checked ${titleOf(method)}: what its ${dispatches} dispatches write (${tensors} tensors) agrees with float64 ` +
          'twins within the bounds of float32 arithmetic',
      ),
  };
  return process.stderr.isTTY ? { ...checks, ...bars() } : { ...checks, ...lines(say) };
}

function lines(say: (line: string) => void): BenchListener & { stop(): void } {
  let last = 0;
  return {
    onRunStart: () => {
      last = performance.now();
    },
    onProgress: (method, p) => {
      if (performance.now() - last < 1000 * LINE_EVERY) return;
      last = performance.now();
      const place = `${titleOf(method)} step ${count(p.step)} of ${count(p.steps)}`;
      say(`${place}, ${rate(p)}, loss ${p.loss.toFixed(4)}, ${duration(p.secondsLeft)} left`);
    },
    onPoint: (method, { step, validation }) =>
      say(
        `${titleOf(method)} step ${count(step)}: validation accuracy ${percent(validation.accuracy)}, ` +
          `loss ${validation.loss.toFixed(4)}`,
      ),
    stop: () => {},
  };
}

function bars(): BenchListener & { stop(): void } {
  const format = '{title} {bar} {value}/{total}  {rate}  loss {loss}  {left} left  validation {validation}';
  let multi: MultiBar | undefined;
  let bar: SingleBar | undefined;
  let started = '';
  const waiting = { rate: '-', loss: '-', left: '-', validation: '-' };
  const stop = () => {
    multi?.stop();
    multi = bar = undefined;
  };
  return {
    onRunStart: (method) => {
      multi ??= new MultiBar(
        { format, stream: process.stderr, hideCursor: true, barsize: 24 },
        Presets.shades_classic,
      );
      bar = undefined;
      started = titleOf(method).padEnd(8);
    },
    onProgress: (_, p) => {
      bar ??= multi?.create(p.steps, 0, { title: started, ...waiting });
      bar?.update(p.step, { rate: rate(p), loss: p.loss.toFixed(4), left: duration(p.secondsLeft) });
    },
    onPoint: (_, { validation }) => bar?.update({ validation: percent(validation.accuracy) }),
    stop,
  };
}
