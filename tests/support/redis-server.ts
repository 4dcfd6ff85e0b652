/** A Redis of a test's own: the machine's redis-server on a free port, in a folder of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe } from 'vitest';
import { until } from './until.js';

const present = spawnSync('redis-server', ['--version']).status === 0;

/** `describe`, or a skipped one that says what is missing. */
export function describeWithRedis(title: string, body: () => void): void {
  if (present) describe(title, body);
  else describe.skip(`${title} [skipped: no redis-server on this machine]`, body);
}

export class RedisServer {
  #process: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    readonly port: number,
    private readonly password: string | null,
  ) {}

  /** Starts one that writes everything down before it answers. */
  static async start(folder: string, password: string | null = null): Promise<RedisServer> {
    mkdirSync(folder, { recursive: true });
    const server = new RedisServer(folder, await freePort(), password);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://${this.password === null ? '' : `:${this.password}@`}127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const persistence = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
    const secret = this.password === null ? [] : ['--requirepass', this.password];
    this.#process = spawn(
      'redis-server',
      ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder, ...persistence, ...secret],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    let log = '';
    this.#process.stdout!.on('data', (text) => {
      log += text;
    });
    const ready = () => log.includes('Ready to accept connections');
    await until(() => ready() || this.#process!.exitCode !== null);
    if (!ready()) throw new Error(`redis-server ended:\n${log}`);
  }

  /** `SIGKILL`, `SIGSTOP`, `SIGCONT`. */
  signal(name: NodeJS.Signals): void {
    this.#process!.kill(name);
  }

  async stop(how: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const process = this.#process;
    if (!process || process.exitCode !== null || process.signalCode !== null) return;
    const ended = new Promise((resolve) => process.once('exit', resolve));
    process.kill(how);
    await ended;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
