/**
 * A hash of weights by what they are, not by how they are filed; remembered, because hashing half a
 * gigabyte at every start would cost more than anything else the start does.
 */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { heed } from '../heed.js';
import type { LongCall } from '../progress.js';
import { writeJson } from './atomic-file.js';
import { cacheFolder } from './cache-folder.js';
import { readJson } from './json-file.js';
import { makeFolder } from './make-folder.js';
import type { FileState } from './safetensors-file.js';
import type { TensorEntry } from './safetensors-header.js';

export interface HashedTensor extends TensorEntry {
  name: string;
  /** The tensor's bytes as stored. */
  read(): AsyncIterable<Uint8Array>;
}

/**
 * SHA-256, hex, over each tensor's `["name","dtype",[shape]]`, a line feed and its bytes.
 *
 * The result is kept under the state of the files; a file rewritten in place with the same size within
 * one tick of the clock of its file system would go unnoticed.
 * @param tensors in name order
 * @param files the state of every file behind them
 */
export async function contentHash(
  tensors: readonly HashedTensor[],
  files: readonly FileState[],
  { onProgress, signal }: LongCall = {},
): Promise<string> {
  const key = createHash('sha256').update(JSON.stringify([files, tensors.map(({ name }) => name)]));
  const name = `${key.digest('hex')}.json`;
  const known = await remembered(name);
  if (known !== null) return known;

  const total = tensors.reduce((sum, { start, end }) => sum + end - start, 0);
  const hash = createHash('sha256');
  let done = 0;
  for (const { name, dtype, shape, read } of tensors) {
    hash.update(`${JSON.stringify([name, dtype, shape])}\n`);
    for await (const bytes of read()) {
      await heed(signal);
      hash.update(bytes);
      done += bytes.length;
      onProgress?.({ stage: 'hash weights', done, total });
    }
  }
  const sha256 = hash.digest('hex');
  try {
    await makeFolder(memos());
    await writeJson(join(memos(), name), { sha256, files });
  } catch {
    // A cache folder that is missing or cannot be written costs time at the next start, nothing else.
  }
  return sha256;
}

function memos(): string {
  return join(cacheFolder(), 'content-hashes');
}

async function remembered(name: string): Promise<string | null> {
  try {
    const { sha256 } = await readJson(join(memos(), name));
    return typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : null;
  } catch {
    return null;
  }
}
