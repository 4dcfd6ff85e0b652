/** `worker`: does runs of sweeps and shards of scorings for others, from a queue; or shares the batches of a training. */
import { join, resolve } from 'node:path';
import { InputError } from '../errors.js';
import type { Listener } from '../progress.js';
import { workFromRedis } from '../queue/redis-worker.js';
import { shareWork } from '../queue/share-worker.js';
import { shardJobs } from '../score/shard-job.js';
import { parseAddress } from '../settings/address.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { runJobs } from '../sweep/run-job.js';
import { machineOf, queueUrl } from './machine.js';

/**
 * Works until the signal fires; then finishes the jobs underway, and leaves a training that it shares.
 * @returns how many it has done, and where the folders of jobs from a queue are
 */
export async function work(
  given: Given<'worker'>,
  listener: Listener = {},
): Promise<{ done: number; folder: string | null }> {
  const settings = complete('worker', given);
  const { listen, root, lease, idleExit, model: models, shared, store } = settings;
  const machine = machineOf(settings);
  if (listen !== null) {
    if (settings.redis !== null) throw new InputError('--listen takes no --redis: a worker does one of both');
    const address = parseAddress(listen);
    const { done } = await shareWork({ listen: address, models, store, machine, idleExit }, listener);
    return { done, folder: null };
  }
  const url = queueUrl(settings);
  if (url === null)
    throw new InputError(
      '--redis is missing: give its URL, or set ORTHOSCOPE_REDIS; or --listen, to share batches',
    );
  const { done } = await workFromRedis(
    {
      ...{ kinds: [runJobs, shardJobs], url, models, root, lease, idleExit, machine },
      // Its processes work in their own folder.
      shared: shared && resolve(shared),
      store: store && resolve(store),
    },
    listener,
  );
  return { done, folder: join(root, 'runs') };
}
