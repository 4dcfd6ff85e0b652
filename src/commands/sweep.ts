/** `sweep`: many runs from one plan, on this machine or over a queue. */
import { existsSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { openEngine } from '../engine/engine.js';
import { measurePasses } from '../engine/measure.js';
import { InterruptedError } from '../errors.js';
import type { Listener, LongCall } from '../progress.js';
import type { JobsListener } from '../queue/execute.js';
import { type JobsProgress, readProgress } from '../queue/job-tracker.js';
import type { Failure } from '../queue/jobs-folder.js';
import { localExecutor } from '../queue/local-executor.js';
import { redisExecutor } from '../queue/redis-executor.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { type Prediction, predict } from '../sweep/cost.js';
import { type RunRow, readResults } from '../sweep/results.js';
import { runJobs } from '../sweep/run-job.js';
import { labelsOf } from '../sweep/run-labels.js';
import { type Stability, stability } from '../sweep/stability.js';
import { type SettingSummary, SUMMARY_DEFAULTS, summarise } from '../sweep/summary.js';
import { planSweep, sweep as runPlan, type SweepOutcome } from '../sweep/sweep.js';
import { SweepFolder } from '../sweep/sweep-folder.js';
import { machineOf, queueUrl } from './machine.js';

/**
 * Does what is left of a plan and summarises what is there.
 * @throws InterruptedError if the signal fires; the same call goes on
 */
export async function sweep(
  given: Given<'sweep'>,
  listener: JobsListener = {},
): Promise<{ folder: string; outcome: SweepOutcome; summaries: SettingSummary[] }> {
  const { plan, shard, store, folder, url, machine } = await opened(given);
  const executor =
    url === null
      ? localExecutor({ kind: runJobs, folder, machine, store })
      : redisExecutor({ kind: runJobs, url, folder });
  const outcome = await runPlan({ plan, folder, shard, executor }, listener).catch((error) => {
    if (!(error instanceof InterruptedError)) throw error;
    throw new InterruptedError(`interrupted; orthoscope sweep resume ${folder.root} goes on`);
  });
  // Those of the plan are among the failures.
  for (const { id, error } of await folder.damaged())
    if (!outcome.failures.some((failure) => failure.id === id)) listener.onNote?.(`left out: ${error}`);
  return { folder: folder.root, outcome, summaries: await summarise(await readResults([folder])) };
}

/** Settings as they are used; what is wrong with them shows here. */
async function opened(given: Given<'sweep'>) {
  const settings = complete('sweep', given);
  const { plan, store } = settings;
  const folder = new SweepFolder(settings.out ?? join('sweeps', basename(plan, extname(plan))));
  await folder.mustBeFree();
  const machine = machineOf(settings);
  // Processes work in the sweep's folder.
  return { ...settings, store: store && resolve(store), folder, url: queueUrl(settings), machine };
}

export interface DryRun {
  runs: { id: string; label: string; complete: boolean }[];
  prediction: Prediction;
}

/** What {@link sweep} would do. */
export async function estimateSweep(given: Given<'sweep'>, call: LongCall = {}): Promise<DryRun> {
  const { plan, shard, folder, machine } = await opened(given);
  const { runs, complete } = await planSweep(plan, folder, shard, call);
  const labels = labelsOf(runs.map(({ job }) => job));
  const results = new Map((await readResults([folder])).map((row) => [row.id, row]));
  const finished = runs.flatMap((run) => {
    const result = results.get(run.job.id);
    return result ? [{ run, result }] : [];
  });
  const pending = runs.filter(({ job }) => !complete.has(job.id));
  // Speed is only asked for where no finished run tells more.
  let speed = 1;
  if (finished.length === 0) {
    speed = await measurePasses(await openEngine({ engine: runs[0]!.job.settings.engine }));
  }
  return {
    runs: runs.map(({ job: { id } }) => ({ id, label: labels.get(id)!, complete: complete.has(id) })),
    prediction: predict(pending, finished, machine, speed),
  };
}

export interface SweepStatus {
  /** Run folders that are complete. */
  complete: number;
  /** Those that cannot be read, and why. */
  damaged: { id: string; error: string }[];
  failures: Failure[];
  /** As the last sitting left it, or is keeping it; null if there was none. */
  progress: JobsProgress | null;
}

export async function sweepStatus({ folder: path }: Given<'sweep status'>): Promise<SweepStatus> {
  const folder = new SweepFolder(path);
  folder.mustExist();
  const statuses = await Promise.all((await folder.ids()).map((id) => folder.status(id)));
  const progress = folder.file('progress.json');
  return {
    complete: statuses.filter((status) => status === 'complete').length,
    damaged: await folder.damaged(),
    failures: await folder.failures(),
    progress: existsSync(progress) ? await readProgress(progress) : null,
  };
}

/** Mean, deviation and interval over seeds of every setting. */
export async function sweepTable(
  given: Given<'sweep table'>,
  listener: Listener = {},
): Promise<SettingSummary[]> {
  return summarise(await resultsOf(given, listener));
}

/** Whether seeds find the same directions. */
export async function sweepStability(
  given: Given<'sweep stability'>,
  listener: Listener = {},
): Promise<Stability[]> {
  return stability(await resultsOf(given, listener), SUMMARY_DEFAULTS);
}

/** The results of the folders that were named; what cannot be read of them is remarked on, never left out in silence. */
async function resultsOf({ folders: paths }: { folders: string[] }, { onNote }: Listener): Promise<RunRow[]> {
  const folders = paths.map((path) => new SweepFolder(path));
  for (const folder of folders) {
    folder.mustExist();
    for (const { error } of await folder.damaged()) onNote?.(`left out: ${error}`);
  }
  return readResults(folders);
}
