/** `score` over a queue: the data is cut into shards for workers, and what they send back is joined. */
import { rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { InputError } from '../errors.js';
import { formatByteSize } from '../formats/byte-size.js';
import { readJson } from '../formats/json-file.js';
import { findRun } from '../formats/run-folder.js';
import { DEFAULT_SPLIT } from '../models/qk-split.js';
import { mergeScores } from '../run/score-merge.js';
import { type ScorePlan, type ScoreRequest, withPlan } from '../run/score-plan.js';
import type { ScoreOutcome } from '../run/scoring.js';
import type { Counters } from '../score/state-file.js';
import { type DataFile, dataFileAt } from './data-file.js';
import { inspectModel } from './expand.js';
import { jobId, type PlannedJob, type ScoreJob } from './job.js';
import { SweepTracker } from './progress.js';
import { redisExecutor } from './queue/coordinator.js';
import { LARGEST_VALUE } from './queue/messages.js';
import { openRedis } from './queue/redis.js';
import type { ScoreSettings } from './score-job.js';
import { execute, type SweepListener } from './sweep.js';
import { SweepFolder } from './sweep-folder.js';

/** Shards unless asked for otherwise: enough for a few workers of unequal speed, and few enough readings of the data. */
export const SHARDS = 8;

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
  { onNote, ...listener }: SweepListener = {},
): Promise<ScoreOutcome> {
  if (request.values !== null)
    throw new InputError('--values: every value is too much to send; score here, or in shards (--shard)');
  const planned = await withPlan(request, listener, async (plan) => {
    await findRun(out, plan.manifest);
    return {
      request: plan.request,
      dataSets: plan.dataSets,
      model: plan.manifest.model,
      folder: plan.subject.source.folder,
    };
  });
  const jobs = await shardJobs(planned, shards, listener);
  // Before anything is written.
  (await openRedis(url)).disconnect();
  const folder = new SweepFolder(`${out}.shards`);
  await folder.create();
  const complete = await folder.complete(jobs.map(({ job }) => job));
  const pending = jobs.filter(({ job }) => !complete.has(job.id));
  onNote?.(`${jobs.length} shards, ${complete.size} of them complete already`);
  const labels = new Map(jobs.map(({ job }, i) => [job.id, `shard ${i + 1}/${shards}`]));
  const tracker = new SweepTracker(jobs.length, complete.size, labels);
  const executor = redisExecutor({ url, folder });
  const [failure] = await execute(executor, pending, folder, tracker, { onNote, ...listener });
  if (failure) throw new InputError(`${tracker.label(failure.id)}: ${failure.error}`);

  const folders = jobs.map(({ job }) => folder.run(job.id));
  await refuseRejected(folders, request.maxRejected);
  const sources = new Map(planned.dataSets.map(({ name, path }) => [name, basename(path)]));
  const outcome = await mergeScores(folders, out, planned.folder, (manifest) => ({
    ...manifest,
    // As they are called here.
    model: planned.model,
    data: Object.fromEntries(
      Object.entries(manifest.data).map(([name, found]) => [name, { ...found, source: sources.get(name)! }]),
    ),
  }));
  await rm(folder.root, { recursive: true, force: true });
  return outcome;
}

async function shardJobs(
  { request, dataSets }: Pick<ScorePlan, 'request' | 'dataSets'>,
  shards: number,
  call: SweepListener,
): Promise<PlannedJob<ScoreJob>[]> {
  const files: PlannedJob['files'] = [];
  const file = async (path: string): Promise<DataFile> => {
    await refuseUnsendable(path);
    const found = await dataFileAt(path);
    files.push({ file: found, path });
    return found;
  };
  const data: ScoreSettings['data'] = [];
  for (const { name, path } of dataSets) data.push({ name, file: await file(path) });
  const masks = request.masks ? await file(request.masks) : null;
  const { identity: model } = await inspectModel(request.model, call);
  const { qkSplit, rotaryOffsets, bos, engine, storeDtype, directions, threshold } = request;
  const { positions, long, maxTokens, examples, context, maxRejected, format } = request;
  const settings = {
    ...{ form: request.form ?? 'reference', qkSplit: qkSplit ?? DEFAULT_SPLIT.by },
    rotaryOffsets: rotaryOffsets ?? DEFAULT_SPLIT.offsets,
    ...{ bos, engine, storeDtype, directions, threshold, positions, long, maxTokens, examples, context },
    ...{ maxRejected, format, data, masks },
  } as const;
  return Array.from({ length: shards }, (_, i) => {
    const shard = { index: i + 1, of: shards };
    const job = { kind: 'score' as const, model, settings: { ...settings, shard } };
    return { job: { id: jobId(job), ...job }, files };
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

/** Each shard kept to the limit; together they must, too. */
async function refuseRejected(folders: readonly string[], most: number): Promise<void> {
  let rejected = 0;
  for (const folder of folders) {
    const counts = (await readJson(`${folder}/counts.json`)) as Record<string, Counters>;
    for (const counters of Object.values(counts)) rejected += counters.rejected;
  }
  if (rejected > most)
    throw new InputError(
      `${rejected} records rejected, at most ${most} are tolerated; give a larger --max-rejected, or mend the data`,
    );
}
