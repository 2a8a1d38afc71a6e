/**
 * Waiting for the device without getting in its way.
 *
 * While any WebGPU promise is pending, Dawn's Node binding spins the JavaScript thread. On a driver that runs kernels
 * on the CPU, that takes a core from them. There the thread sleeps for most of the time such work took before, and
 * only then awaits. On a GPU nothing is slept through.
 */
export class Waiter {
  readonly #sleeps: boolean;
  readonly #expected = new Map<string, number>();
  readonly #cell =
    typeof SharedArrayBuffer === 'undefined' ? undefined : new Int32Array(new SharedArrayBuffer(4));

  constructor(sleeps: boolean) {
    this.#sleeps = sleeps;
  }

  /** Awaits `work()`; `kind` names work that takes about the same time at each call (none: no sleep). */
  async wait<T>(kind: string | undefined, work: () => Promise<T>): Promise<T> {
    if (!this.#sleeps || kind === undefined || this.#cell === undefined) return work();
    const began = performance.now();
    const expected = this.#expected.get(kind);
    if (expected !== undefined && expected > 2) Atomics.wait(this.#cell, 0, 0, 0.9 * expected);
    const result = await work();
    // What it took includes the sleep, so work that has become faster is noticed a tenth at a time; work that has
    // become slower is believed a tenth at a time, since to sleep too short costs only a little spinning.
    const took = performance.now() - began;
    this.#expected.set(kind, expected === undefined ? took : Math.min(took, 1.1 * expected + 1));
    return result;
  }
}
