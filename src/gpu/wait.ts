/** Milliseconds that a nap is at least and at most, and its share of the time waited so far. */
const NAP = { least: 0.1, most: 20, share: 0.03 };

const cell = typeof SharedArrayBuffer === 'undefined' ? undefined : new Int32Array(new SharedArrayBuffer(4));

/**
 * Awaits what the device promises without getting in its way.
 *
 * While any WebGPU promise is pending, Dawn's Node binding spins the JavaScript thread. On a driver that runs kernels on
 * the CPU (`naps`), that takes a core from them, which makes them up to twice as slow. There the thread naps between two
 * looks at the promise. A nap is a share of the time waited so far, so that nothing is noticed later than by that share.
 */
export async function patiently<T>(naps: boolean, promise: Promise<T>): Promise<T> {
  if (!naps || cell === undefined) return promise;
  let pending = true;
  const settled = () => {
    pending = false;
  };
  promise.then(settled, settled);
  const began = performance.now();
  // What is settled already is not slept for.
  await new Promise((resolve) => setImmediate(resolve));
  while (pending) {
    const nap = NAP.share * (performance.now() - began);
    Atomics.wait(cell, 0, 0, Math.min(NAP.most, Math.max(NAP.least, nap)));
    // Lets Dawn look whether the work is done.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return promise;
}
