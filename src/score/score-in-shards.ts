/** `score` over a queue: the data is cut into shards for workers, and what they send back is joined. */
import { rm, stat } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { formatByteSize } from '../formats/byte-size.js';
import { findRun } from '../formats/run-folder.js';
import { type DataFile, dataFileAt } from '../queue/data-file.js';
import { execute, type JobsListener } from '../queue/execute.js';
import { newJob, type PlannedJob } from '../queue/job.js';
import { JobTracker } from '../queue/job-tracker.js';
import { JobsFolder } from '../queue/jobs-folder.js';
import { inspectModel } from '../queue/known-model.js';
import { LARGEST_VALUE } from '../queue/messages.js';
import { openRedis } from '../queue/redis.js';
import { redisExecutor } from '../queue/redis-executor.js';
import { shardName } from '../shard.js';
import { sourceOf } from './data-sets.js';
import { mergeScores } from './merge-scores.js';
import { type ScorePlan, type ScoreRequest, withPlan } from './score-plan.js';
import type { ScoreOutcome } from './scoring.js';
import { type ShardSettings, sentSettings, shardJobs } from './shard-job.js';
import { readCounts } from './state-file.js';

export interface ShardedScore {
  request: ScoreRequest;
  /** Folder for the tables; shards are gathered in one beside it. */
  out: string;
  url: string;
  shards: number;
}

/**
 * Scores to what one run on one machine leaves behind, byte for byte if all use the same engine. Shards that an
 * earlier call gathered, or workers have done since, are not done again.
 * @throws InputError if the request cannot be cut or is wrong, a shard could not be done, or too much was rejected
 * @throws InterruptedError if the signal fires; the same call goes on
 */
export async function scoreInShards(
  { request, out, url, shards }: ShardedScore,
  { onNote, ...listener }: JobsListener = {},
): Promise<ScoreOutcome> {
  if (request.values !== null)
    throw new InputError('--values: every value is too much to send; score here, or in shards (--shard)');
  const planned = await withPlan(request, listener, async (plan) => {
    await findRun(out, plan.manifest);
    return {
      request: plan.request,
      dataSets: plan.dataSets,
      manifest: plan.manifest,
      folder: plan.subject.source.folder,
    };
  });
  const jobs = await plannedShards(planned, shards, listener);
  // Before anything is written.
  (await openRedis(url)).disconnect();
  const folder = new JobsFolder(`${out}.shards`);
  await folder.create();
  const complete = await folder.complete(jobs.map(({ job }) => job));
  const pending = jobs.filter(({ job }) => !complete.has(job.id));
  onNote?.(`${jobs.length} shards, ${complete.size} of them complete already`);
  const labels = new Map(jobs.map(({ job }) => [job.id, `shard ${shardName(job.settings.shard)}`]));
  const tracker = new JobTracker(jobs.length, complete.size, labels);
  const executor = redisExecutor({ kind: shardJobs, url, folder });
  const [failure] = await execute(executor, pending, folder, tracker, { onNote, ...listener });
  if (failure) throw new InputError(`${tracker.label(failure.id)}: ${failure.error}`);

  const folders = jobs.map(({ job }) => folder.run(job.id));
  await refuseRejected(folders, request.maxRejected);
  const sources = new Map(planned.dataSets.map((dataSet) => [dataSet.name, sourceOf(dataSet)]));
  const outcome = await mergeScores(folders, out, planned.folder, (manifest) => ({
    ...manifest,
    // As they are called here.
    model: planned.manifest.model,
    settings: planned.manifest.settings,
    data: Object.fromEntries(
      Object.entries(manifest.data).map(([name, found]) => [name, { ...found, source: sources.get(name)! }]),
    ),
  }));
  await rm(folder.root, { recursive: true, force: true });
  return outcome;
}

async function plannedShards(
  { request, dataSets }: Pick<ScorePlan, 'request' | 'dataSets'>,
  shards: number,
  call: JobsListener,
): Promise<PlannedJob<ShardSettings>[]> {
  const files: PlannedJob['files'] = [];
  const file = async (path: string): Promise<DataFile> => {
    await refuseUnsendable(path);
    const found = await dataFileAt(path);
    files.push({ file: found, path });
    return found;
  };
  const data: ShardSettings['data'] = [];
  for (const { name, files } of dataSets)
    for (const path of files) data.push({ name, file: await file(path) });
  const masks = request.masks ? await file(request.masks) : null;
  const { identity, weightBytes } = await inspectModel(request.model, call);
  const settings = { ...sentSettings(request), data, masks };
  return Array.from({ length: shards }, (_, i) => {
    const job = newJob(shardJobs, identity, { ...settings, shard: { index: i + 1, of: shards } });
    return { job, model: request.model, weightBytes, files };
  });
}

async function refuseUnsendable(path: string): Promise<void> {
  if (path === '-')
    throw new InputError('--data -: a pipe cannot be cut for workers; name a file, or --local');
  const { size } = await stat(path);
  if (size > LARGEST_VALUE)
    throw new InputError(
      `${path}: is ${formatByteSize(size)}, and Redis takes at most ${formatByteSize(LARGEST_VALUE)} a file; ` +
        'put it on a disk that all machines share and give each its part (--shard i/n, then score merge)',
    );
}

/** Each shard has kept to the limit of rejected records; all of them together must keep to it, too. */
async function refuseRejected(folders: readonly string[], most: number): Promise<void> {
  let rejected = 0;
  for (const folder of folders) {
    const counts = await readCounts(`${folder}/counts.json`);
    for (const counters of Object.values(counts)) rejected += counters.rejected;
  }
  if (rejected > most)
    throw new InputError(
      `${rejected} records rejected, at most ${most} are tolerated; give a larger --max-rejected, or mend the data`,
    );
}
