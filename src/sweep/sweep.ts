/** A sweep from plan to table: what is complete is kept, the rest is done, and the results are gathered. */
import { copyFile } from 'node:fs/promises';
import type { LongCall } from '../progress.js';
import { execute, type JobsListener } from '../queue/execute.js';
import type { Executor } from '../queue/executor.js';
import { JobTracker } from '../queue/job-tracker.js';
import type { Failure } from '../queue/jobs-folder.js';
import { inShard, type Shard } from '../shard.js';
import { expandPlan } from './expand.js';
import { readPlan } from './plan.js';
import { writeResults } from './results.js';
import type { PlannedRun, RunSettings } from './run-job.js';
import { labelsOf } from './run-labels.js';

import type { SweepFolder } from './sweep-folder.js';

export interface PlannedSweep {
  runs: PlannedRun[];
  /** Ids of runs that are complete already. */
  complete: Set<string>;
}

/** The runs of a plan (or of one shard of it), and which of them are complete. */
export async function planSweep(
  plan: string,
  folder: SweepFolder,
  shard: Shard | null,
  call: LongCall = {},
): Promise<PlannedSweep> {
  const all = await expandPlan(await readPlan(plan), call);
  const runs = shard ? all.filter((_, index) => inShard(index, shard)) : all;
  return { runs, complete: await folder.complete(runs.map(({ job }) => job)) };
}

export interface SweepOptions {
  /** Path of the plan. */
  plan: string;
  folder: SweepFolder;
  shard: Shard | null;
  executor: Executor<RunSettings>;
}

export interface SweepOutcome {
  total: number;
  complete: number;
  /** Done in this sitting. */
  computed: number;
  failures: Failure[];
}

/** @throws InterruptedError if the signal fires; what is complete stays, what was underway can be resumed */
export async function sweep(
  { plan, folder, shard, executor }: SweepOptions,
  { onNote, onState, ...call }: JobsListener = {},
): Promise<SweepOutcome> {
  const { runs, complete } = await planSweep(plan, folder, shard, call);
  const pending = runs.filter(({ job }) => !complete.has(job.id));
  await folder.create();
  // Shards of a plan are at work beside each other.
  if (shard === null) await folder.removeLeftovers();
  if (plan !== folder.file('plan.yaml')) await copyFile(plan, folder.file('plan.yaml'));
  for (const { job, files } of pending) {
    await folder.clearFailure(job.id);
    for (const { file, path } of files) await folder.addData(file, path);
  }
  onNote?.(`${runs.length} runs, ${complete.size} of them complete already`);

  const labels = labelsOf(runs.map(({ job }) => job));
  const tracker = new JobTracker(runs.length, complete.size, labels);
  try {
    const failures = await execute(executor, pending, folder, tracker, { onNote, onState, ...call });
    const { complete: done } = tracker.state();
    return { total: runs.length, complete: done, computed: done - complete.size, failures };
  } finally {
    await writeResults(folder);
  }
}
