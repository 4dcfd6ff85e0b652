/** A run from beginning to end: its manifest says how it stands (running, complete, …) and how long each stage took. */
import type { Engine } from '../engine/engine.js';
import { InterruptedError } from '../errors.js';
import { describeHost, type Manifest, type RecordedCommand } from '../formats/manifest.js';
import { createRun, type RunFolder } from '../formats/run-folder.js';
import type { Architecture } from '../models/architecture.js';
import { packageVersion } from '../package-file.js';
import type { Settings } from '../settings/commands.js';
import { recorded } from '../settings/complete.js';
import type { RunData } from './data.js';
import type { Subject } from './subject.js';

export interface SessionOptions<Of extends RecordedCommand> {
  command: Of;
  settings: Partial<Settings<Of>>;
  subject: Subject;
  /** Absent where prompts are known only once they were read. */
  data?: Pick<RunData, 'described' | 'notes'>;
}

/** The manifest of a run that is about to begin, as far as it is known before an engine is opened. */
export async function newManifest<Of extends RecordedCommand>({
  command,
  settings,
  subject: { source, model },
  data = { described: {}, notes: [] },
}: SessionOptions<Of>): Promise<Manifest> {
  const { id, name, revision } = source;
  return {
    schema_version: 1,
    command,
    status: 'running',
    settings: recorded(command, settings),
    seeds: 'seed' in settings ? { run: settings.seed as number } : {},
    model: { id, path: name, revision, hash: await model.hash() },
    data: data.described,
    notes: [...model.notes, ...data.notes, ...headNotes(model.architecture)],
    weight_form: model.form,
    engine: '',
    versions: { orthoscope: packageVersion(), node: process.versions.node },
    host: describeHost(),
    started_at: new Date().toISOString(),
    seconds: {},
  };
}

/**
 * Makes the folder of a command that only reads.
 * @throws InputError if the folder holds anything
 */
export async function newSession<Of extends RecordedCommand>(
  out: string,
  { engine, ...options }: SessionOptions<Of> & { engine: Engine },
): Promise<RunFolder> {
  const manifest = await newManifest(options);
  const versions = { ...manifest.versions, [engine.name]: engine.version };
  return createRun(out, { ...manifest, engine: engine.name, versions });
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
  } finally {
    await run.unlock();
  }
}
