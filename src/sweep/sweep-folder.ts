/** A sweep's folder: a run folder for each run, named by its id, and what did not become one. */
import { existsSync } from 'node:fs';
import { copyFile, readdir, rename, rm } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { InputError } from '../errors.js';
import { writeJson } from '../formats/atomic-file.js';
import { fileError } from '../formats/file-error.js';
import { readJson } from '../formats/json-file.js';
import { makeFolder } from '../formats/make-folder.js';
import type { Manifest } from '../formats/manifest.js';
import { openRun } from '../formats/run-folder.js';
import { type DataFile, dataPath } from './data-file.js';
import { type Job, runPath } from './job.js';

/** What may lie in a folder before its first sitting: hidden files, the plan, a cluster's logs. */
const BEFOREHAND = /^\.|^plan\.yaml$|\.(out|err|log)$/;

const ID = /^[0-9a-f]{16}$/;

/** Why a run could not be done. */
export interface Failure {
  id: string;
  error: string;
  attempts: number;
}

const failure = z.object({ id: z.string(), error: z.string(), attempts: z.int() });

export type RunStatus = Manifest['status'] | 'missing';

export class SweepFolder {
  constructor(readonly root: string) {}

  /** Path of a file or folder of this sweep. */
  file(name: string): string {
    return join(this.root, name);
  }

  run(id: string): string {
    return this.file(runPath(id));
  }

  /** A model's path for a process that works in this folder; a hub id stays as it is. */
  seenFrom(model: string): string {
    return existsSync(model) ? relative(this.root, resolve(model)) : model;
  }

  /** @throws InputError unless there is a sweep in it */
  mustExist(): void {
    if (!existsSync(this.file('runs'))) throw new InputError(`${this.root}: holds no sweep`);
  }

  /** @throws InputError if there is something else in it than a sweep */
  async mustBeFree(): Promise<void> {
    const names = (await namesIn(this.root)).filter((name) => !BEFOREHAND.test(name));
    if (names.length > 0 && !names.includes('runs'))
      throw new InputError(
        `${this.root}: holds files that are no sweep's (${names[0]}); name an empty or a new folder`,
      );
  }

  /** @throws InputError if the folder cannot be made */
  async create(): Promise<void> {
    for (const name of ['runs', 'data', 'failed']) await makeFolder(this.file(name));
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

  /** What a run's manifest says; `missing` without one, or if it cannot be read. */
  async status(id: string): Promise<RunStatus> {
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

  /** Ids of those of the jobs that are complete. */
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
      names.sort().map(async (name) => failure.parse(await readJson(this.file(`failed/${name}`)))),
    );
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError(error, folder);
  }
}
