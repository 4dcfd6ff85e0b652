/** Git LFS pointers: short texts that stand where `git clone` without git-lfs did not fetch the file. */
import { open } from 'node:fs/promises';
import { InputError } from '../errors.js';

/** What a pointer begins with: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md */
const BEGINNING = 'version https://git-lfs';

/**
 * @param beginning at least the first bytes of a file, as far as it has them
 * @throws InputError if it is a pointer
 */
export function refusePointer(beginning: string, path: string): void {
  if (beginning.startsWith(BEGINNING))
    throw new InputError(`${path}: is a Git LFS pointer, not the file; run: git lfs pull`);
}

/** The same for a file that has not been read yet; what else is wrong with it is somebody else's to report. */
export async function refusePointerFile(path: string): Promise<void> {
  const handle = await open(path).catch(() => null);
  if (!handle) return;
  const beginning = Buffer.alloc(BEGINNING.length);
  // A folder can be opened, but not read.
  await handle.read(beginning, 0, beginning.length, 0).catch(() => {});
  await handle.close();
  refusePointer(beginning.toString('latin1'), path);
}
