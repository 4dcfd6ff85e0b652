/** One process at a time in a folder: a file that names it, and that counts for nothing once that process has ended. */
import { readFileSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { fileError } from './file-error.js';

export const LOCK = '.orthoscope.lock';

/** A process that was told to stop may take so long to leave. */
const PATIENCE_MS = 10_000;

/** Folders that this process is in. */
const ours = new Set<string>();

/**
 * Takes a folder for this process.
 * @returns what gives it back
 * @throws InputError if another process that still runs has it, or it cannot be written
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, LOCK);
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      const handle = await open(path, 'wx');
      await handle.writeFile(ownName());
      await handle.close();
      ours.add(path);
      return async () => {
        ours.delete(path);
        await rm(path, { force: true }).catch(() => {});
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileError(error, folder);
    }
    const holder = await readFile(path, 'utf8').catch(() => '');
    if (hasEnded(holder) && !ours.has(path)) await rm(path, { force: true }).catch(() => {});
    else if (Date.now() > deadline)
      throw new InputError(
        `${folder}: another process is at work in it (${holder}); wait for it, or remove ${path} if it has ended`,
      );
    else await new Promise((wait) => setTimeout(wait, 200));
  }
}

/** `HOST PROCESS START`: numbers of processes are used again, but not with the same start. */
function ownName(): string {
  return `${hostname()} ${process.pid} ${startOf(process.pid)}`;
}

/** Whether a lock's holder is known to have ended. Of another machine nobody knows. */
function hasEnded(holder: string): boolean {
  const [, host, id, start] = /^(.+) (\d+) (\S+)$/.exec(holder) ?? [];
  // Being written at this moment, or cut off by a full disk.
  if (host === undefined) return false;
  if (host !== hostname()) return false;
  try {
    process.kill(Number(id), 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  return startOf(Number(id)) !== start;
}

/** When a process began, in the clock of Linux; "?" elsewhere. */
function startOf(id: number): string {
  try {
    // Behind the name in parentheses, which may hold anything: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    return readFileSync(`/proc/${id}/stat`, 'latin1').split(') ').at(-1)!.split(' ')[19] ?? '?';
  } catch {
    return '?';
  }
}
