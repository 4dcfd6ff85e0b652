/** A finished run as one compressed block: what of its folder is worth sending, known by its hash. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { z } from 'zod';
import { InputError } from '../../errors.js';
import { writeAtomically } from '../../formats/atomic-file.js';
import { openRun } from '../../formats/run-folder.js';
import type { RunJob } from '../job.js';
import type { SweepFolder } from '../sweep-folder.js';

/** The only names that a bundle may hold, and so the only files that unpacking one can write. */
const NAMES = [
  'manifest.json',
  'metrics.json',
  'prompts.jsonl',
  'masks.safetensors',
  'clusters.safetensors',
  'checkpoints/soft.safetensors',
  'history.jsonl',
  'report.html',
] as const;

const schema = z.strictObject({
  files: z.partialRecord(z.enum(NAMES), z.base64()),
});

/** A bundle that would unpack to more is not one of ours. */
const LARGEST = 512 * 2 ** 20;

export interface Bundle {
  /** Compressed. */
  bytes: Buffer;
  /** SHA-256, hex, of the content: compressors differ from version to version. */
  hash: string;
}

export async function packRun(path: string): Promise<Bundle> {
  const files: z.infer<typeof schema>['files'] = {};
  for (const name of NAMES) {
    const file = join(path, name);
    if (existsSync(file)) files[name] = (await readFile(file)).toString('base64');
  }
  const text = JSON.stringify({ files });
  return { bytes: await promisify(gzip)(text), hash: hashOf(text) };
}

export function hashOf(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/**
 * Puts a bundle's run in its place, whole or not at all. One that is complete there already stays.
 * @throws InputError if the bundle is not the one of that hash, or holds another run than the job's or one that is not complete
 */
export async function unpackRun({ bytes, hash }: Bundle, job: RunJob, folder: SweepFolder): Promise<void> {
  const files = await filesOf(bytes, hash, job.id);
  const target = folder.run(job.id);
  if ((await folder.status(job.id)) === 'complete') return;
  await mkdir(dirname(target), { recursive: true });
  const temporary = await mkdtemp(join(dirname(target), `.${job.id}.`));
  try {
    for (const [name, content] of Object.entries(files)) {
      const file = join(temporary, name);
      await mkdir(dirname(file), { recursive: true });
      await writeAtomically(file, (handle) => handle.writeFile(Buffer.from(content, 'base64')));
    }
    await checkRun(temporary, job);
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

async function filesOf(bytes: Buffer, hash: string, id: string): Promise<z.infer<typeof schema>['files']> {
  try {
    const text = await promisify(gunzip)(bytes, { maxOutputLength: LARGEST });
    if (hashOf(text) !== hash) throw new Error('another hash');
    return schema.parse(JSON.parse(text.toString('utf8'))).files;
  } catch {
    throw new InputError(`run ${id}: what came back is damaged; run the plan again`);
  }
}

/** @throws InputError unless the folder holds the job's run, complete */
export async function checkRun(path: string, { id, model, settings }: RunJob): Promise<void> {
  const { manifest } = await openRun(path);
  const own =
    manifest.command === 'run' &&
    manifest.status === 'complete' &&
    manifest.model.hash === model.hash &&
    manifest.seeds.run === settings.seed &&
    manifest.weight_form === settings.form &&
    existsSync(join(path, 'metrics.json')) &&
    existsSync(join(path, 'masks.safetensors'));
  if (!own) throw new InputError(`run ${id}: what came back is another run, or not a whole one`);
}
