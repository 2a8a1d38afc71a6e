import { type ChildProcess, spawn } from 'node:child_process';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';

/** A peer that is not to be had here, that crashed, or that hangs. Its message is the reason, for the table. */
export class PeerError extends Error {
  override name = 'PeerError';
  /** Whether it never was there to be measured, or this machine has nothing to run it on. */
  readonly missing: boolean;

  constructor(reason: string, missing = false) {
    super(reason);
    this.missing = missing;
  }
}

/** How to start a peer. */
export interface PeerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Lines of stderr that are kept, to say why a peer that just ended did so. */
const KEPT = 40;

/** Of what a crashed process printed, the line that says most: the last that names an error, or the last at all. */
function reasonIn(lines: readonly string[]): string | undefined {
  const said = lines.map((line) => line.trim()).filter((line) => line !== '');
  return said.findLast((line) => /^[\w.]*(Error|Exception)\b/.test(line)) ?? said.at(-1);
}

/**
 * A peer in a process of its own, which is spoken to in JSON lines: a message on its stdin, an answer on its stdout.
 * Other lines on stdout are passed over; a crash, a hang or an `error` in an answer rejects the question under way.
 */
export class PeerProcess {
  readonly #child: ChildProcess;
  readonly #stderr: string[] = [];
  readonly #ended: Promise<PeerError>;
  #answer: ((line: string) => void) | undefined;

  constructor({ program, args, cwd, env }: PeerCommand) {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    // A peer that ends before it has read everything breaks the pipe; why it ended is told elsewhere.
    child.stdin!.on('error', () => {});
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (line.startsWith('{')) this.#answer?.(line);
    });
    createInterface({ input: child.stderr! }).on('line', (line) => {
      this.#stderr.push(line);
      if (this.#stderr.length > KEPT) this.#stderr.shift();
    });
    this.#ended = new Promise((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        const absent = error.code === 'ENOENT';
        resolve(
          new PeerError(absent ? `not installed: no ${basename(program)} here` : error.message, absent),
        );
      });
      // 'close' comes when the streams have been read to their ends, so that the reason is known.
      child.once('close', (code, signal) => {
        const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
        const reason = reasonIn(this.#stderr);
        resolve(new PeerError(`its process ${how}${reason === undefined ? '' : `: ${reason}`}`));
      });
    });
  }

  /**
   * Sends a message and returns the answer.
   *
   * @throws PeerError when the peer ends, gives up or takes longer than `seconds`
   */
  async ask(message: object, seconds: number): Promise<Readonly<Record<string, unknown>>> {
    let timer: NodeJS.Timeout | undefined;
    try {
      const line = await new Promise<string>((resolve, reject) => {
        this.#answer = resolve;
        // An answer may lie unread in the pipe when the process has ended: 'close' is behind it.
        this.#ended.then(reject);
        timer = setTimeout(() => reject(new PeerError(`no answer within ${seconds} s`)), 1e3 * seconds);
        this.#child.stdin!.write(`${JSON.stringify(message)}\n`);
      });
      const answer = JSON.parse(line) as Record<string, unknown>;
      if (typeof answer.error === 'string') throw new PeerError(answer.error, answer.missing === true);
      return answer;
    } catch (error) {
      if (error instanceof SyntaxError) throw new PeerError(`an answer that is not JSON: ${error.message}`);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#answer = undefined;
    }
  }

  /** Ends the process, by force if it has not ended by itself after some seconds. */
  async stop(patience = 5): Promise<void> {
    this.#child.stdin!.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 1e3 * patience);
    await this.#ended;
    clearTimeout(timer);
  }
}
