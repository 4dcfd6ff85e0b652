/** Where golden figures and real weights lie, beside the project; tests that need them skip where they are absent. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';

/** Absolute path of a file in the shared folder. */
export function sharedFile(path: string): string {
  return fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));
}

/** `describe`, or a skipped one that says what is missing. */
export function describeWithShared(path: string, title: string, body: () => void): void {
  if (existsSync(sharedFile(path))) describe(title, body);
  else describe.skip(`${title} [skipped: no ../shared/${path}]`, body);
}
