/** Frees what is no longer used, now: after large arrays were handed on, and before more are read. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Growth of the process in bytes from which on a collection is worth its time. */
const WORTHWHILE = 16 << 20;

let collect: (() => void) | undefined;
/** Bytes of the process after the last collection. */
let settled = 0;

/**
 * Runs a full collection, some tens of milliseconds, if the process has grown since the last one. Node puts it off
 * while the heap is small, and does not count shared memory, where weights lie: without this, loading a model takes
 * twice its size.
 */
export function collectGarbage(): void {
  if (process.memoryUsage.rss() - settled < WORTHWHILE) return;
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  settled = process.memoryUsage.rss();
}
