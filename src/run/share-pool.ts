/** Workers of other machines that share batches with those of this one. */
import { InputError } from '../errors.js';
import { packageVersion } from '../package-file.js';
import { joinedPools } from '../pool/joined-pools.js';
import { openRemotePool } from '../pool/remote-pool.js';
import { connectSecretly, sharedSecret } from '../pool/secret-sockets.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import type { Listener } from '../progress.js';
import { addressText, parseAddress } from '../settings/address.js';
import type { ModelJob } from './mask-worker.js';
import { type Hello, jobNamed } from './share-messages.js';

export interface SharedWork extends Listener {
  /** Addresses of the other machines. */
  share: readonly string[];
  /** What is asked of them. */
  hello: Omit<Hello, 'version'>;
}

/**
 * Joins the workers of other machines to those of this one. A machine that goes away in the middle leaves its jobs to
 * the others.
 * @param here opens the pool of this machine, once the others are ready
 * @throws InputError if a machine cannot be reached, or refuses
 */
export async function openSharedPool(
  { share, hello, onNote, signal }: SharedWork,
  here: () => WorkerPool,
): Promise<WorkerPool> {
  const twice = share.find((address, at) => share.indexOf(address) !== at);
  if (twice) throw new InputError(`--share ${twice}: is named twice`);
  const secret = sharedSecret();
  const opening = await Promise.allSettled(
    share.map(async (given) => {
      const address = parseAddress(given);
      const socket = await connectSecretly(address, secret, signal);
      const name = addressText(address);
      const pool = await openRemotePool({
        socket,
        name,
        hello: { version: packageVersion(), ...hello } satisfies Hello,
        toSend: ({ model: _, ...job }: ModelJob) => job,
        answered: (job, value) => jobNamed(job).answer.parse(value),
        signal,
      });
      onNote?.(`${name} shares the work with ${pool.workers} ${pool.workers === 1 ? 'worker' : 'workers'}`);
      return pool;
    }),
  );
  const machines = opening.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const failed = opening.find((each) => each.status === 'rejected');
  if (failed) {
    await Promise.all(machines.map((machine) => machine.close()));
    throw failed.reason;
  }
  // Those that are far first: what they are sent is on its way while this machine begins.
  return joinedPools([...machines, here()], (why) => onNote?.(`${why}; the others do its work`));
}
