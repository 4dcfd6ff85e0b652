/** `worker`: does runs of sweeps, and shards of scorings, for others, from a queue. */
import { join, resolve } from 'node:path';
import { InputError } from '../errors.js';
import type { Listener } from '../progress.js';
import { workFromRedis } from '../queue/redis-worker.js';
import { shardJobs } from '../score/shard-job.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { runJobs } from '../sweep/run-job.js';
import { machineOf, queueUrl } from './machine.js';

/**
 * Works until the signal fires; then finishes the jobs underway.
 * @returns how many it has done, and where their folders are
 */
export async function work(
  given: Given<'worker'>,
  listener: Listener = {},
): Promise<{ done: number; folder: string }> {
  const settings = complete('worker', given);
  const url = queueUrl(settings);
  if (url === null) throw new InputError('--redis is missing: give its URL, or set ORTHOSCOPE_REDIS');
  const { root, lease, idleExit, model: models, shared, store } = settings;
  const { done } = await workFromRedis(
    {
      ...{ kinds: [runJobs, shardJobs], url, models, root, lease, idleExit },
      // Its processes work in their own folder.
      shared: shared && resolve(shared),
      store: store && resolve(store),
      machine: machineOf(settings),
    },
    listener,
  );
  return { done, folder: join(root, 'runs') };
}
