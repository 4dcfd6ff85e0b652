/** A Python for tests that show files to other programs; those tests skip where it lacks a module. */
import { execFileSync } from 'node:child_process';

/**
 * @param modules as after `import`
 * @returns the command (the variable PYTHON, else python3), or null where a module is missing
 */
export function python(modules: string): string | null {
  const command = process.env.PYTHON ?? 'python3';
  try {
    execFileSync(command, ['-c', `import ${modules}`], { stdio: 'ignore' });
    return command;
  } catch {
    return null;
  }
}
