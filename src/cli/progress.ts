import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { BenchListener } from '../../bench/paper.ts';
import { count, duration, percent, significant } from '../report/numbers.ts';
import type { CheckRecord } from '../report/record.ts';
import { titleOf } from '../report/table.ts';
import type { Progress } from '../train/run.ts';

/** Seconds between plain progress lines. */
const LINE_EVERY = 5;

const rate = ({ stepsPerSecond }: Progress) => `${significant(stepsPerSecond)} steps/s`;

/** Steps that update nothing measure no loss. */
const lossOf = ({ loss }: Progress): string => (Number.isNaN(loss) ? '-' : loss.toFixed(4));

const place = (method: string, p: Progress): string =>
  `${titleOf(method)} step ${count(p.step)} of ${count(p.steps)}, ${rate(p)}, loss ${lossOf(p)}, ` +
  `${duration(p.secondsLeft)} left`;

const sizes = ({ batch, hidden, layers, sgWidth }: CheckRecord['shape']): string =>
  `batch ${batch}, ${layers} layers, ${hidden} units${sgWidth === undefined ? '' : `, predictors ${sgWidth} wide`}`;

/**
 * Says which methods have not the schedule that was asked for, and why. That is a note about the result and no progress:
 * whoever wants to hear of no progress is told, too.
 */
export function scheduleNotes(say: (line: string) => void): Required<Pick<BenchListener, 'onOtherSchedule'>> {
  return {
    onOtherSchedule: (method, schedule, because) => say(`${titleOf(method)} runs ${schedule}: ${because}`),
  };
}

/** Shows a benchmark's progress: a bar on `terminal`, where there is one, else plain lines through `say`. */
export function progressListener(
  say: (line: string) => void,
  terminal?: NodeJS.WriteStream,
): BenchListener & { stop(): void } {
  const checks: BenchListener = {
    ...scheduleNotes(say),
    onCheck: ({ method, dispatches, tensors, shape }) =>
      say(
        `checked ${titleOf(method)}: what its ${dispatches} dispatches write (${tensors} tensors) agrees with float64 ` +
          `twins within the bounds of float32 arithmetic, at ${sizes(shape)}`,
      ),
  };
  return { ...checks, ...(terminal ? bars(terminal) : lines(say)) };
}

function lines(say: (line: string) => void): BenchListener & { stop(): void } {
  let last = 0;
  let now = '';
  return {
    onRunStart: () => {
      last = performance.now();
    },
    onProgress: (method, p) => {
      now = place(method, p);
      if (performance.now() - last < 1000 * LINE_EVERY) return;
      last = performance.now();
      say(now);
    },
    onPoint: (_, { validation }) =>
      say(`${now}; validation accuracy ${percent(validation.accuracy)}, loss ${validation.loss.toFixed(4)}`),
    stop: () => {},
  };
}

function bars(stream: NodeJS.WriteStream): BenchListener & { stop(): void } {
  const format = '{title} {bar} {value}/{total}  {rate}  loss {loss}  {left} left  validation {validation}';
  let multi: MultiBar | undefined;
  let bar: SingleBar | undefined;
  let started = '';
  const waiting = { rate: '-', loss: '-', left: '-', validation: '-' };
  const stop = () => {
    if (multi?.isActive) multi.stop();
    multi = bar = undefined;
  };
  return {
    onRunStart: (method) => {
      // On Ctrl-C the bar stops by itself, so that the cursor is back even when the process ends at once.
      const options = { format, stream, hideCursor: true, barsize: 24, gracefulExit: true };
      multi ??= new MultiBar(options, Presets.shades_classic);
      bar = undefined;
      started = titleOf(method).padEnd(8);
    },
    onProgress: (_, p) => {
      bar ??= multi?.create(p.steps, 0, { title: started, ...waiting });
      bar?.update(p.step, { rate: rate(p), loss: lossOf(p), left: duration(p.secondsLeft) });
    },
    onPoint: (_, { validation }) => bar?.update({ validation: percent(validation.accuracy) }),
    stop,
  };
}
