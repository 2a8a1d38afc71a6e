// What the peers written in JavaScript share: the conversation with the suite, and the job's files.
//
// A peer reads JSON lines on stdin and answers each with one on stdout (README.md has the format):
//   the job                -> { about }             after set-up
//   { "check": n }         -> { losses }            of the next n steps, from the job's weights
//   { "run": n }           -> { steps, seconds, loss }
// What goes wrong is answered with { error } and ends the process.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

/** The answers go here; whatever a library prints must not get among them. */
const out = process.stdout.write.bind(process.stdout);
console.log = console.info = console.debug = console.error;

const answer = (value) => out(`${JSON.stringify(value)}\n`);

/** This peer is not to be had here; the message says why. */
class Missing extends Error {}

const firstLine = (error) => String(error?.message ?? error).split('\n')[0];

/** The arrays of a job. The parameters come as (label, shape, values), in the network's order. */
export function readJob(job) {
  const buffer = (path) => {
    const bytes = readFileSync(path);
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  };
  const { images, labels, rows, parameters } = job.files;
  const values = new Float32Array(buffer(parameters));
  let at = 0;
  const take = (...shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    at += size;
    return { shape, values: values.slice(at - size, at) };
  };
  const { inputs, hidden, layers, classes } = job.shape;
  const below = Array.from({ length: layers - 1 }, (_, i) => ({
    W: take(i === 0 ? inputs : hidden, hidden),
    gamma: take(hidden),
    beta: take(hidden),
  }));
  const top = { W: take(hidden, classes), bias: take(classes) };
  if (at !== values.length) throw new Error(`${parameters}: expected ${at} values, found ${values.length}`);
  const table = new Int32Array(buffer(rows));
  return {
    images: new Uint8Array(buffer(images)),
    labels: Int32Array.from(new Uint8Array(buffer(labels))),
    /** The rows of the step-th batch; the table is gone through again and again. */
    batch: (step) => {
      const row = step % job.table;
      return table.subarray(row * job.batch, (row + 1) * job.batch);
    },
    below,
    top,
  };
}

/** Loads a peer's own package from the folder it was installed into. */
export function load(job, name) {
  try {
    return createRequire(`${job.modules}/package.json`)(name);
  } catch (error) {
    if (error?.code !== 'MODULE_NOT_FOUND') throw error;
    throw new Missing(`not installed: ${name} is not there`);
  }
}

/** The version of an installed package. */
export const versionOf = (job, name) =>
  JSON.parse(readFileSync(`${job.modules}/node_modules/${name}/package.json`, 'utf8')).version;

/**
 * Runs the conversation. `setUp(job)` resolves to `about`, an object of strings; `step(step)`, which starts a training
 * step and returns its loss in whatever form; `read(loss)`, which resolves to that loss as a number once the step and
 * all before it are done; and `every`, how many steps may be under way at a time.
 */
export async function serve(setUp) {
  let peer;
  let done = 0;
  try {
    for await (const line of createInterface({ input: process.stdin })) {
      const message = JSON.parse(line);
      if (message.check) {
        const losses = [];
        for (let i = 0; i < message.check; i++) losses.push(await peer.read(await peer.step(done++)));
        answer({ losses });
      } else if (message.run) {
        const began = performance.now();
        let loss;
        for (let i = 1; i <= message.run; i++) {
          const last = await peer.step(done++);
          if (i === message.run || i % peer.every === 0) loss = await peer.read(last);
          else peer.drop?.(last);
        }
        answer({ steps: message.run, seconds: (performance.now() - began) / 1000, loss });
      } else {
        peer = await setUp(message);
        answer({ about: peer.about });
      }
    }
    process.exit(0);
  } catch (error) {
    console.error(error);
    answer({ error: firstLine(error), missing: error instanceof Missing });
    process.exit(1);
  }
}
