/** What the sweep commands do, from settings to results. */
import { existsSync } from 'node:fs';
import { openEngine } from '../engine/engine.js';
import { measureMatMul } from '../engine/measure.js';
import { readJson } from '../formats/json-file.js';
import type { LongCall } from '../progress.js';
import type { JobsListener } from '../queue/execute.js';
import type { JobsProgress } from '../queue/job-tracker.js';
import type { Failure } from '../queue/jobs-folder.js';
import { localExecutor } from '../queue/local-executor.js';
import { thisMachine } from '../queue/machine.js';
import { checkRedisUrl } from '../queue/redis.js';
import { redisExecutor } from '../queue/redis-executor.js';
import type { Shard } from '../shard.js';
import { type Prediction, predict } from './cost.js';
import { readResults } from './results.js';
import { runJobs } from './run-job.js';
import { labelsOf } from './run-labels.js';
import { type SettingSummary, summarise } from './summary.js';
import { planSweep, type SweepOutcome, sweep } from './sweep.js';
import { SweepFolder } from './sweep-folder.js';

export interface SweepSettings {
  plan: string;
  /** Folder of the sweep. */
  out: string;
  shard: Shard | null;
  /** URL of the queue whose workers do the runs; null: this machine does. */
  redis: string | null;
  /** Most runs at once; null: one a core. */
  jobs: number | null;
  /** Bytes that all runs together may use; null: most of what is free. */
  memory: number | null;
  /** Folder of stored decompositions; null: in the cache folder. */
  store: string | null;
}

/** Does what is left of a plan and summarises what is there. */
export async function sweepCommand(
  settings: SweepSettings,
  listener: JobsListener = {},
): Promise<{ outcome: SweepOutcome; summaries: SettingSummary[] }> {
  const { plan, out, shard, store, redis } = settings;
  const folder = new SweepFolder(out);
  await folder.mustBeFree();
  if (redis !== null) checkRedisUrl(redis);
  const executor =
    redis === null
      ? localExecutor({ kind: runJobs, folder, machine: machineOf(settings), store })
      : redisExecutor({ kind: runJobs, url: redis, folder });
  const outcome = await sweep({ plan, folder, shard, executor }, listener);
  // Those of the plan are among the failures.
  for (const { id, error } of await folder.damaged())
    if (!outcome.failures.some((failure) => failure.id === id)) listener.onNote?.(`left out: ${error}`);
  return { outcome, summaries: await summarise(await readResults([folder])) };
}

function machineOf({ jobs, memory }: SweepSettings) {
  return thisMachine({ jobs, ...(memory !== null && { memory }) });
}

export interface DryRun {
  runs: { id: string; label: string; complete: boolean }[];
  prediction: Prediction;
}

/** What {@link sweepCommand} would do. */
export async function dryRun(settings: SweepSettings, call: LongCall = {}): Promise<DryRun> {
  const folder = new SweepFolder(settings.out);
  await folder.mustBeFree();
  if (settings.redis !== null) checkRedisUrl(settings.redis);
  const { runs, complete } = await planSweep(settings.plan, folder, settings.shard, call);
  const labels = labelsOf(runs.map(({ job }) => job));
  const results = new Map((await readResults([folder])).map((row) => [row.id, row]));
  const finished = runs.flatMap((run) => {
    const result = results.get(run.job.id);
    return result ? [{ run, result }] : [];
  });
  const pending = runs.filter(({ job }) => !complete.has(job.id));
  // Speed is only asked for where no finished run tells more.
  let gflops = 1;
  if (finished.length === 0) {
    await openEngine({ engine: runs[0]!.job.settings.engine });
    gflops = await measureMatMul();
  }
  return {
    runs: runs.map(({ job: { id } }) => ({ id, label: labels.get(id)!, complete: complete.has(id) })),
    prediction: predict(pending, finished, machineOf(settings), gflops),
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

export async function sweepStatus(folder: SweepFolder): Promise<SweepStatus> {
  folder.mustExist();
  const statuses = await Promise.all((await folder.ids()).map((id) => folder.status(id)));
  const progress = folder.file('progress.json');
  return {
    complete: statuses.filter((status) => status === 'complete').length,
    damaged: await folder.damaged(),
    failures: await folder.failures(),
    progress: existsSync(progress) ? ((await readJson(progress)) as unknown as JobsProgress) : null,
  };
}
