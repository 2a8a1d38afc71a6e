// A browser's Worker, as far as jax-js needs it to run its WebAssembly kernels in several threads, from Node's. Node has
// SharedArrayBuffer but no Worker, so that without this jax-js computes in one thread.

import { resolveObjectURL } from 'node:buffer';
import { Worker as Thread } from 'node:worker_threads';

const PRELUDE = `
const { parentPort } = require('node:worker_threads');
globalThis.self = globalThis;
globalThis.postMessage = (data) => parentPort.postMessage(data);
parentPort.on('message', (data) => self.onmessage({ data }));
`;

class Worker {
  onmessage;
  onerror;
  #thread;

  constructor(url) {
    this.#thread = resolveObjectURL(String(url))
      .text()
      .then((source) => {
        const thread = new Thread(PRELUDE + source, { eval: true });
        thread.on('message', (data) => this.onmessage?.({ data }));
        thread.on('error', (error) => this.onerror?.(error));
        return thread;
      });
  }

  postMessage(data) {
    this.#thread.then((thread) => thread.postMessage(data));
  }
}

/** Puts `Worker` on globalThis. */
export function provideWorker() {
  globalThis.Worker = Worker;
}
