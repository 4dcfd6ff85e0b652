/** Frees what is no longer used, now: after large arrays were handed on, and before more are read. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/**
 * Runs a full collection, some milliseconds. Node puts it off while the heap is small, and does not count shared
 * memory, where weights lie: without this, loading a model takes twice its size.
 */
export function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
