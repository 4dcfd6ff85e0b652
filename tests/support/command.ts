/** Runs the built command line in a process of its own. */
import { spawn } from 'node:child_process';
import { builtFile } from '../../src/built-file.js';

export interface CommandOutcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  /** Cache folder of the process. */
  cache: string;
  /** Called with everything written to stderr so far; may kill. */
  onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
  /** What it reads; nothing unless given. */
  stdin?: string;
  /** Called as the process starts; may kill later. */
  onStart?: (kill: (signal: NodeJS.Signals) => void) => void;
}

export function orthoscope(
  args: string[],
  { cache, onStderr, onStart, stdin }: CommandOptions,
): Promise<CommandOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [builtFile('cli/main.js'), ...args], {
      env: { ...process.env, ORTHOSCOPE_CACHE: cache },
    });
    child.stdin.end(stdin ?? '');
    onStart?.((signal) => child.kill(signal));
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      onStderr?.(stderr, (signal) => child.kill(signal));
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
