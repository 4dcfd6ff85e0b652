/** Runs another program to its end and keeps what it said. */
import { execFile } from 'node:child_process';
import { InterruptedError } from '../../errors.js';

export interface CommandResult {
  /** Exit code; null if there is no such program. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** @throws InterruptedError if the signal fires; the program is stopped */
export function runCommand(
  command: string,
  args: readonly string[],
  { signal, env }: { signal?: AbortSignal; env?: NodeJS.ProcessEnv } = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    execFile(
      command,
      args,
      { signal, env: { ...process.env, ...env }, maxBuffer: 64 * 2 ** 20 },
      (error, stdout, stderr) => {
        if (signal?.aborted) reject(new InterruptedError('interrupted'));
        else if (!error) resolve({ code: 0, stdout, stderr });
        else if (error.code === 'ENOENT' || error.code === 'EACCES') resolve({ code: null, stdout, stderr });
        // A program killed by a signal has no exit code of its own.
        else resolve({ code: typeof error.code === 'number' ? error.code : 1, stdout, stderr });
      },
    );
  });
}

/** The last lines of what a program said, on one line, for an error message. */
export function lastLines(result: CommandResult, count = 3): string {
  const lines = `${result.stdout}\n${result.stderr}`.split('\n').map((line) => line.trim());
  return lines.filter(Boolean).slice(-count).join(' | ') || `exit code ${result.code}`;
}
