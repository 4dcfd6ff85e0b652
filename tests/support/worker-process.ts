/** A worker in a process of its own, as a user starts it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { builtFile } from '../../src/built-file.js';
import { until } from './until.js';

export class WorkerProcess {
  readonly #process: ChildProcess;
  readonly #ended: Promise<number | null>;
  /** All it wrote, on stdout and stderr. */
  output = '';

  constructor(
    readonly root: string,
    args: string[],
    { cache, url }: { cache: string; url: string },
  ) {
    const command = [builtFile('cli/main.js'), 'worker', '--jobs', '1', '--root', root, ...args];
    this.#process = spawn(process.execPath, command, {
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
    await until(() => this.output.match(text) !== null || this.#process.exitCode !== null);
    if (!this.output.match(text)) throw new Error(`the worker ended:\n${this.output}`);
  }

  /** @returns its exit code */
  async stop(how: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#process.kill(how);
    return this.#ended;
  }
}

/** The workers of a test file, each with a root of its own. */
export class WorkerProcesses {
  readonly #all: WorkerProcess[] = [];
  #running: WorkerProcess[] = [];

  constructor(private readonly folder: string) {}

  start(args: string[], place: { cache: string; url: string }): WorkerProcess {
    const process = new WorkerProcess(join(this.folder, `worker-${this.#all.length}`), args, place);
    this.#all.push(process);
    this.#running.push(process);
    return process;
  }

  /** All that those wrote which were started since the last {@link kill}. */
  get outputs(): string[] {
    return this.#running.map(({ output }) => output);
  }

  async kill(): Promise<void> {
    await Promise.all(this.#running.map((process) => process.stop('SIGKILL')));
    this.#running = [];
  }
}
