/** A sweep from plan to table: what is complete is kept, the rest is done, and the results are gathered. */
import { copyFile } from 'node:fs/promises';
import { writeJson } from '../formats/atomic-file.js';
import type { LongCall } from '../progress.js';
import type { Executor } from './executor.js';
import { expandPlan, type PlannedRun } from './expand.js';
import { readPlan } from './plan.js';
import { labelsOf, type SweepProgress, SweepTracker } from './progress.js';
import { writeResults } from './results.js';
import { inShard, type Shard } from './shard.js';
import type { Failure, SweepFolder } from './sweep-folder.js';

export interface SweepListener extends LongCall {
  onNote?: (line: string) => void;
  /** Called after every event, and twice a second at least. */
  onState?: (state: SweepProgress) => void;
}

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
  executor: Executor;
}

export interface SweepOutcome {
  total: number;
  complete: number;
  /** Done in this sitting. */
  computed: number;
  failures: Failure[];
}

/** Milliseconds between two writings of `progress.json`. */
const STATE_INTERVAL = 500;

/** @throws InterruptedError if the signal fires; what is complete stays, what was underway can be resumed */
export async function sweep(
  { plan, folder, shard, executor }: SweepOptions,
  { onNote, onState, ...call }: SweepListener = {},
): Promise<SweepOutcome> {
  const { runs, complete } = await planSweep(plan, folder, shard, call);
  const pending = runs.filter(({ job }) => !complete.has(job.id));
  await folder.create();
  if (plan !== folder.file('plan.yaml')) await copyFile(plan, folder.file('plan.yaml'));
  for (const { job, files } of pending) {
    await folder.clearFailure(job.id);
    for (const { file, path } of files) await folder.addData(file, path);
  }
  onNote?.(`${runs.length} runs, ${complete.size} of them complete already`);

  const labels = labelsOf(runs.map(({ job }) => job));
  const tracker = new SweepTracker(runs.length, complete.size, labels);
  try {
    const failures = await execute(executor, pending, folder, tracker, { onNote, onState, ...call });
    const { complete: done } = tracker.state();
    return { total: runs.length, complete: done, computed: done - complete.size, failures };
  } finally {
    await writeResults(folder);
  }
}

/**
 * Has jobs done, and keeps `progress.json` and the list of failures meanwhile.
 * @throws InterruptedError if the signal fires
 */
export async function execute<Planned>(
  executor: Executor<Planned>,
  pending: readonly Planned[],
  folder: SweepFolder,
  tracker: SweepTracker,
  { onNote, onState, signal }: SweepListener,
): Promise<Failure[]> {
  const failures: Failure[] = [];
  const show = () => onState?.(tracker.state());
  // Only a view: that it cannot be written must not end the sweep.
  const save = () => writeJson(folder.file('progress.json'), tracker.state()).catch(() => {});
  let saving = save();
  const timer = setInterval(() => {
    show();
    saving = saving.then(save);
  }, STATE_INTERVAL);
  try {
    await executor(pending, {
      signal,
      onEvent: async (event) => {
        tracker.take(event);
        if (event.type === 'note') onNote?.(event.text);
        if (event.type === 'failed') {
          const { id, error, attempts } = event;
          failures.push({ id, error, attempts });
          onNote?.(`failed: ${tracker.label(id)}: ${error}`);
          await folder.setFailure({ id, error, attempts });
        }
        show();
      },
    });
  } finally {
    clearInterval(timer);
    show();
    await saving.then(save);
  }
  return failures;
}
