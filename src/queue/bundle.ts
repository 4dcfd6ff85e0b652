/** A job's result as one compressed block, named by its hash: the files of its folder that somebody else can use. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { z } from 'zod';
import { InputError } from '../errors.js';
import { writeAtomically } from '../formats/atomic-file.js';
import { parseJson } from '../formats/json-file.js';
import { openRun } from '../formats/run-folder.js';
import type { Job, JobKind } from './job.js';
import type { JobsFolder } from './jobs-folder.js';

/** The first line of a bundle: names and lengths of the files that follow, one directly after the other. */
const index = z.array(z.tuple([z.string(), z.int().nonnegative()]));

/** Bytes that a bundle may unpack to. A larger one is refused: it could fill the memory of whoever unpacks it. */
const LARGEST = 2 ** 31;

export interface Bundle {
  /** Compressed. */
  bytes: Buffer;
  /** SHA-256, hex, of the content: compressors differ from version to version. */
  hash: string;
}

/** Packs a folder, leaving out what is not worth sending. */
export async function pack(path: string, job: Job, kind: JobKind): Promise<Bundle> {
  const names = kind.results(job.settings).sent.filter((name) => existsSync(join(path, name)));
  const files = await Promise.all(names.map((name) => readFile(join(path, name))));
  const lengths = names.map((name, i) => [name, files[i]!.length]);
  const content = Buffer.concat([Buffer.from(`${JSON.stringify(lengths)}\n`), ...files]);
  return { bytes: await promisify(gzip)(content), hash: hashOf(content) };
}

export function hashOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/**
 * Puts a bundle's folder in its place, whole or not at all. One that is complete there already stays.
 * @throws InputError if the bundle is not the one of that hash, or holds another job's folder or one that is not complete
 */
export async function unpack(bundle: Bundle, job: Job, kind: JobKind, folder: JobsFolder): Promise<void> {
  const files = await filesOf(bundle, job, kind);
  const target = folder.run(job.id);
  if ((await folder.status(job.id)) === 'complete') return;
  await mkdir(dirname(target), { recursive: true });
  const temporary = await mkdtemp(join(dirname(target), `.${job.id}.`));
  try {
    for (const [name, content] of files) {
      const file = join(temporary, name);
      await mkdir(dirname(file), { recursive: true });
      await writeAtomically(file, (handle) => handle.writeFile(content));
    }
    await checkFolder(temporary, job, kind);
    // An interrupted attempt may have left a part of the folder here; the whole one takes its place.
    await rm(target, { recursive: true, force: true });
    await rename(temporary, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Another coordinator was faster.
    if ((code === 'ENOTEMPTY' || code === 'EEXIST') && (await folder.status(job.id)) === 'complete') return;
    throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Only files that a job of this kind may yield: otherwise a bundle could write anything. */
async function filesOf({ bytes, hash }: Bundle, job: Job, kind: JobKind): Promise<Map<string, Buffer>> {
  try {
    const content = await promisify(gunzip)(bytes, { maxOutputLength: LARGEST });
    if (hashOf(content) !== hash) throw new Error('another hash');
    const allowed = kind.results(job.settings).sent;
    const files = new Map<string, Buffer>();
    let from = content.indexOf(10) + 1;
    for (const [name, length] of index.parse(parseJson(content.toString('utf8', 0, from)))) {
      if (!allowed.includes(name)) throw new Error('a file that it may not hold');
      files.set(name, content.subarray(from, from + length));
      from += length;
    }
    if (from !== content.length) throw new Error('another length');
    return files;
  } catch {
    throw new InputError(`${job.kind} ${job.id}: what came back is damaged; give the same command again`);
  }
}

/** @throws InputError unless the folder holds what the job asks for, complete */
export async function checkFolder(path: string, { id, model, settings }: Job, kind: JobKind): Promise<void> {
  const { manifest } = await openRun(path);
  const right =
    manifest.command === kind.name &&
    manifest.status === 'complete' &&
    manifest.model.hash === model.hash &&
    kind.matches(manifest, settings) &&
    kind.results(settings).needed.every((name) => existsSync(join(path, name)));
  if (!right) throw new InputError(`${kind.name} ${id}: what came back is another one, or not a whole one`);
}
