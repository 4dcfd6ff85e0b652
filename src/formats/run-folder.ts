/** A run's folder: created once, never shared by two runs, never half-valid. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { appendFile, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '../errors.js';
import { isTemporaryName, temporaryName, writeText } from './atomic-file.js';
import { fileError } from './file-error.js';
import { LOCK, lockFolder } from './folder-lock.js';
import { parseJsonObject } from './json-file.js';
import { makeFolder } from './make-folder.js';
import { firstDifference, type Manifest, manifestText, readManifest, writeManifest } from './manifest.js';

/** A line of `history.jsonl`: values before the step's update. */
export interface HistoryLine {
  step: number;
  [measure: string]: number | boolean | string | null;
}

export class RunFolder {
  #manifest: Manifest;
  #unlock = async (): Promise<void> => {};

  constructor(
    readonly path: string,
    manifest: Manifest,
  ) {
    this.#manifest = manifest;
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  /** The path of a file of this run, e.g. `masks.safetensors`. */
  file(name: string): string {
    return join(this.path, name);
  }

  /** Keeps other processes out, and removes what a killed one left half-written. @throws InputError if one is in it */
  async lock(): Promise<void> {
    this.#unlock = await lockFolder(this.path);
    locked.add(this);
    const names = await readdir(this.path, { recursive: true, encoding: 'utf8' });
    for (const name of names) if (isTemporaryName(basename(name))) await rm(this.file(name), { force: true });
  }

  unlock(): Promise<void> {
    locked.delete(this);
    return this.#unlock();
  }

  /** Says that it was interrupted, and unlocks it, before the process ends in the middle of whatever it does. */
  abandon(): void {
    const temporary = temporaryName(this.file(MANIFEST));
    const ended = { status: 'interrupted', ended_at: new Date().toISOString() } as const;
    try {
      writeFileSync(temporary, manifestText({ ...this.#manifest, ...ended }));
      renameSync(temporary, this.file(MANIFEST));
    } finally {
      rmSync(temporary, { force: true });
      rmSync(this.file(LOCK), { force: true });
    }
  }

  /** Changes part of the manifest, on disk and here. */
  async update(changes: Partial<Manifest>): Promise<void> {
    const manifest = { ...this.#manifest, ...changes };
    await writeManifest(this.file(MANIFEST), manifest);
    this.#manifest = manifest;
  }

  async appendHistory(line: HistoryLine): Promise<void> {
    try {
      await appendFile(this.file(HISTORY), `${JSON.stringify(line)}\n`);
    } catch (error) {
      throw fileError(error, this.file(HISTORY));
    }
  }

  /**
   * Every line that was written whole; a process killed while writing may leave part of a last one.
   * @throws InputError naming the line that is no step's record
   */
  async readHistory(): Promise<HistoryLine[]> {
    let text: string;
    try {
      text = await readFile(this.file(HISTORY), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw fileError(error, this.file(HISTORY));
    }
    return text
      .split('\n')
      .slice(0, -1)
      .map((line, i) => {
        const where = `${this.file(HISTORY)}:${i + 1}`;
        const fields = parseJsonObject(line, where);
        if (typeof fields.step !== 'number') throw new InputError(`${where}: no "step"`);
        return fields as HistoryLine;
      });
  }

  /** Drops what a killed run recorded beyond the checkpoint that it resumes from. */
  async keepHistory(kept: (line: HistoryLine) => boolean): Promise<void> {
    const lines = (await this.readHistory()).filter(kept);
    await writeText(this.file(HISTORY), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }
}

/** Runs that this process is at work in. */
const locked = new Set<RunFolder>();

/** For a process that is to end at once: no manifest says afterwards that its run goes on. */
export function abandonRuns(): void {
  for (const run of locked)
    try {
      run.abandon();
    } catch {
      // The folder may be gone, or the disk full: the end is what was asked for.
    }
}

const MANIFEST = 'manifest.json';
const HISTORY = 'history.jsonl';

/**
 * Starts a run in a folder that is missing or empty, or, with `resume`, goes on with the same run; one that is
 * complete comes back as it is. It is locked until {@link RunFolder.unlock}.
 * @throws InputError if the folder holds another run, this run without `resume`, or other files, or another process is
 *   at work in it
 */
export async function createRun(
  path: string,
  manifest: Manifest,
  options: { resume?: boolean } = {},
): Promise<RunFolder> {
  const present = await findRun(path, manifest, options);
  if (!present) {
    await makeFolder(path);
    const run = new RunFolder(path, manifest);
    await run.lock();
    await run.update({ status: 'running' });
    return run;
  }
  // What this sitting runs on is what counts from here on; when the run began stays.
  const { engine, versions, host } = manifest;
  await present.lock();
  if (present.manifest.status !== 'complete') {
    await present.update({
      status: 'running',
      error: undefined,
      ended_at: undefined,
      engine,
      versions,
      host,
    });
  }
  return present;
}

/**
 * What {@link createRun} will find, without changing anything: null if the folder is free, or the run to go on with.
 * @throws InputError as createRun does
 */
export async function findRun(
  path: string,
  manifest: Manifest,
  { resume = false }: { resume?: boolean } = {},
): Promise<RunFolder | null> {
  let names: string[];
  try {
    names = (await readdir(path)).filter((name) => !isTemporaryName(name) && name !== LOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    if (code === 'ENOTDIR') throw new InputError(`${path}: is a file; name a folder for the run`);
    throw fileError(error, path);
  }
  if (!names.includes(MANIFEST)) {
    if (names.length === 0) return null;
    throw new InputError(
      `${path}: holds files that are no run's (${names[0]}); name an empty or a new folder`,
    );
  }
  const run = await openRun(path);
  if (!resume)
    throw new InputError(
      `${path}: already holds a run (${run.manifest.command}, ${run.manifest.status}); resume it with --resume or name another folder`,
    );
  const difference = firstDifference(run.manifest, manifest);
  if (difference !== null)
    throw new InputError(
      `${path}: holds a run with another ${difference}; resume with the same settings or name another folder`,
    );
  return run;
}

/** @throws InputError if the folder holds no run */
export async function openRun(path: string): Promise<RunFolder> {
  return new RunFolder(path, await readManifest(join(path, MANIFEST)));
}
