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
}

export function orthoscope(args: string[], { cache, onStderr }: CommandOptions): Promise<CommandOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [builtFile('cli/main.js'), ...args], {
      env: { ...process.env, ORTHOSCOPE_CACHE: cache },
    });
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
