/** The command `worker`: does runs of sweeps and shards of scorings for others, from a queue. */
import { type WorkerListener, type WorkerSettings, workFromRedis } from '../queue/redis-worker.js';
import { shardJobs } from '../score/shard-job.js';
import { runJobs } from '../sweep/run-job.js';

/** Works until the signal fires; then finishes the jobs underway and returns how many it has done. */
export function work(
  settings: Omit<WorkerSettings, 'kinds'>,
  listener: WorkerListener = {},
): Promise<{ done: number }> {
  return workFromRedis({ ...settings, kinds: [runJobs, shardJobs] }, listener);
}
