/** A folder of jobs: a run folder for each that was done, named by its id, and a note of each that failed. */
import { existsSync } from 'node:fs';
import { copyFile, readdir, rename, rm } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { InputError } from '../errors.js';
import { isTemporaryName, writeJson } from '../formats/atomic-file.js';
import { fileError } from '../formats/file-error.js';
import { readJson } from '../formats/json-file.js';
import { makeFolder } from '../formats/make-folder.js';
import type { Manifest } from '../formats/manifest.js';
import { EMBEDDED } from '../formats/model-folder.js';
import { openRun } from '../formats/run-folder.js';
import { inputErrorOf } from '../formats/schema-error.js';
import { type DataFile, dataPath } from './data-file.js';
import { type Job, jobPath } from './job.js';

const ID = /^[0-9a-f]{16}$/;

const failureSchema = z.object({ id: z.string(), error: z.string(), attempts: z.int() });

/** Why a job could not be done. */
export type Failure = z.infer<typeof failureSchema>;

export type JobStatus = Manifest['status'] | 'missing';

export class JobsFolder {
  constructor(readonly root: string) {}

  /** Path of a file or folder in it. */
  file(name: string): string {
    return join(this.root, name);
  }

  run(id: string): string {
    return this.file(jobPath(id));
  }

  /** A model's path for a process that works in this folder; a hub id stays as it is. */
  seenFrom(model: string): string {
    return model !== EMBEDDED && existsSync(model) ? relative(this.root, resolve(model)) : model;
  }

  /** @throws InputError if the folder cannot be made */
  async create(): Promise<void> {
    for (const name of ['runs', 'data', 'failed']) await makeFolder(this.file(name));
  }

  /** Removes what a killed process left half-written; only for one that is alone at work in the folder. */
  async removeLeftovers(): Promise<void> {
    for (const folder of [this.root, this.file('failed')])
      for (const name of await readdir(folder))
        if (isTemporaryName(name)) await rm(join(folder, name), { force: true });
  }

  /** Copies a data file to where jobs look for it; its name holds its hash, so one that is there is the same. */
  async addData(file: DataFile, path: string): Promise<void> {
    const target = this.file(dataPath(file));
    const temporary = `${target}.${process.pid}.tmp`;
    try {
      await copyFile(path, temporary);
      await rename(temporary, target);
    } catch (error) {
      throw fileError(error, path);
    }
  }

  /** What a job's manifest says; `missing` without one, or if it cannot be read. */
  async status(id: string): Promise<JobStatus> {
    try {
      return (await openRun(this.run(id))).manifest.status;
    } catch (error) {
      if (error instanceof InputError) return 'missing';
      throw error;
    }
  }

  /** Run folders whose manifest is there but cannot be read, and why. */
  async damaged(): Promise<{ id: string; error: string }[]> {
    const found: { id: string; error: string }[] = [];
    for (const id of await this.ids()) {
      if (!existsSync(join(this.run(id), 'manifest.json'))) continue;
      try {
        await openRun(this.run(id));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        found.push({ id, error: error.message });
      }
    }
    return found;
  }

  /** Ids of the jobs that are complete. */
  async complete(jobs: readonly Job[]): Promise<Set<string>> {
    const done = new Set<string>();
    for (const { id } of jobs) if ((await this.status(id)) === 'complete') done.add(id);
    return done;
  }

  /** Ids of all run folders, in alphabetical order. */
  async ids(): Promise<string[]> {
    return (await namesIn(this.file('runs'))).filter((name) => ID.test(name)).sort();
  }

  async setFailure(entry: Failure): Promise<void> {
    await writeJson(this.file(`failed/${entry.id}.json`), entry);
  }

  async clearFailure(id: string): Promise<void> {
    await rm(this.file(`failed/${id}.json`), { force: true });
  }

  async failures(): Promise<Failure[]> {
    const names = (await namesIn(this.file('failed'))).filter((name) => ID.test(name.replace(/\.json$/, '')));
    return Promise.all(
      names.sort().map(async (name) => {
        const path = this.file(`failed/${name}`);
        const content = await readJson(path);
        const result = failureSchema.safeParse(content);
        if (!result.success) throw inputErrorOf(result.error, path, content);
        return result.data;
      }),
    );
  }
}

/** Names in a folder; none if it is missing. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError(error, folder);
  }
}
