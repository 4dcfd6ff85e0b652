/** Does one task in a process of its own, and says how it went. */
import { fork } from 'node:child_process';
import { builtFile } from '../built-file.js';
import { InterruptedError } from '../errors.js';
import type { ProgressEvent } from '../progress.js';
import type { ProcessReport, ProcessTask } from './run-process.js';

export interface ProcessOptions {
  /** Folder that the job's paths are relative to. */
  root: string;
  onProgress?: (event: ProgressEvent, bytes: number) => void;
  signal?: AbortSignal;
}

export type ProcessOutcome =
  | { ok: true; peakBytes: number }
  /** `final`: the input is at fault, so that trying again would not help. */
  | { ok: false; error: string; final: boolean; peakBytes: number };

/** What is kept of the process's last words, for a crash without a report. */
const STDERR_KEPT = 2000;

/** Seconds that an interrupted process has to save its state. */
const GRACE = 30;

/** @throws InterruptedError if the signal fires, after the process has saved its state and ended */
export async function inProcess(
  task: ProcessTask,
  { root, onProgress, signal }: ProcessOptions,
): Promise<ProcessOutcome> {
  if (signal?.aborted) throw new InterruptedError('interrupted');
  const child = fork(builtFile('src/sweep/run-process.js'), [], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, ...threadLimits(task.place.cores) },
    // Not those of a debugger or a test runner.
    execArgv: [],
  });
  let words = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-STDERR_KEPT);
  });
  let last: ProcessReport | undefined;
  let highest = 0;
  child.on('message', (message: ProcessReport) => {
    if (message.type === 'progress') {
      highest = Math.max(highest, message.bytes);
      onProgress?.(message.event, message.bytes);
    } else last = message;
  });
  let grace: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill('SIGTERM');
    grace = setTimeout(() => child.kill('SIGKILL'), GRACE * 1000);
  };
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const ended = new Promise<string>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, by) => resolve(by ?? `exit code ${code}`));
    });
    child.send(task);
    const how = await ended;
    if (last?.type === 'done') return { ok: true, peakBytes: last.peakBytes };
    if (signal?.aborted) throw new InterruptedError('interrupted; the run can be resumed');
    if (last?.type === 'failed')
      return { ok: false, error: last.error, final: last.cause === 'input', peakBytes: last.peakBytes };
    const said = words.trim().split('\n').at(-1);
    return {
      ok: false,
      error: `its process ended with ${how}${said ? `: ${said}` : ''}`,
      final: false,
      peakBytes: highest,
    };
  } finally {
    clearTimeout(grace);
    signal?.removeEventListener('abort', stop);
  }
}

/** What keeps a native TensorFlow within its share of the cores. */
function threadLimits(cores: number): NodeJS.ProcessEnv {
  const limit = String(cores);
  return { TF_NUM_INTRAOP_THREADS: limit, TF_NUM_INTEROP_THREADS: '1', OMP_NUM_THREADS: limit };
}
