/** Turns what the file system refuses into errors that a user can act on. */
import { InputError } from '../errors.js';

const REASONS: Record<string, string> = {
  ENOENT: 'no such file or folder',
  // Of Node, for a zero byte.
  ERR_INVALID_ARG_VALUE: 'holds a character that no name of a file may have',
  EEXIST: 'is a file, not a folder',
  EISDIR: 'is a folder, not a file',
  ENOTDIR: 'a part of this path is a file, not a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the disk',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links',
  EFBIG: 'larger than a file may be here (ulimit -f, or the file system)',
  // Of Node, for more characters than a text may have, and for more bytes than it reads at once.
  ERR_STRING_TOO_LONG: 'too large to be what it should be',
  ERR_FS_FILE_TOO_LARGE: 'too large to be what it should be',
  EDQUOT: 'the disk quota is used up',
  EIO: 'the disk reports an error',
  ESTALE: 'the file server has lost it; was its folder deleted or replaced?',
  ENFILE: 'too many open files on this machine',
  EMFILE: 'too many open files; raise the limit (ulimit -n)',
};

/**
 * The error to throw in place of one from `node:fs`.
 * @returns an InputError if the user can put it right, else `error` itself
 */
export function fileError(error: unknown, path: string): unknown {
  // V8's own word for the first of the two, where a text is put together from pieces.
  const long = error instanceof RangeError && error.message === 'Invalid string length';
  const reason =
    REASONS[long ? 'ERR_STRING_TOO_LONG' : ((error as NodeJS.ErrnoException | null)?.code ?? '')];
  return reason === undefined ? error : new InputError(`${path}: ${reason}`);
}
