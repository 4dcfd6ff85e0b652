/** A run's life: its manifest says running, complete, interrupted or failed, and how long each stage took. */
import { readFileSync } from 'node:fs';
import { InterruptedError } from '../errors.js';
import { describeHost, type Manifest } from '../formats/manifest.js';
import type { RunFolder } from '../formats/run-folder.js';
import type { Architecture } from '../models/architecture.js';
import { packageFile } from '../package-file.js';
import type { RunData } from './data.js';
import type { Subject } from './subject.js';

export interface SessionOptions {
  command: string;
  /** Every setting that determines the result, defaults included. */
  settings: Record<string, unknown>;
  /** Of every random choice; left out where there is none. */
  seed?: number;
  subject: Subject;
  /** Left out where it is only known, and noted, once it was read. */
  data?: RunData;
}

/** The manifest of a run that is about to begin, as far as it is known before an engine is opened. */
export async function newManifest({
  command,
  settings,
  seed,
  subject,
  data,
}: SessionOptions): Promise<Manifest> {
  const { source, model } = subject;
  return {
    schema_version: 1,
    command,
    status: 'running',
    settings,
    seeds: seed === undefined ? {} : { run: seed },
    model: { id: source.id, path: source.folder, revision: source.revision, hash: await model.hash() },
    data: data?.described ?? {},
    notes: [...(data?.notes ?? []), ...headNotes(model.architecture)],
    weight_form: model.form,
    engine: '',
    versions: { orthoscope: packageVersion(), node: process.versions.node },
    host: describeHost(),
    started_at: new Date().toISOString(),
    seconds: {},
  };
}

/** How components' head numbers are to be read where key/value heads are shared. */
function headNotes({ nHeads, nKvHeads }: Architecture): string[] {
  if (nKvHeads === nHeads) return [];
  const group = nHeads / nKvHeads;
  return [
    `components are named by query head: ${nHeads} of them read ${nKvHeads} key/value heads, ${group} in a row each`,
  ];
}

/** Runs a stage and adds its time to the manifest. */
export async function timed<T>(run: RunFolder, stage: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  try {
    return await work();
  } finally {
    const seconds = (run.manifest.seconds[stage] ?? 0) + (performance.now() - started) / 1000;
    await run.update({ seconds: { ...run.manifest.seconds, [stage]: seconds } });
  }
}

/** Runs all of a session's work; whatever happens, the manifest says so. */
export async function concluding<T>(run: RunFolder, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work();
    await run.update({ status: 'complete', ended_at: new Date().toISOString() });
    return result;
  } catch (error) {
    const status = error instanceof InterruptedError ? 'interrupted' : 'failed';
    await run.update({ status, error: (error as Error).message, ended_at: new Date().toISOString() });
    throw error;
  }
}

/** This program's version, from its package.json. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }).version;
}
