/** A child process that runs a file of this program: how it is started, and what is known of its end. */
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { builtFile } from '../built-file.js';

/** Characters kept of a process's stderr, for a crash without a report. */
const STDERR_KEPT = 8000;

/**
 * A frame of the native stack that Node prints where it aborts, e.g. `1: 0xf0253c v8::Exception::TypeError(…) [node]`:
 * its function may have an error's name, and the line that tells of the error stands above.
 */
const NATIVE_FRAME = /^\d+: 0x[\da-f]+ /;

export interface ChildOptions extends Pick<ForkOptions, 'cwd' | 'serialization'> {
  args?: readonly string[];
  /** Added to this process's environment. */
  env: NodeJS.ProcessEnv;
}

export class Child {
  readonly process: ChildProcess;
  /** How it ended, with the last line on stderr that tells of an error, or else the last: `SIGKILL`, or `exit code 1: no space left`. */
  readonly ended: Promise<string>;

  /** @param file its entry below dist/; it talks over the channel that `process.send` writes to */
  constructor(file: string, { args = [], env, ...options }: ChildOptions) {
    this.process = fork(builtFile(file), args, {
      ...options,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ...env },
      // Not those of a debugger or a test runner.
      execArgv: [],
    });
    let stderr = '';
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-STDERR_KEPT);
    });
    this.ended = new Promise((resolve) => {
      this.process.on('error', (error) => resolve(error.message));
      this.process.on('close', (code, by) => {
        // A killed process reports nothing: stderr holds older output.
        const lines = by === 'SIGKILL' ? [] : stderr.split('\n').map((line) => line.trim());
        const own = lines.filter((line) => line && !NATIVE_FRAME.test(line));
        const said = own.findLast((line) => /error\b/i.test(line)) ?? own.at(-1);
        resolve(`${by ?? `exit code ${code}`}${said ? `: ${said}` : ''}`);
      });
    });
  }
}
