/** Writes what lies in many pieces of memory with few calls. */
import type { FileHandle } from 'node:fs/promises';

/**
 * Bytes written at a time: small pieces go together, since each call interrupts threads that compute. No more than
 * this, since Linux looks for memory in larger blocks then, which it may have to make first (measured: up to three
 * times the processor time from 2 MiB on).
 */
const BATCH_BYTES = 1 << 20;

/** Writes the pieces one behind the other, from where the file stands. */
export async function writePieces(handle: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  let [next, from] = [0, 0];
  while (next < pieces.length) {
    const batch: Uint8Array[] = [];
    for (let room = BATCH_BYTES, i = next, start = from; room > 0 && i < pieces.length; i++, start = 0) {
      batch.push(pieces[i]!.subarray(start, start + room));
      room -= batch.at(-1)!.length;
    }
    // Less than all of it may have been written: what is left is in the next batch, or is what the next call fails on.
    let { bytesWritten } = await handle.writev(batch);
    for (; next < pieces.length && bytesWritten >= pieces[next]!.length - from; next++, from = 0)
      bytesWritten -= pieces[next]!.length - from;
    from += bytesWritten;
  }
}
