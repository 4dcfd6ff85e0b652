/** What commands that do many runs at once may use of this machine, and where their queue is. */
import { InputError } from '../errors.js';
import { formatByteSize } from '../formats/byte-size.js';
import { type Machine, PROCESS_BYTES, thisMachine } from '../queue/machine.js';
import { checkRedisUrl } from '../queue/redis.js';

/** @throws InputError if the memory does not do for a single run */
export function machineOf({ jobs, memory }: { jobs: number | null; memory: number | null }): Machine {
  if (memory !== null && memory < PROCESS_BYTES)
    throw new InputError(
      `--memory ${formatByteSize(memory)}: a single run takes ${formatByteSize(PROCESS_BYTES)} before it has read anything; give more`,
    );
  return thisMachine({ jobs, ...(memory !== null && { memory }) });
}

/**
 * A password in a flag is seen by everyone who lists processes, so the environment will do as well.
 * @returns null for this machine
 * @throws InputError if it is no URL, or one is given and this machine asked for
 */
export function queueUrl({ redis, local = false }: { redis: string | null; local?: boolean }): string | null {
  if (local && redis !== null) throw new InputError('--local is for this machine; leave out --redis');
  const url = local ? null : (redis ?? process.env.ORTHOSCOPE_REDIS ?? null);
  if (url !== null) checkRedisUrl(url);
  return url;
}
