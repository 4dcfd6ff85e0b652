import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writePieces } from '../../src/formats/write-pieces.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const path = join(temporaryFolder(), 'pieces');

/** Of every size from none to more than goes at once. */
const pieces = [0, 1, 700, 0, 1 << 20, 3e6, 5, (1 << 20) - 5, 0, 0, 12, 0].map((length, i) =>
  Uint8Array.from({ length }, (_, at) => at + i),
);

async function written(change: (handle: FileHandle) => FileHandle): Promise<Buffer> {
  const handle = await open(path, 'w');
  await writePieces(change(handle), pieces);
  await handle.close();
  return readFileSync(path);
}

it('writes all pieces, in order', async () => {
  expect((await written((handle) => handle)).equals(Buffer.concat(pieces))).toBe(true);
});

it('goes on where the system wrote only a part', async () => {
  let calls = 0;
  const partly = (handle: FileHandle) =>
    ({
      writev: (batch: Uint8Array[]) => {
        const bytes = Buffer.concat(batch);
        return handle.write(bytes, 0, Math.min(bytes.length, 1 + ((calls++ * 77_777) % 500_000)));
      },
    }) as unknown as FileHandle;
  expect((await written(partly)).equals(Buffer.concat(pieces))).toBe(true);
});
