/**
 * A thread between a caller who waits and the process that runs the tokenizers library: it starts the process, hands
 * questions on and wakes the caller with the reply. A process that ends or hangs is a reply as well.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { type MessagePort, workerData } from 'node:worker_threads';
import { builtFile } from '../built-file.js';
import type { Reply, Request } from './tokenizer-process.js';

/** What the thread is started with. */
export interface ThreadData {
  port: MessagePort;
  /** One number: how many replies were laid at the port. */
  signal: SharedArrayBuffer;
}

/** Far longer than the largest vocabularies and texts take; what takes longer is taken for stuck. */
const PATIENCE_MS = 120_000;

/** What is kept of a process's last words. */
const WORDS_KEPT = 4000;

const { port, signal } = workerData as ThreadData;
const state = new Int32Array(signal);
let running: { child: ChildProcess; words: string } | null = null;

port.on('message', async (request: Request) => {
  port.postMessage(await replyTo(request));
  Atomics.add(state, 0, 1);
  Atomics.notify(state, 0);
});

function replyTo(request: Request): Promise<Reply> {
  running ??= start();
  const { child } = running;
  return new Promise((resolve) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, PATIENCE_MS);
    const settle = (reply: Reply): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      resolve(reply);
    };
    child.on('message', (reply: Reply) => settle(reply));
    child.on('error', (error) => settle(lost(error.message)));
    child.on('close', () =>
      settle(lost(late ? `no answer within ${PATIENCE_MS / 1000} s` : lastWords(running?.words ?? ''))),
    );
    child.send(request, (error) => {
      if (error && !child.connected) return; // Its end is reported by 'close'.
      if (error) settle(lost(error.message));
    });
  });
}

function lost(fault: string): Reply {
  running = null;
  return { fault, lost: true };
}

function start(): NonNullable<typeof running> {
  const child = fork(builtFile('src/formats/tokenizer-process.js'), {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // Not those of a debugger or a test runner.
    execArgv: [],
  });
  const started = { child, words: '' };
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    started.words = (started.words + text).slice(-WORDS_KEPT);
  });
  return started;
}

/** The library reports a breakdown in two lines: `thread … panicked at FILE:LINE:` and the reason. */
function lastWords(words: string): string {
  const reason = /panicked at [^\n]*\n([^\n]+)/.exec(words)?.[1] ?? words.trim().split('\n').at(-1);
  return `the tokenizers library broke down${reason ? `: ${reason}` : ''}`;
}
