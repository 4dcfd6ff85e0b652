/** What a job yields as one compressed block: what of its folder is worth sending, known by its hash. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { z } from 'zod';
import { InputError } from '../../errors.js';
import { writeAtomically } from '../../formats/atomic-file.js';
import type { Manifest } from '../../formats/manifest.js';
import { openRun } from '../../formats/run-folder.js';
import { statePath } from '../../score/score.js';
import type { Job } from '../job.js';
import type { SweepFolder } from '../sweep-folder.js';

/** Of a run's folder, what is worth sending. */
const OF_RUN = [
  'manifest.json',
  'metrics.json',
  'prompts.jsonl',
  'masks.safetensors',
  'clusters.safetensors',
  'checkpoints/soft.safetensors',
  'history.jsonl',
  'report.html',
];

/** Of a shard's folder, besides its statistics. */
const OF_SHARD = ['manifest.json', 'counts.json', 'directions.json', 'rejected.jsonl'];

/** The only names that a job's bundle may hold, and so the only files that unpacking one can write. */
function namesOf({ kind, settings }: Job): string[] {
  return kind === 'run' ? OF_RUN : [...OF_SHARD, ...settings.data.map(({ name }) => statePath('', name))];
}

/** The first line of a bundle: names and lengths of the files that follow, one directly after the other. */
const index = z.array(z.tuple([z.string(), z.int().nonnegative()]));

/** A bundle that would unpack to more is not one of ours. */
const LARGEST = 2 ** 31;

export interface Bundle {
  /** Compressed. */
  bytes: Buffer;
  /** SHA-256, hex, of the content: compressors differ from version to version. */
  hash: string;
}

export async function pack(path: string, job: Job): Promise<Bundle> {
  const names = namesOf(job).filter((name) => existsSync(join(path, name)));
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
export async function unpack({ bytes, hash }: Bundle, job: Job, folder: SweepFolder): Promise<void> {
  const files = await filesOf(bytes, hash, job);
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
    await checkFolder(temporary, job);
    // What was left of an interrupted attempt here is worth nothing now.
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

async function filesOf(bytes: Buffer, hash: string, job: Job): Promise<Map<string, Buffer>> {
  try {
    const content = await promisify(gunzip)(bytes, { maxOutputLength: LARGEST });
    if (hashOf(content) !== hash) throw new Error('another hash');
    const allowed = namesOf(job);
    const files = new Map<string, Buffer>();
    let from = content.indexOf(10) + 1;
    for (const [name, length] of index.parse(JSON.parse(content.toString('utf8', 0, from)))) {
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
export async function checkFolder(path: string, job: Job): Promise<void> {
  const { manifest } = await openRun(path);
  const own =
    manifest.command === job.kind &&
    manifest.status === 'complete' &&
    manifest.model.hash === job.model.hash &&
    manifest.weight_form === job.settings.form &&
    ofSettings(manifest, job) &&
    needed(job).every((name) => existsSync(join(path, name)));
  if (!own) throw new InputError(`${job.kind} ${job.id}: what came back is another one, or not a whole one`);
}

function ofSettings({ seeds, settings: found }: Manifest, { kind, settings }: Job): boolean {
  if (kind === 'run') return seeds.run === settings.seed;
  return found.shard === `${settings.shard.index}/${settings.shard.of}`;
}

function needed(job: Job): string[] {
  if (job.kind === 'run') return ['metrics.json', 'masks.safetensors'];
  return namesOf(job).filter((name) => name !== 'rejected.jsonl');
}
