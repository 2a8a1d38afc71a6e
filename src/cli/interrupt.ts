/**
 * Milliseconds in which a second signal is taken for the first. Under npm there are two for one Ctrl-C: the terminal
 * signals npm and this process, and npm passes its own on.
 */
const same = (): number => (process.env.npm_lifecycle_event === undefined ? 0 : 500);

/** A wish to stop. */
export interface Interrupt {
  readonly signal: AbortSignal;
  /** Ends listening. */
  done(): void;
}

/**
 * Aborts on the first Ctrl-C; a second one ends the process at once. A reader of stdout that goes away (`| head`)
 * counts as a wish to stop, too: nobody is left to see the rest. `last` is called before the process ends at once.
 * `under` is what is finished all the same.
 */
export function stopOnInterrupt(
  say: (line: string) => void,
  last: () => void,
  under = 'the steps',
): Interrupt {
  const controller = new AbortController();
  let since = 0;
  const stop = () => {
    if (controller.signal.aborted) return;
    since = performance.now();
    controller.abort();
  };
  const done = () => {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    process.stdout.off('error', stop);
  };
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      if (performance.now() - since < same()) return;
      last();
      done();
      // As if never caught: process.exit would run Dawn's destructors under work in flight, which may crash.
      process.kill(process.pid, name);
      return;
    }
    stop();
    say(`stopping after ${under} under way; Ctrl-C once more stops at once`);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  process.stdout.once('error', stop);
  return { signal: controller.signal, done };
}
