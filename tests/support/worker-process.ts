/** A worker in a process of its own, as a user starts it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { builtFile } from '../../src/built-file.js';

export class WorkerProcess {
  readonly #process: ChildProcess;
  readonly #ended: Promise<number | null>;
  /** All it wrote, on stdout and stderr. */
  output = '';

  constructor(args: string[], { cache, url }: { cache: string; url: string }) {
    this.#process = spawn(process.execPath, [builtFile('cli/main.js'), 'worker', '--jobs', '1', ...args], {
      env: { ...process.env, ORTHOSCOPE_CACHE: cache, ORTHOSCOPE_REDIS: url },
    });
    for (const stream of [this.#process.stdout!, this.#process.stderr!])
      stream.on('data', (text) => {
        this.output += text;
      });
    this.#ended = new Promise((resolve) => this.#process.once('close', resolve));
  }

  /** Waits until it has written the text. */
  async says(text: string | RegExp): Promise<void> {
    while (!this.output.match(text)) {
      if (this.#process.exitCode !== null) throw new Error(`the worker ended:\n${this.output}`);
      await delay(20);
    }
  }

  /** @returns its exit code */
  async stop(how: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#process.kill(how);
    return this.#ended;
  }
}
