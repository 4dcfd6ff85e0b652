/** Where a command writes to. */
import { existsSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { InputError } from '../errors.js';
import type { Listener } from '../progress.js';

/**
 * The folder that is asked for; else a new one each time: `runs/ioi-2026-01-31T12-30-00`.
 * @param of a task's name, or a file's path
 * @throws InputError if there is to be gone on, and nobody says where
 */
export function outFolder(
  { out, resume = false }: { out: string | null; resume?: boolean },
  parent: string,
  of: string,
  { onNote }: Listener,
): string {
  if (out === null && resume) throw new InputError('--resume: name the folder to go on in with --out');
  // A run that does not exist yet may be meant, or its name may be mistyped: so a missing folder is said.
  if (out !== null && resume && !existsSync(join(out, 'manifest.json')))
    onNote?.(`${out}: nothing to resume there; starting anew`);
  const time = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  return out ?? join(parent, `${basename(of, extname(of))}-${time}`);
}
